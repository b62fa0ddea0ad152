/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mailboxes and the UIDVALIDITY that each name gets. */
#include "base/clock.h"
#include "mailstore/store/internal.h"

#include <errno.h>

bool store_is_inbox(struct str name)
{
	return str_ieq(name, STR_LIT("INBOX"));
}

struct str store_name_key(struct str name)
{
	return store_is_inbox(name) ? STR_LIT("INBOX") : name;
}

static int no_mailbox(struct error *err, struct str name)
{
	return error_set(err, -ENOENT, "no mailbox %.*s", STR_ARG(name));
}

static int no_mailbox_id(struct error *err, int64_t id)
{
	return error_set(err, -ENOENT, "no mailbox number %lld", (long long)id);
}

/* ── reading ───────────────────────────────────────────────────────────────────────── */

static char separator_char(struct str s)
{
	if (!s.len)
		return '\0';
	return s.ptr[0];
}

static void read_mailbox(const struct query *q, struct mailbox *m)
{
	*m = (struct mailbox){
		.id = (int64_t)query_number(q, 0),
		.name = query_bytes(q, 1),
		.separator = separator_char(query_bytes(q, 2)),
		.attributes = (unsigned)query_number(q, 3),
		.special_use = query_bytes(q, 4),
		.uidvalidity = (uint32_t)query_number(q, 5),
		.uidnext = (uint32_t)query_number(q, 6),
		.highestmodseq = query_number(q, 7),
		.modseq_base = query_number(q, 8),
		.messages = (uint32_t)query_number(q, 9),
		.unseen = (uint32_t)query_number(q, 10),
		.recent = (uint32_t)query_number(q, 11),
		.deleted = (uint32_t)query_number(q, 12),
		.bytes = query_number(q, 13),
		.modseq_from = query_number(q, 14),
		.source_modseq = query_number(q, 15),
	};
}

int store_each_mailbox(
	struct store *s, mailbox_each_fn *each, void *context, struct error *err)
{
	struct mailbox m;
	struct query q;
	int code = boxes_save(s, err);

	if (code < 0)
		return code;
	code = query_begin(s->db, SQL_EACH_MAILBOX, SQL_NO_VALUES, &q, err);
	while (code == 0) {
		code = query_next(&q, err);
		if (code <= 0)
			break;
		read_mailbox(&q, &m);
		code = each(context, &m);
	}
	query_end(&q);
	return code;
}

/* The row of a query that has at most one. -ENOENT without a sentence: none. */
static int find(struct store *s, enum sql_id id, struct sql_value key, struct query *ret,
	struct mailbox *m, struct error *err)
{
	int code = boxes_save(s, err);

	*ret = (struct query){ 0 };
	if (code == 0)
		code = query_first(s->db, id, &key, 1, ret, err);
	if (code < 0)
		return code;
	if (code == 0)
		return -ENOENT;
	read_mailbox(ret, m);
	return 0;
}

int store_find_mailbox(struct store *s, struct str name, struct arena *arena,
	struct mailbox *ret, struct error *err)
{
	struct mailbox m;
	struct query q;
	int code = find(s, SQL_FIND_MAILBOX, sql_text(store_name_key(name)), &q, &m, err);

	if (code == 0) {
		m.name = arena_str(arena, m.name);
		m.special_use = arena_str(arena, m.special_use);
		if (m.name.ptr && m.special_use.ptr)
			*ret = m;
		else
			code = error_set(err, -ENOMEM, "no memory");
	} else if (code == -ENOENT) {
		code = no_mailbox(err, name);
	}
	query_end(&q);
	return code;
}

int store_find_inbox(struct store *s, int64_t *ret_id, struct error *err)
{
	struct mailbox inbox;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_find_mailbox(s, STR_LIT("INBOX"), &arena, &inbox, err);
	arena_fini(&arena);
	if (code == 0)
		*ret_id = inbox.id;
	return code;
}

int store_mailbox_counts(
	struct store *s, int64_t id, struct mailbox *m, struct error *err)
{
	struct str name = m->name, special_use = m->special_use;
	struct mailbox found;
	struct query q;
	int code = find(s, SQL_MAILBOX, sql_signed(id), &q, &found, err);

	if (code == 0) {
		*m = found;
		m->name = name;
		m->special_use = special_use;
	} else if (code == -ENOENT) {
		code = no_mailbox_id(err, id);
	}
	query_end(&q);
	return code;
}

/* The id of a name. */
static int find_id(struct store *s, struct str name, int64_t *ret_id, struct error *err)
{
	uint64_t id = 0;
	int code = sql_get(s->db, SQL_FIND_MAILBOX,
		SQL_VALUES(sql_text(store_name_key(name))), &id, err);

	if (code == 0 && !id)
		return -ENOENT;
	if (code == 0)
		*ret_id = (int64_t)id;
	return code;
}

/* ── UIDVALIDITY ───────────────────────────────────────────────────────────────────── */

/* RFC 3501, 2.3.1.1: greater than any that the name ever had. Counting on from the
   highest of the whole account gives that; only a source that used up all 32 bits makes
   us look for one that this name did not have. */
