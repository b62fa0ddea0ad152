/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages: walking, adding, flags, expunging. */
#include "base/clock.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <stdio.h>

static int no_message(struct error *err, int64_t mailbox, uint32_t uid)
{
	return error_set(err, -ENOENT, "no message with UID %u in mailbox number %lld",
		uid, (long long)mailbox);
}

/* ── walking ───────────────────────────────────────────────────────────────────────── */

static void read_message(const struct query *q, struct store_message *m)
{
	*m = (struct store_message){
		.uid = (uint32_t)query_number(q, 0),
		.flags = (unsigned)query_number(q, 1),
		.keywords = query_bytes(q, 2),
		.date = (int64_t)query_number(q, 3),
		.zone = (int16_t)query_number(q, 4),
		.size = query_number(q, 5),
		.body_len = query_number(q, 6),
		.modseq = query_number(q, 7),
		.uidl = query_bytes(q, 8),
		.pop3_order = (uint32_t)query_number(q, 9),
		.saved = (int64_t)query_number(q, 10),
		.email = query_number(q, 11),
	};
}

/* From *from on until the end, the callback's no, or a change that it made: a row that is
   written under a cursor may come up again, so the rest is asked for anew. */
static int walk_unchanged(struct store *s, int64_t mailbox, uint32_t *from, uint32_t to,
	message_each_fn *each, void *context, bool *ret_again, struct error *err)
{
	struct store_message m;
	struct query q;
	uint64_t changes = database_total_changes(s->db);
	int code = query_begin(s->db, SQL_EACH_MESSAGE,
		SQL_VALUES(sql_signed(mailbox), sql_number(*from), sql_number(to)), &q,
		err);

	*ret_again = false;
	while (code == 0 && !*ret_again) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		read_message(&q, &m);
		*from = m.uid + 1;
		*ret_again = m.uid < to; /* more to come, should it write */
		code = each(context, &m);
		if (database_total_changes(s->db) == changes)
			*ret_again = false;
	}
	query_end(&q);
	return code;
}

int store_each_message(struct store *s, int64_t mailbox, uint32_t from, uint32_t to,
	message_each_fn *each, void *context, struct error *err)
{
	bool again;
	int code;

	do
		code = walk_unchanged(s, mailbox, &from, to, each, context, &again, err);
	while (code == 0 && again);
	return code;
}

int store_each_state(struct store *s, int64_t mailbox, message_each_fn *each,
	void *context, struct error *err)
{
	struct query q;
	int code = query_begin(
		s->db, SQL_EACH_STATE, SQL_VALUES(sql_signed(mailbox)), &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1) {
		struct store_message m = { .uid = (uint32_t)query_number(&q, 0),
			.flags = (unsigned)query_number(&q, 1),
			.keywords = query_bytes(&q, 2),
			.modseq = query_number(&q, 3) };

		code = each(context, &m);
	}
	query_end(&q);
	return code;
}

int store_each_changed(struct store *s, int64_t mailbox, uint64_t since,
	message_each_fn *each, void *context, struct error *err)
{
	struct store_message m;
	struct query q;
	int code = query_begin(s->db, SQL_EACH_CHANGED,
		SQL_VALUES(sql_signed(mailbox), sql_number(since)), &q, err);

	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		read_message(&q, &m);
		code = each(context, &m);
	}
	query_end(&q);
	return code;
}

static int each_uid(
	struct query *q, int code, uid_each_fn *each, void *context, struct error *err)
{
	while (code == 0) {
		code = query_next(q, err);
		if (code <= 0)
			break;
		code = each(context, (uint32_t)query_number(q, 0));
	}
	query_end(q);
	return code;
}

int store_each_expunged(struct store *s, int64_t mailbox, uint64_t since,
	uid_each_fn *each, void *context, struct error *err)
{
	struct query q;
	int code = query_begin(s->db, SQL_EACH_EXPUNGED,
		SQL_VALUES(sql_signed(mailbox), sql_number(since)), &q, err);

	return each_uid(&q, code, each, context, err);
}

