/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/source_side.h"

#include "base/buf.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ── the switch ────────────────────────────────────────────────────────────────────── */

int store_note_switch(struct store *s, struct error *err)
{
	static const unsigned steps[] = { SQL_CLEAR_BASES, SQL_NOTE_BASES,
		SQL_CLEAR_BASE_SUBSCRIPTIONS, SQL_NOTE_BASE_SUBSCRIPTIONS,
		SQL_CLEAR_COUNTERPARTS };
	char text[24];
	int code = store_writing(s, err);

	if (code == 0)
		code = boxes_save(s, err); /* the rows are read */
	for (size_t i = 0; code == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		code = sql_run(s->db, steps[i], SQL_NO_VALUES, err);
	(void)snprintf(text, sizeof(text), "%" PRIu64, store_modseq(s));
	return code < 0 ? code
	                : store_set_checkpoint(
				  s, STR_LIT(SWITCH_MODSEQ), str_from(text), err);
}

int store_switch_modseq(struct store *s, uint64_t *ret_modseq, struct error *err)
{
	struct arena arena;
	struct str value;
	int code;

	arena_init(&arena);
	code = store_checkpoint(s, STR_LIT(SWITCH_MODSEQ), &arena, &value, NULL);
	if (code == 0 && !str_to_u64(value, ret_modseq))
		code = -EBADMSG;
	arena_fini(&arena);
	return code < 0 ? error_set(err, -ENODATA,
				  "it is not noted what was here at the switch, so it "
				  "cannot be told what is new since; the account stays "
				  "here")
	                : 0;
}

int store_has_news(struct store *s, bool *ret_has, struct error *err)
{
	uint64_t since = 0, has_other_names = 0;
	int code = store_switch_modseq(s, &since, err);

	if (code == 0)
		code = sql_get(
			s->db, SQL_HAS_OTHER_NAMES, SQL_NO_VALUES, &has_other_names, err);
	if (code == 0)
		*ret_has = store_modseq(s) > since || has_other_names;
	return code;
}

int store_each_base(struct store *s, base_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(s->db, SQL_EACH_BASE, SQL_NO_VALUES, &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1) {
		struct store_base b = { .mailbox = (int64_t)query_number(&q, 0),
			.name = query_bytes(&q, 1),
			.uidvalidity = (uint32_t)query_number(&q, 2),
			.uidnext = (uint32_t)query_number(&q, 3) };

		code = each(context, &b);
	}
	return code;
}

int store_each_base_subscription(
	struct store *s, name_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(s->db, SQL_EACH_BASE_SUBSCRIPTION, SQL_NO_VALUES, &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1)
		code = each(context, query_bytes(&q, 0));
	return code;
}

int store_rename_base(
	struct store *s, int64_t mailbox, struct str name, struct error *err)
{
	static const unsigned steps[] = { SQL_RENAME_COUNTERPARTS, SQL_RENAME_BASE };
	int code = store_writing(s, err);

	for (size_t i = 0; code == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		code = sql_run(s->db, steps[i],
			SQL_VALUES(sql_signed(mailbox), sql_text(name)), err);
	return code;
}

int store_rename_destination(
	struct store *s, struct str from, struct str to, struct error *err)
{
	int code = store_writing(s, err);

	return code < 0 ? code
	                : sql_run(s->db, SQL_RENAME_DESTINATION,
				  SQL_VALUES(sql_text(store_name_key(from)),
					  sql_text(store_name_key(to))),
				  err);
}

int store_each_removed(struct store *s, int64_t mailbox, uint64_t since,
	removed_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(s->db, SQL_EACH_REMOVED,
		SQL_VALUES(sql_signed(mailbox), sql_number(since)), &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1) {
		struct store_removed r = { .uid = (uint32_t)query_number(&q, 0),
			.date = (int64_t)query_number(&q, 1),
			.size = query_number(&q, 2) };

		code = each(context, &r);
	}
	return code;
}

/* ── counterparts ──────────────────────────────────────────────────────────────────── */

int store_set_counterpart(
	struct store *s, const struct store_counterpart *c, struct error *err)
{
	int code = store_writing(s, err);

	return code < 0 ? code
	                : sql_run(s->db, SQL_SET_COUNTERPART,
				  SQL_VALUES(sql_number(c->side), sql_signed(c->mailbox),
					  sql_number(c->uid),
					  sql_text(store_name_key(c->folder)),
					  sql_number(c->uidvalidity),
					  sql_number(c->other_uid), sql_blob(c->digest),
					  sql_number(c->is_proven)),
				  err);
}

int store_each_counterpart(struct store *s, enum store_side side, struct str folder,
	counterpart_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(s->db, SQL_EACH_COUNTERPART,
		SQL_VALUES(sql_number(side), sql_text(store_name_key(folder))), &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1) {
		struct store_counterpart c = { .side = side,
			.mailbox = (int64_t)query_number(&q, 0),
			.uid = (uint32_t)query_number(&q, 1),
			.folder = folder,
			.uidvalidity = (uint32_t)query_number(&q, 2),
			.other_uid = (uint32_t)query_number(&q, 3),
			.digest = query_bytes(&q, 4),
			.is_proven = query_number(&q, 5) != 0 };

		code = each(context, &c);
	}
	return code;
}

int store_each_counterpart_folder(struct store *s, enum store_side side,
	name_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(s->db, SQL_EACH_COUNTERPART_FOLDER,
		SQL_VALUES(sql_number(side)), &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1)
		code = each(context, query_bytes(&q, 0));
	return code;
}

#define DESTINATION_NOTE STR_LIT("destination")

static int change_destination(struct store *s, struct str address, struct error *err)
{
	int code = store_begin(s, err);

	if (code < 0)
		return code;
	code = sql_run(s->db, SQL_DOUBT_COUNTERPARTS, SQL_NO_VALUES, err);
	if (code == 0)
		code = store_set_checkpoint(s, DESTINATION_NOTE, address, err);
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}

int store_set_destination(struct store *s, struct str address, struct error *err)
{
	struct arena arena;
	struct str before;
	bool is_same;
	int code;

	arena_init(&arena);
	code = store_checkpoint(s, DESTINATION_NOTE, &arena, &before, err);
	is_same = code == 0 && str_eq(before, address);
	arena_fini(&arena);
	if (is_same || (code < 0 && code != -ENOENT))
		return is_same ? 0 : code;
	return change_destination(s, address, err);
}

static int run_alone(struct store *s, unsigned statement, struct error *err)
{
	int code = store_begin(s, err);

	if (code < 0)
		return code;
	code = boxes_save(s, err); /* the rows are read */
	if (code == 0)
		code = sql_run(s->db, statement, SQL_NO_VALUES, err);
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}

int store_note_kept_uids(struct store *s, struct error *err)
{
	return run_alone(s, SQL_NOTE_KEPT_UIDS, err);
}

int store_forget_files(struct store *s, struct error *err)
{
	return run_alone(s, SQL_FORGET_FILES, err);
}

int store_has_late(struct store *s, bool *ret_has, struct error *err)
{
	uint64_t has = 0;
	int code = sql_get(s->db, SQL_HAS_LATE, SQL_NO_VALUES, &has, err);

	if (code == 0)
		*ret_has = has != 0;
	return code;
}

int store_each_late(struct store *s, int64_t mailbox, uid_each_fn *each, void *context,
	struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(
		s->db, SQL_EACH_LATE, SQL_VALUES(sql_signed(mailbox)), &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1)
		code = each(context, (uint32_t)query_number(&q, 0));
	return code;
}

static int find_planned(
	struct store *s, const struct store_counterpart *c, struct error *err)
{
	struct store_counterpart found = *c;
	struct query q;
	int code = query_first(s->db, SQL_FIND_PLANNED,
		SQL_VALUES(sql_number(c->side), sql_text(store_name_key(c->folder)),
			sql_number(c->uidvalidity), sql_blob(c->digest)),
		&q, err);

	if (code == 1) {
		found.mailbox = (int64_t)query_number(&q, 0);
		found.uid = (uint32_t)query_number(&q, 1);
	}
	query_end(&q);
	if (code < 1)
		return code;
	code = store_set_counterpart(s, &found, err);
	return code < 0 ? code : 1;
}

int store_knows_counterpart(
	struct store *s, const struct store_counterpart *c, struct error *err)
{
	uint64_t is = 0;
	int code = sql_get(s->db, SQL_FIND_COUNTERPART,
		SQL_VALUES(sql_number(c->side), sql_text(store_name_key(c->folder)),
			sql_number(c->uidvalidity), sql_number(c->other_uid)),
		&is, err);

	if (code < 0 || is)
		return code < 0 ? code : 1;
	return c->digest.len ? find_planned(s, c, err) : 0;
}

int store_body_digest(struct store *s, int64_t mailbox, uint32_t uid,
	unsigned char ret[static BODY_DIGEST_SIZE], struct error *err)
{
	struct body_digest digest;
	struct body body;
	int code = store_body(s, mailbox, uid, &body, err);

	if (code < 0)
		return code;
	body_digest_begin(&digest);
	body_digest_add(&digest, body.bytes);
	body_digest_end(&digest, ret);
	store_body_release(&body);
	return 0;
}

/* Messages of one second and size whose bodies are read for one that comes: sessions wait
   meanwhile. */
#define LIKE_MAX 16

/* One whose body is lost or damaged is not known to be it. */
static int find_like(struct store *s, struct query *q, struct store_counterpart *found,
	struct error *err)
{
	unsigned char digest[BODY_DIGEST_SIZE];
	int code;

	while ((code = query_next(q, err)) == 1) {
		found->mailbox = (int64_t)query_number(q, 0);
		found->uid = (uint32_t)query_number(q, 1);
		code = store_body_digest(s, found->mailbox, found->uid, digest, NULL);
		if (code == -ENOMEM)
			return error_set(err, code, "no memory");
		if (code == 0 && str_eq(found->digest, str_of(digest, sizeof(digest))))
			return 1;
	}
	return code;
}

static int find_like_by(struct store *s, unsigned statement,
	struct store_counterpart *found, int64_t date, uint64_t size, struct error *err)
{
	struct query q;
	int code = query_begin(s->db, statement,
		SQL_VALUES(sql_text(store_name_key(found->folder)),
			sql_number(found->uidvalidity), sql_signed(date),
			sql_number(size), sql_number(LIKE_MAX)),
		&q, err);

	if (code < 0)
		return code;
	code = find_like(s, &q, found, err);
	query_end(&q);
	return code;
}

static int find_removed(struct store *s, struct store_counterpart *found, int64_t date,
	uint64_t size, const struct body_place *place, struct error *err)
{
	uint32_t checksum =
		place->pack ? place->checksum : store_checksum(0, place->inline_bytes);
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_first(s->db, SQL_LIKE_REMOVED,
		SQL_VALUES(sql_text(store_name_key(found->folder)),
			sql_number(found->uidvalidity), sql_signed(date),
			sql_number(size), sql_number(place->len), sql_number(checksum)),
		&q, err);

	if (code == 1) {
		found->mailbox = (int64_t)query_number(&q, 0);
		found->uid = (uint32_t)query_number(&q, 1);
	}
	return code;
}

int store_find_in_base(struct store *s, const struct store_counterpart *c, int64_t date,
	uint64_t size, const struct body_place *place, struct error *err)
{
	struct store_counterpart found = *c;
	int code = find_like_by(s, SQL_EACH_LIKE_IN_BASE, &found, date, size, err);

	if (code == 0)
		code = find_like_by(s, SQL_EACH_LIKE_MOVED, &found, date, size, err);
	if (code == 0)
		code = find_removed(s, &found, date, size, place, err);
	if (code < 1)
		return code;
	found.digest = STR_LIT("");
	code = store_set_counterpart(s, &found, err);
	return code < 0 ? code : 1;
}

int store_source_of(struct store *s, int64_t mailbox, uint32_t uid, struct arena *arena,
	struct store_origin *ret, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int n = query_first(s->db, SQL_SOURCE_OF,
		SQL_VALUES(sql_signed(mailbox), sql_number(uid)), &q, err);

	if (n < 1)
		return n;
	*ret = (struct store_origin){ .folder = arena_str(arena, query_bytes(&q, 0)),
		.uidvalidity = (uint32_t)query_number(&q, 1),
		.uid = (uint32_t)query_number(&q, 2) };
	return ret->folder.ptr ? 1 : error_set(err, -ENOMEM, "no memory");
}

/* ── the source is the truth again ─────────────────────────────────────────────────── */

struct box_base { /* a mailbox here, and what it was */
	int64_t id;
	uint32_t uidnext; /* of its base; 0: it was made here */
};

static int add_box(void *context, const struct mailbox *m)
{
	struct box_base b = { .id = m->id };

	return buf_append(context, str_of(&b, sizeof(b)));
}

struct settling {
	struct buf boxes;
	size_t bases;
};

static int add_base(void *context, const struct store_base *base)
{
	struct settling *all = context;
	size_t n = buf_len(&all->boxes) / sizeof(struct box_base);
	/* ours to write: they were put there by add_box() */
	char *bytes = (char *)(uintptr_t)buf_view(&all->boxes).ptr;

	all->bases++;
	for (size_t i = 0; i < n; i++) {
		struct box_base b;

		memcpy(&b, bytes + i * sizeof(b), sizeof(b));
		if (b.id != base->mailbox)
			continue;
		b.uidnext = base->uidnext;
		memcpy(bytes + i * sizeof(b), &b, sizeof(b));
	}
	return 0;
}

struct dropping {
	struct store *store;
	int64_t mailbox;
	struct error *err;
};

static int drop_one(void *context, const struct store_message *m)
{
	const struct dropping *d = context;

	return store_expunge(d->store, d->mailbox, m->uid, d->err);
}

/* The source goes on where it was: what it gives next is no old UID of ours, and at a
   destination no counterpart of what had one. */
static int lower_uidnext(struct store *s, const struct box_base *b, struct error *err)
{
	struct box *box;
	int code = box_get(s, b->id, &box, err);

	if (code == 0) /* a number that no other time has */
		code = sql_run(s->db, SQL_ORPHAN_COUNTERPARTS,
			SQL_VALUES(sql_signed(b->id), sql_number(store_modseq(s) + 1),
				sql_number(b->uidnext)),
			err);
	if (code < 0)
		return code;
	box_change(s, box, NULL);
	box->uidnext = b->uidnext;
	box->unsaved = box->changed = true;
	return sql_run(s->db, SQL_FORGET_EXPUNGED_FROM,
		SQL_VALUES(sql_signed(b->id), sql_number(b->uidnext)), err);
}

static int drop_in(struct store *s, const struct box_base *b, struct error *err)
{
	struct dropping d = { s, b->id, err };
	int code;

	if (!b->uidnext)
		return store_delete_mailbox(s, b->id, err);
	code = store_each_message(s, b->id, b->uidnext, UINT32_MAX, drop_one, &d, err);
	return code < 0 ? code : lower_uidnext(s, b, err);
}

/* Without any base nothing was ever new here: a folder of an older version. */
int store_drop_ours(struct store *s, struct error *err)
{
	struct settling all = { 0 };
	int code = store_writing(s, err);

	buf_init(&all.boxes, 0);
	if (code == 0)
		code = store_each_mailbox(s, add_box, &all.boxes, err);
	if (code == 0)
		code = store_each_base(s, add_base, &all, err);
	while (code == 0 && all.bases && buf_len(&all.boxes)) {
		struct box_base b;

		memcpy(&b, buf_view(&all.boxes).ptr, sizeof(b));
		buf_consume(&all.boxes, sizeof(b));
		code = drop_in(s, &b, err);
	}
	buf_fini(&all.boxes);
	return code;
}
