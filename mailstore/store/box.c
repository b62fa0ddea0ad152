/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The counters of mailboxes that the open transaction works on. */
#include "mailstore/store/internal.h"

#include <errno.h>
#include <stdlib.h>

static int load(struct store *s, int64_t id, struct box *b, struct error *err)
{
	struct mailbox m = { .id = id };
	int code = store_mailbox_counts(s, id, &m, err);

	if (code < 0)
		return code;
	*b = (struct box){ .id = id,
		.uidvalidity = m.uidvalidity,
		.uidnext = m.uidnext,
		.highestmodseq = m.highestmodseq,
		.messages = m.messages,
		.unseen = m.unseen,
		.recent = m.recent,
		.deleted = m.deleted,
		.bytes = m.bytes };
	return 0;
}

int box_get(struct store *s, int64_t id, struct box **ret, struct error *err)
{
	struct box *b;
	int code = store_writing(s, err);

	if (code < 0)
		return code;
	for (b = s->boxes; b; b = b->next)
		if (b->id == id) {
			*ret = b;
			return 0;
		}
	b = calloc(1, sizeof(*b));
	if (!b)
		return error_set(err, -ENOMEM, "no memory");
	code = load(s, id, b, err);
	if (code < 0) {
		free(b);
		return code;
	}
	b->next = s->boxes;
	s->boxes = b;
	*ret = b;
	return 0;
}

/* Its row is gone; the watchers still hear of it. */
void box_forget(struct store *s, int64_t id)
{
	for (struct box *b = s->boxes; b; b = b->next)
		if (b->id == id) {
			b->unsaved = false;
			b->changed = true;
		}
}

void box_change(struct store *s, struct box *b, uint64_t *ret_modseq)
{
	b->highestmodseq = ++s->modseq;
	b->unsaved = true;
	b->changed = true;
	if (ret_modseq)
		*ret_modseq = b->highestmodseq;
}

void box_count(struct box *b, int sign, unsigned flags, uint64_t size)
{
	uint32_t one = (uint32_t)sign; /* adding UINT32_MAX takes one away */

	b->messages += one;
	if (!(flags & FLAG_SEEN))
		b->unseen += one;
	if (flags & FLAG_RECENT)
		b->recent += one;
	if (flags & FLAG_DELETED)
		b->deleted += one;
	b->bytes += sign < 0 ? -size : size;
	b->unsaved = true;
}

void box_raise_uidnext(struct box *b, uint32_t uidnext)
{
	if (uidnext <= b->uidnext)
		return;
	b->uidnext = uidnext;
	b->unsaved = true;
	b->changed = true;
}

int boxes_save(struct store *s, struct error *err)
{
	int code = 0;

	/* after SQLite's own rollback this would be a transaction of its own */
	if (!database_in_transaction(s->db))
		return 0;
	for (struct box *b = s->boxes; b && code == 0; b = b->next) {
		if (!b->unsaved)
			continue;
		code = sql_run(s->db, SQL_SET_COUNTS,
			SQL_VALUES(sql_signed(b->id), sql_number(b->uidnext),
				sql_number(b->highestmodseq), sql_number(b->messages),
				sql_number(b->unseen), sql_number(b->recent),
				sql_number(b->deleted), sql_number(b->bytes)),
			err);
		b->unsaved = code < 0;
	}
	return code;
}

void boxes_free(struct box *first)
{
	while (first) {
		struct box *b = first;

		first = b->next;
		free(b);
	}
}
