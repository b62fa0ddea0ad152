/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/maildrop.h"

#include "mailstore/store/rows.h"

#include <errno.h>
#include <stdlib.h>

static struct maildrop_message *message(const struct maildrop *m, uint32_t number)
{
	return &m->messages[number - 1];
}

/* ── reading INBOX ─────────────────────────────────────────────────────────────────── */

static int grow(struct maildrop *m)
{
	uint32_t cap = m->cap ? m->cap * 2 : 256;
	struct maildrop_message *more = realloc(m->messages, cap * sizeof(*more));

	if (!more)
		return -ENOMEM;
	m->messages = more;
	m->cap = cap;
	return 0;
}

static int add(void *context, const struct store_message *from)
{
	struct maildrop *m = context;
	int r = m->count == m->cap ? grow(m) : 0;

	if (from->pop3_order == STORE_POP3_HIDDEN)
		return r;
	if (r == 0)
		r = buf_append(&m->uidls, from->uidl);
	if (r < 0)
		return r;
	m->messages[m->count++] = (struct maildrop_message){
		.uid = from->uid,
		/* those that the source never showed come last */
		.order = from->pop3_order ? from->pop3_order : UINT32_MAX,
		.size = from->size,
		.uidl = buf_len(&m->uidls) - from->uidl.len,
		.uidl_len = from->uidl.len,
	};
	return 0;
}

static int by_order(const void *a, const void *b)
{
	const struct maildrop_message *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

int maildrop_open(struct maildrop *m, struct store *store, struct error *err)
{
	struct mailbox inbox;
	struct arena arena;
	int r;

	*m = (struct maildrop){ .store = store };
	buf_init(&m->uidls, 0);
	arena_init(&arena);
	r = store_find_mailbox(store, STR_LIT("INBOX"), &arena, &inbox, err);
	arena_fini(&arena);
	if (r == -ENOENT)
		return 0;
	if (r == 0) {
		m->mailbox = inbox.id;
		m->uidvalidity = inbox.uidvalidity;
		r = store_each_message(store, inbox.id, 1, UINT32_MAX, add, m, err);
	}
	if (r == 0 && m->count)
		qsort(m->messages, m->count, sizeof(*m->messages), by_order);
	if (r < 0)
		maildrop_close(m);
	return r;
}

static void shut(struct maildrop *m)
{
	if (m->open)
		store_body_release(&m->body);
	m->open = 0;
}

/* ── \Seen ─────────────────────────────────────────────────────────────────────────── */

struct seen {
	struct maildrop *m;
	int result;
};

static int see_one(void *context, const struct store_message *from)
{
	struct seen *s = context;
	unsigned flags = from->flags | FLAG_SEEN;

	if (flags != from->flags)
		s->result = store_set_flags(s->m->store, s->m->mailbox, from->uid, flags,
			from->keywords, NULL, NULL);
	return s->result;
}

static int mark_retrieved(struct maildrop *m, struct error *err)
{
	struct seen seen = { .m = m };

	for (uint32_t i = 0; i < m->count && seen.result == 0; i++) {
		uint32_t uid = m->messages[i].uid;

		if (m->messages[i].retrieved)
			(void)store_each_message(
				m->store, m->mailbox, uid, uid, see_one, &seen, err);
		m->messages[i].retrieved = false;
	}
	return seen.result;
}

static bool any_retrieved(const struct maildrop *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->messages[i].retrieved)
			return true;
	return false;
}

void maildrop_close(struct maildrop *m)
{
	shut(m);
	if (any_retrieved(m) && store_begin(m->store, NULL) == 0) {
		/* a disk that is full must not keep anybody from reading */
		if (mark_retrieved(m, NULL) < 0 || store_commit(m->store, NULL) < 0)
			store_rollback(m->store);
	}
	free(m->messages);
	m->messages = NULL;
	m->count = m->cap = 0;
	buf_fini(&m->uidls);
}

/* ── the maildrop's operations ─────────────────────────────────────────────────────── */

static uint32_t count(void *context)
{
	const struct maildrop *m = context;

	return m->count;
}

static uint64_t size(void *context, uint32_t number)
{
	return message(context, number)->size;
}

static struct str uidl(void *context, uint32_t number)
{
	struct maildrop *m = context;
	const struct maildrop_message *one = message(m, number);

	if (one->uidl_len)
		return str_take(str_skip(buf_view(&m->uidls), one->uidl), one->uidl_len);
	store_make_uidl(one->uid, m->uidvalidity, m->made);
	return str_from(m->made);
}

static int read_piece(
	void *context, uint32_t number, uint64_t offset, struct str *ret_piece)
{
	struct maildrop *m = context;
	int r;

	if (m->open != number) {
		shut(m);
		r = store_body(
			m->store, m->mailbox, message(m, number)->uid, &m->body, NULL);
		if (r < 0)
			return r;
		m->open = number;
	}
	*ret_piece = str_skip(m->body.bytes, (size_t)offset);
	return 0;
}

static void retrieved(void *context, uint32_t number)
{
	struct maildrop *m = context;

	message(m, number)->retrieved = true;
	shut(m);
}

static int remove_deleted(struct maildrop *m, const struct pop3_session *s)
{
	int r = 0;

	for (uint32_t number = 1; number <= m->count && r == 0; number++) {
		if (!pop3_session_is_deleted(s, number))
			continue;
		m->messages[number - 1].retrieved = false;
		r = store_expunge(m->store, m->mailbox, message(m, number)->uid, NULL);
		if (r == -ENOENT)
			r = 0; /* an IMAP session was faster */
	}
	return r;
}

static int commit(void *context, const struct pop3_session *s)
{
	struct maildrop *m = context;
	int r;

	store_read_end(m->store); /* whoever runs the session reads */
	r = store_begin(m->store, NULL);
	if (r < 0)
		return r;
	shut(m);
	r = remove_deleted(m, s);
	if (r == 0)
		r = mark_retrieved(m, NULL);
	if (r == 0)
		r = store_commit(m->store, NULL);
	if (r < 0)
		store_rollback(m->store);
	return r;
}

const struct pop3_maildrop_ops maildrop_ops = {
	.count = count,
	.size = size,
	.uidl = uidl,
	.read = read_piece,
	.retrieved = retrieved,
	.commit = commit,
};