static int fresh_uidvalidity(
	struct store *s, struct str name, uint32_t *ret_uidvalidity, struct error *err)
{
	uint32_t now = (uint32_t)(clock_wall_ms() / 1000);
	uint64_t last = 0, owner = 1, next;
	int code = sql_get(s->db, SQL_LAST_UIDVALIDITY, SQL_NO_VALUES, &last, err);

	next = last < now ? now : last + 1;
	if (next <= UINT32_MAX) {
		*ret_uidvalidity = (uint32_t)next;
		return code;
	}
	for (next = now; code == 0 && next <= UINT32_MAX; next++) {
		code = sql_get(s->db, SQL_UIDVALIDITY_OWNER,
			SQL_VALUES(sql_text(store_name_key(name)), sql_number(next)),
			&owner, err);
		if (code == 0 && !owner)
			break;
	}
	if (code == 0 && next > UINT32_MAX)
		return error_set(
			err, -EOVERFLOW, "no UIDVALIDITY left for %.*s", STR_ARG(name));
	*ret_uidvalidity = (uint32_t)next;
	return code;
}

static int note_uidvalidity(struct store *s, struct str name, uint32_t uidvalidity,
	int64_t id, struct error *err)
{
	return sql_run(s->db, SQL_NOTE_UIDVALIDITY,
		SQL_VALUES(sql_text(store_name_key(name)), sql_number(uidvalidity),
			sql_signed(id)),
		err);
}

/* The one that is wanted (0: any), noted under the id. */
static int settle_uidvalidity(struct store *s, struct str name, int64_t id,
	uint32_t *uidvalidity, struct error *err)
{
	int code = *uidvalidity ? 0 : fresh_uidvalidity(s, name, uidvalidity, err);

	return code < 0 ? code : note_uidvalidity(s, name, *uidvalidity, id, err);
}

/* ── changing ──────────────────────────────────────────────────────────────────────── */

static int check_new_name(struct store *s, struct str name, struct error *err)
{
	int64_t id;
	int code;

	if (!name.len || str_index(name, '\0') < name.len)
		return error_set(
			err, -EINVAL, "a mailbox name may not be empty or hold a NUL");
	if (name.len > STORE_NAME_MAX)
		return error_set(err, -ENAMETOOLONG,
			"a mailbox name of %zu bytes; %d is the most", name.len,
			STORE_NAME_MAX);
	code = find_id(s, name, &id, err);
	if (code == 0)
		return error_set(
			err, -EEXIST, "mailbox %.*s exists already", STR_ARG(name));
	return code == -ENOENT ? 0 : code;
}

static struct str separator_of(const struct mailbox *m)
{
	return str_of(&m->separator, m->separator ? 1 : 0);
}

int store_create_mailbox(
	struct store *s, const struct mailbox *m, int64_t *ret_id, struct error *err)
{
	uint32_t uidvalidity = m->uidvalidity;
	int64_t id;
	int code = store_writing(s, err);

	if (code == 0)
		code = check_new_name(s, m->name, err);
	if (code == 0)
		code = store_raise_modseq(s, m->highestmodseq, err);
	if (code == 0 && !uidvalidity)
		code = fresh_uidvalidity(s, m->name, &uidvalidity, err);
	if (code < 0)
		return code;
	s->modseq++;
	code = sql_run(s->db, SQL_INSERT_MAILBOX,
		SQL_VALUES(sql_text(store_name_key(m->name)), sql_text(m->name),
			sql_text(separator_of(m)), sql_number(m->attributes),
			sql_text(m->special_use), sql_number(uidvalidity),
			sql_number(m->uidnext ? m->uidnext : 1), sql_number(s->modseq),
			sql_number(s->modseq)),
		err);
	if (code < 0)
		return code;
	id = database_last_id(s->db);
	s->list_changed = true;
	if (ret_id)
		*ret_id = id;
	return note_uidvalidity(s, m->name, uidvalidity, id, err);
}

int store_update_mailbox(struct store *s, const struct mailbox *m, struct error *err)
{
	int64_t id = m->id;
	int code = store_writing(s, err);

	if (code == 0 && !id)
		code = find_id(s, m->name, &id, err);
	if (code == -ENOENT)
		return no_mailbox(err, m->name);
	if (code == 0)
		code = sql_run(s->db, SQL_UPDATE_MAILBOX,
			SQL_VALUES(sql_signed(id), sql_text(separator_of(m)),
				sql_number(m->attributes), sql_text(m->special_use)),
			err);
	if (code == 0 && database_changes(s->db) == 0)
		return no_mailbox_id(err, id);
	if (code == 0)
		s->list_changed = true;
	return code;
}

int store_delete_mailbox(struct store *s, int64_t id, struct error *err)
{
	struct box *b;
	int code = box_get(s, id, &b, err);

	if (code == 0)
		code = store_drop_messages(s, id, err);
	if (code == 0)
		code = sql_run(
			s->db, SQL_DELETE_MAILBOX, SQL_VALUES(sql_signed(id)), err);
	if (code < 0)
		return code;
	box_change(s, b, NULL);
	box_forget(s, id);
	s->list_changed = true;
	return 0;
}