int store_each_recent(struct store *s, int64_t mailbox, uid_each_fn *each, void *context,
	struct error *err)
{
	struct query q;
	int code = query_begin(
		s->db, SQL_EACH_RECENT, SQL_VALUES(sql_signed(mailbox)), &q, err);

	return each_uid(&q, code, each, context, err);
}

/* ── one message as it is ──────────────────────────────────────────────────────────── */

struct state {
	unsigned flags;
	uint64_t modseq, size;
	uint32_t pack;
	bool same_keywords;
};

static int find_state(struct store *s, int64_t mailbox, uint32_t uid, struct str keywords,
	struct state *ret, struct error *err)
{
	struct query q;
	int code = query_begin(s->db, SQL_MESSAGE,
		SQL_VALUES(sql_signed(mailbox), sql_number(uid)), &q, err);

	if (code == 0)
		code = query_next(&q, err);
	if (code == 1)
		*ret = (struct state){ .flags = (unsigned)query_number(&q, 0),
			.same_keywords = str_eq(query_bytes(&q, 1), keywords),
			.modseq = query_number(&q, 2),
			.size = query_number(&q, 3),
			.pack = (uint32_t)query_number(&q, 4) };
	query_end(&q);
	if (code < 0)
		return code;
	return code ? 0 : no_message(err, mailbox, uid);
}

/* ── adding ────────────────────────────────────────────────────────────────────────── */

/* A UID below UIDNEXT may be taken, or may have been expunged (then it comes back). */
static int claim_old_uid(
	struct store *s, int64_t mailbox, uint32_t uid, struct error *err)
{
	struct state state;
	int code = find_state(s, mailbox, uid, STR_LIT(""), &state, NULL);

	if (code == 0)
		return error_set(err, -EEXIST, "UID %u of mailbox number %lld is taken",
			uid, (long long)mailbox);
	if (code != -ENOENT)
		return error_set(err, code, "cannot look for UID %u", uid);
	return sql_run(s->db, SQL_FORGET_EXPUNGED,
		SQL_VALUES(sql_signed(mailbox), sql_number(uid)), err);
}

/* 0: the next one. The last of all 32 bits is never given: UIDNEXT could not rise. */
static int claim_uid(struct store *s, struct box *b, uint32_t *uid, struct error *err)
{
	if (*uid && *uid < b->uidnext)
		return claim_old_uid(s, b->id, *uid, err);
	if (!*uid)
		*uid = b->uidnext;
	else if (*uid == UINT32_MAX && b->uidnext == UINT32_MAX)
		return claim_old_uid(s, b->id, *uid, err);
	else
		return 0;
	if (*uid == UINT32_MAX)
		return error_set(err, -EOVERFLOW, "mailbox number %lld has no UID left",
			(long long)b->id);
	return 0;
}

static void count_new(
	struct box *b, uint32_t uid, unsigned flags, uint64_t size, uint32_t *ret_uid)
{
	box_count(b, 1, flags, size);
	box_raise_uidnext(b, uid == UINT32_MAX ? uid : uid + 1);
	if (ret_uid)
		*ret_uid = uid;
}

static int64_t now(void)
{
	return (int64_t)(clock_wall_ms() / 1000);
}

/* A modseq is given once: it names the message, too. */
static int insert(struct store *s, int64_t mailbox, const struct store_message *m,
	uint32_t uid, uint64_t modseq, const struct body_place *place, struct error *err)
{
	return sql_run(s->db, SQL_INSERT_MESSAGE,
		SQL_VALUES(sql_signed(mailbox), sql_number(uid), sql_number(m->flags),
			sql_text(m->keywords), sql_signed(m->date), sql_signed(m->zone),
			sql_number(m->size), sql_number(modseq), sql_text(m->uidl),
			sql_number(m->pop3_order), sql_number(place->pack),
			sql_number(place->offset), sql_number(place->len),
			sql_number(place->checksum),
			sql_signed(m->saved ? m->saved : now()), sql_number(modseq)),
		err);
}

