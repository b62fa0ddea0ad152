/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/append.h"

#include "wire/mime/binary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INLINE_TOTAL_MAX 1048576 /* small bodies that wait for the commit in memory */

void append_refuse(struct append *a, const char *answer)
{
	if (!a->refused)
		(void)error_set(&a->refusal, 0, "%s", answer);
	a->refused = true;
}

void append_refuse_error(struct append *a, const struct error *err)
{
	if (!a->refused)
		a->refusal = *err;
	a->refused = true;
}

static void release(struct append *a, struct append_message *m)
{
	if (m->in_memory)
		buf_fini(&m->bytes);
	else if (m->begun && !m->added)
		store_body_abort(a->session->serve->store, &m->writer);
}

void append_free(struct append *a)
{
	for (struct append_message *m = a->first; m; m = m->next)
		release(a, m);
	spool_fini(&a->spool);
	arena_fini(&a->arena); /* last: the messages lie there */
	free(a);
}

/* What is replaced makes room first: that is looked at when it is done. */
void append_check_quota(struct imap *s, struct append *a, uint64_t size)
{
	struct error err = { 0 };

	if (a->replace || a->refused)
		return;
	if (quota_check(s->serve->store, &s->serve->quota, a->bytes + size, a->count,
		    &err) < 0)
		append_refuse_error(a, &err);
}

void append_begin_body(struct imap *s, struct append *a, struct append_message *m)
{
	struct error err = { 0 };

	a->bytes += m->size;
	m->in_memory =
		m->size <= STORE_INLINE_MAX && a->in_memory + m->size <= INLINE_TOTAL_MAX;
	if (m->in_memory) {
		a->in_memory += m->size;
		buf_init(&m->bytes, 0);
	} else if (store_body_begin(s->serve->store, m->size, &m->writer, &err) < 0) {
		append_refuse_error(a, &err);
	} else {
		m->begun = true;
	}
}

static int write_body(
	struct imap *s, struct append_message *m, struct str bytes, struct error *err)
{
	return m->in_memory ? buf_append(&m->bytes, bytes)
	                    : store_body_write(s->serve->store, &m->writer, bytes, err);
}

/* A literal holds no NUL (RFC 9051, 4.3), and FETCH could not show one. */
static int write_without_nuls(
	struct imap *s, struct append_message *m, struct str bytes, struct error *err)
{
	struct buf copy;
	char *space;
	int code;

	if (!mime_has_nul(bytes))
		return write_body(s, m, bytes, err);
	buf_init(&copy, 0);
	code = buf_reserve(&copy, bytes.len, &space);
	if (code == 0) {
		memcpy(space, bytes.ptr, bytes.len);
		mime_replace_nuls(space, bytes.len);
		code = write_body(s, m, str_of(space, bytes.len), err);
	}
	buf_fini(&copy);
	return code;
}

static bool is_spooled(const struct append_message *m)
{
	return m->catenate || m->binary;
}

void append_take(struct imap *s, struct append *a, struct str bytes)
{
	struct append_message *m = a->current;
	struct error err = { 0 };
	int code;

	if (a->refused)
		return;
	if (is_spooled(m) && a->spool.len + bytes.len > s->serve->message_bytes) {
		append_refuse(a, "[TOOBIG] Message is too large.");
		return;
	}
	code = is_spooled(m) ? spool_write(s->serve->store, &a->spool, bytes, &err)
	                     : write_without_nuls(s, m, bytes, &err);
	if (code < 0) {
		err.code = code;
		append_refuse_error(a, &err);
	}
}

/* ── what was spooled ──────────────────────────────────────────────────────────────── */

struct encoding {
	struct imap *s;
	struct spool spool;
	struct error *err;
};

static int take_encoded(void *context, struct str bytes)
{
	struct encoding *e = context;

	return spool_write(e->s->serve->store, &e->spool, bytes, e->err);
}

/* A body without NULs in place of one that has some. */
static int encode_nuls(struct imap *s, struct body *body, struct error *err)
{
	struct encoding e = { .s = s, .err = err };
	struct body encoded;
	struct mime_tree tree;
	int code;

	if (!mime_has_nul(body->bytes))
		return 0;
	code = mime_scan(body->bytes, &tree);
	if (code < 0)
		return error_set(err, code, "no memory");
	spool_init(&e.spool);
	code = mime_encode_nuls(&tree, take_encoded, &e);
	mime_tree_fini(&tree);
	if (code == -EPROTONOSUPPORT)
		(void)error_set(err, code, "NUL bytes outside of a binary part");
	if (code == 0)
		code = spool_take(&e.spool, &encoded, err);
	spool_fini(&e.spool);
	if (code < 0)
		return code;
	store_body_release(body);
	*body = encoded;
	return 0;
}

static int keep_spooled(struct imap *s, struct append *a, struct error *err)
{
	struct append_message *m = a->current;
	struct body body;
	int code = spool_take(&a->spool, &body, err);

	if (code < 0)
		return code;
	code = encode_nuls(s, &body, err);
	m->size = body.bytes.len;
	if (code == 0 && !m->size)
		append_refuse(a, "[CANNOT] A message of no bytes.");
	if (code == 0)
		append_check_quota(s, a, m->size);
	if (code == 0 && !a->refused)
		append_begin_body(s, a, m);
	if (code == 0 && !a->refused)
		code = write_body(s, m, body.bytes, err);
	store_body_release(&body);
	return code;
}

void append_end_message(struct imap *s, struct append *a)
{
	struct error err = { 0 };
	int code = 0;

	if (is_spooled(a->current) && !a->refused)
		code = keep_spooled(s, a, &err);
	if (code < 0) {
		err.code = code;
		append_refuse_error(a, &err);
	}
	spool_fini(&a->spool);
	a->current = NULL;
}