static int name_of(struct store *s, int64_t id, struct arena *arena, struct str *ret,
	struct error *err)
{
	struct mailbox m;
	struct query q;
	int code = find(s, SQL_MAILBOX, sql_signed(id), &q, &m, err);

	if (code == 0)
		*ret = arena_str(arena, m.name);
	query_end(&q);
	return code;
}

/* 1: with another mailbox. */
static int was_used(struct store *s, struct str name, int64_t id, uint32_t uidvalidity,
	struct error *err)
{
	uint64_t owner = 0;
	int code = sql_get(s->db, SQL_UIDVALIDITY_OWNER,
		SQL_VALUES(sql_text(store_name_key(name)), sql_number(uidvalidity)),
		&owner, err);

	return code < 0 ? code : owner && owner != (uint64_t)id;
}

int store_uidvalidity_was_used(
	struct store *s, const struct mailbox *m, uint32_t uidvalidity, struct error *err)
{
	struct str name = m->name;
	struct arena arena;
	int code = 0;

	arena_init(&arena);
	if (m->id)
		code = name_of(s, m->id, &arena, &name, err);
	if (code == 0)
		code = was_used(s, name, m->id, uidvalidity, err);
	arena_fini(&arena);
	return code;
}

/* Going to a name that had this UIDVALIDITY with another mailbox would give old UIDs a
   second meaning: then it takes a new one. */
static int uidvalidity_at(struct store *s, struct str name, int64_t id,
	uint32_t *uidvalidity, struct error *err)
{
	int code = was_used(s, name, id, *uidvalidity, err);

	if (code < 0)
		return code;
	if (code > 0)
		*uidvalidity = 0;
	return settle_uidvalidity(s, name, id, uidvalidity, err);
}

int store_rename_mailbox(struct store *s, int64_t id, struct str name, struct error *err)
{
	struct box *b;
	int64_t there = 0;
	int code = box_get(s, id, &b, err);

	if (code < 0)
		return code;
	/* "inbox" for "INBOX" is another spelling, not another name */
	code = find_id(s, name, &there, err);
	if (code < 0 || there != id)
		code = check_new_name(s, name, err);
	if (code == 0)
		code = uidvalidity_at(s, name, id, &b->uidvalidity, err);
	if (code == 0)
		code = sql_run(s->db, SQL_RENAME_MAILBOX,
			SQL_VALUES(sql_signed(id), sql_text(store_name_key(name)),
				sql_text(name), sql_number(b->uidvalidity)),
			err);
	if (code < 0)
		return code;
	b->changed = true;
	s->list_changed = true;
	return 0;
}

int store_reset_mailbox(
	struct store *s, int64_t id, uint32_t uidvalidity, struct error *err)
{
	struct arena arena;
	struct str name = STR("");
	struct box *b;
	int code = box_get(s, id, &b, err);

	if (code < 0)
		return code;
	arena_init(&arena);
	code = name_of(s, id, &arena, &name, err);
	if (code == 0)
		code = settle_uidvalidity(s, name, id, &uidvalidity, err);
	arena_fini(&arena);
	if (code == 0)
		code = store_drop_messages(s, id, err);
	if (code == 0) /* a number that no other time has */
		code = sql_run(s->db, SQL_ORPHAN_COUNTERPARTS,
			SQL_VALUES(sql_signed(id), sql_number(store_modseq(s) + 1),
				sql_number(1)),
			err);
	if (code < 0)
		return code;
	b->uidvalidity = uidvalidity;
	b->uidnext = 1;
	b->messages = b->unseen = b->recent = b->deleted = 0;
	b->bytes = 0;
	box_change(s, b, NULL);
	return sql_run(s->db, SQL_RESET_MAILBOX,
		SQL_VALUES(sql_signed(id), sql_number(uidvalidity),
			sql_number(b->highestmodseq)),
		err);
}

int store_raise_uidnext(struct store *s, int64_t id, uint32_t uidnext, struct error *err)
{
	struct box *b;
	int code = box_get(s, id, &b, err);

	if (code == 0)
		box_raise_uidnext(b, uidnext);
	return code;
}

int store_base_modseq(struct store *s, int64_t id, uint64_t modseq, struct error *err)
{
	struct mailbox m = { .id = id };
	struct box *b;
	uint64_t base;
	int code = box_get(s, id, &b, err);

	if (code == 0)
		code = store_mailbox_counts(s, id, &m, err);
	if (code < 0)
		return code;
	base = modseq;
	if (m.source_modseq != modseq || b->highestmodseq > m.modseq_from)
		base++;
	if (m.modseq_base == base && m.source_modseq == modseq &&
		b->highestmodseq <= m.modseq_from)
		return 0;
	code = store_raise_modseq(s, base, err);
	if (code == 0)
		code = sql_run(s->db, SQL_BASE_MODSEQ,
			SQL_VALUES(sql_signed(id), sql_number(base),
				sql_number(s->modseq), sql_number(modseq)),
			err);
	return code;
}