/* The body's bytes into the index; its row becomes the place. */
static int insert_inline(struct store *s, struct body_place *place, struct error *err)
{
	int code;

	place->offset = 0;
	place->len = place->inline_bytes.len;
	place->checksum = store_checksum(0, place->inline_bytes);
	if (!place->len)
		return 0;
	code = store_has_room(s, place->len, err);
	if (code < 0)
		return code;
	code = sql_run(
		s->db, SQL_INSERT_BODY, SQL_VALUES(sql_blob(place->inline_bytes)), err);
	place->offset = (uint64_t)database_last_id(s->db);
	return code;
}

/* The commit has to sync the pack first; one that failed cannot be trusted any more. */
static int want_pack(struct store *s, const struct body_place *place, struct error *err)
{
	struct pack *k;
	int code = pack_find(&s->packs, place->pack, &k, err);

	if (code < 0)
		return code;
	if (k->failed)
		return error_set(err, -EIO,
			"bodies/%04u.pack could not be written; try again", k->number);
	k->wanted = true;
	if (k->open)
		k->open--;
	return 0;
}

int store_take_place(struct store *s, struct body_place *place, struct error *err)
{
	return place->pack ? want_pack(s, place, err) : insert_inline(s, place, err);
}

static int add(struct store *s, int64_t mailbox, const struct store_message *m,
	struct body_place *place, bool taken, uint32_t *ret_uid, struct error *err)
{
	uint32_t uid = m->uid;
	uint64_t modseq;
	struct box *b;
	int code = box_get(s, mailbox, &b, err);

	if (code == 0)
		code = claim_uid(s, b, &uid, err);
	if (code == 0 && !taken)
		code = store_take_place(s, place, err);
	if (code < 0)
		return code;
	box_change(s, b, &modseq);
	code = insert(s, mailbox, m, uid, modseq, place, err);
	if (code == 0)
		count_new(b, uid, m->flags, m->size, ret_uid);
	return code;
}

int store_add(struct store *s, int64_t mailbox, const struct store_message *m,
	const struct body_place *body, uint32_t *ret_uid, struct error *err)
{
	struct body_place place = *body;

	return add(s, mailbox, m, &place, false, ret_uid, err);
}

int store_add_taken(struct store *s, int64_t mailbox, const struct store_message *m,
	const struct body_place *place, uint32_t *ret_uid, struct error *err)
{
	struct body_place same = *place;

	return add(s, mailbox, m, &same, true, ret_uid, err);
}

int store_copy(struct store *s, int64_t mailbox, uint32_t uid, int64_t to_mailbox,
	uint32_t *ret_uid, struct error *err)
{
	uint32_t to_uid = 0;
	uint64_t modseq;
	struct state state;
	struct box *b;
	int code = box_get(s, to_mailbox, &b, err);

	if (code == 0)
		code = find_state(s, mailbox, uid, STR_LIT(""), &state, err);
	if (code == 0)
		code = claim_uid(s, b, &to_uid, err);
	if (code < 0)
		return code;
	box_change(s, b, &modseq);
	code = sql_run(s->db, SQL_COPY_MESSAGE,
		SQL_VALUES(sql_signed(mailbox), sql_number(uid), sql_signed(to_mailbox),
			sql_number(to_uid), sql_number(state.flags | FLAG_RECENT),
			sql_number(modseq), sql_signed(now())),
		err);
	if (code == 0)
		count_new(b, to_uid, state.flags | FLAG_RECENT, state.size, ret_uid);
	return code;
}

/* ── changing ──────────────────────────────────────────────────────────────────────── */

int store_set_flags(struct store *s, int64_t mailbox, uint32_t uid, unsigned flags,
	struct str keywords, uint64_t *ret_modseq, struct error *err)
{
	struct state state;
	struct box *b;
	int code = box_get(s, mailbox, &b, err);

	if (code == 0)
		code = find_state(s, mailbox, uid, keywords, &state, err);
	if (code < 0)
		return code;
	/* \Recent is no state of the message (RFC 7162 does not count it as a change) */
	if ((flags ^ state.flags) & ~(unsigned)FLAG_RECENT || !state.same_keywords)
		box_change(s, b, &state.modseq);
	else if (flags == state.flags)
		goto out;
	code = sql_run(s->db, SQL_SET_FLAGS,
		SQL_VALUES(sql_signed(mailbox), sql_number(uid), sql_number(flags),
			sql_text(keywords), sql_number(state.modseq)),
		err);
	if (code < 0)
		return code;
	box_count(b, -1, state.flags, state.size);
	box_count(b, 1, flags, state.size);
out:
	if (ret_modseq)
		*ret_modseq = state.modseq;
	return 0;
}

int store_take_recent(
	struct store *s, int64_t mailbox, uint32_t *ret_count, struct error *err)
{
	struct box *b;
	int code = box_get(s, mailbox, &b, err);

	if (code < 0)
		return code;
	if (ret_count)
		*ret_count = b->recent;
	if (!b->recent)
		return 0;
	b->recent = 0;
	b->unsaved = true;
	return sql_run(s->db, SQL_CLEAR_RECENT, SQL_VALUES(sql_signed(mailbox)), err);
}

int store_set_uidl(struct store *s, int64_t mailbox, uint32_t uid, struct str uidl,
	uint32_t pop3_order, struct error *err)
{
	int code = store_writing(s, err);

	if (code == 0)
		code = sql_run(s->db, SQL_SET_UIDL,
			SQL_VALUES(sql_signed(mailbox), sql_number(uid), sql_text(uidl),
				sql_number(pop3_order)),
			err);
	if (code == 0 && database_changes(s->db) == 0)
		return no_message(err, mailbox, uid);
	return code;
}

int store_lose_pack(struct store *s, uint32_t pack, struct error *err)
{
	if (pack && pack_set_add(&s->candidates, pack) < 0)
		return error_set(err, -ENOMEM, "no memory");
	return 0;
}

int store_expunge(struct store *s, int64_t mailbox, uint32_t uid, struct error *err)
{
	struct state state;
	uint64_t modseq;
	struct box *b;
	int code = box_get(s, mailbox, &b, err);

	if (code == 0)
		code = find_state(s, mailbox, uid, STR_LIT(""), &state, err);
	if (code == 0)
		code = store_lose_pack(s, state.pack, err);
	if (code < 0)
		return code;
	box_change(s, b, &modseq);
	box_count(b, -1, state.flags, state.size);
	code = sql_run(s->db, SQL_INSERT_EXPUNGED,
		SQL_VALUES(sql_signed(mailbox), sql_number(modseq), sql_number(uid)),
		err);
	return code < 0 ? code
	                : sql_run(s->db, SQL_DELETE_MESSAGE,
				  SQL_VALUES(sql_signed(mailbox), sql_number(uid)), err);
}

int store_drop_messages(struct store *s, int64_t mailbox, struct error *err)
{
	struct query q;
	int code = query_begin(
		s->db, SQL_EACH_PACK_OF, SQL_VALUES(sql_signed(mailbox)), &q, err);

	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		code = store_lose_pack(s, (uint32_t)query_number(&q, 0), err);
	}
	query_end(&q);
	if (code == 0)
		code = sql_run(
			s->db, SQL_DELETE_MESSAGES, SQL_VALUES(sql_signed(mailbox)), err);
	if (code == 0)
		code = sql_run(
			s->db, SQL_CLEAR_EXPUNGED, SQL_VALUES(sql_signed(mailbox)), err);
	if (code == 0) /* their UIDs may be given again */
		code = sql_run(
			s->db, SQL_DROP_IMAGES, SQL_VALUES(sql_signed(mailbox)), err);
	if (code == 0)
		code = range_forget(s, mailbox, err);
	return code;
}

void store_make_uidl(
	uint32_t uid, uint32_t uidvalidity, char text[static STORE_UIDL_SIZE])
{
	(void)snprintf(text, STORE_UIDL_SIZE, "%08x%08x", uid, uidvalidity);
}
