/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/uidls/uidl_reading.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 65536 /* a longer one is compared up to there */

/* ── two lists ─────────────────────────────────────────────────────────────────────── */

static struct uidl_side *add(struct uidl_side **sides, size_t *n, size_t *cap)
{
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 256;
		struct uidl_side *grown = realloc(*sides, more * sizeof(**sides));

		if (!grown)
			return NULL;
		*sides = grown;
		*cap = more;
	}
	(*sides)[*n] = (struct uidl_side){ .uidl = STR("") };
	return &(*sides)[(*n)++];
}

/* Copies of one mail: those that had a place in the maildrop before, then those that a
   server shows rather than others. */
static uint32_t rank_of(const struct mail *m)
{
	if (m->pop3_order && m->pop3_order != MAIL_POP3_HIDDEN)
		return m->pop3_order;
	return m->pop3_order || m->flags & MAIL_DELETED ? UINT32_MAX : UINT32_MAX - 1;
}

static int add_inbox(void *context, const struct mail *m)
{
	struct uidl_reading *r = context;
	struct uidl_side *s = add(&r->match.inbox, &r->match.n_inbox, &r->inbox_cap);

	if (!s)
		return -ENOMEM;
	s->id = m->uid;
	s->size = m->size;
	s->rank = rank_of(m);
	s->is_deleted = m->flags & MAIL_DELETED;
	s->uidl = arena_str(&r->strings, m->uidl);
	return s->uidl.ptr ? 0 : -ENOMEM;
}

static int read_inbox(struct uidl_reading *r)
{
	const struct destination *to = &r->j->destination;
	struct destination_folder inbox;
	int code = to->ops->find_folder(to->self, STR_LIT("INBOX"), &inbox, &r->j->err);

	if (code < 0)
		return code;
	r->inbox = inbox.id;
	return to->ops->each_mail(
		to->self, inbox.id, 1, UINT32_MAX, add_inbox, r, &r->j->err);
}

static int ask_word(void *context, size_t i, struct buf *out)
{
	(void)context;
	return buf_append_c(out, i == 0 ? "LIST\r\n" : "UIDL\r\n");
}

static struct uidl_side *drop_by_number(struct uidl_reading *r, uint32_t number)
{
	/* nearly always in order and without gaps */
	if (number && number <= r->match.n_drop && r->match.drop[number - 1].id == number)
		return &r->match.drop[number - 1];
	for (size_t i = 0; i < r->match.n_drop; i++)
		if (r->match.drop[i].id == number)
			return &r->match.drop[i];
	return NULL;
}

static int take_list(struct uidl_reading *r, struct str line)
{
	struct uidl_side *s;
	uint32_t number;
	uint64_t octets;

	if (!pop3_list_parse(line, &number, &octets))
		return error_set(&r->j->err, -EPROTO, "the source's POP3 LIST is broken");
	s = add(&r->match.drop, &r->match.n_drop, &r->drop_cap);
	if (!s)
		return error_set(&r->j->err, -ENOMEM, "no memory");
	s->id = number;
	s->size = octets;
	return 0;
}

static int take_uidl(struct uidl_reading *r, struct str line)
{
	struct uidl_side *s;
	struct str uidl;
	uint32_t number;

	if (!pop3_uidl_parse(line, &number, &uidl) || !(s = drop_by_number(r, number)))
		return error_set(&r->j->err, -EPROTO, "the source's POP3 UIDL is broken");
	s->uidl = arena_str(&r->strings, uidl);
	return s->uidl.ptr ? 0 : error_set(&r->j->err, -ENOMEM, "no memory");
}

static int take_word(void *context, size_t i, enum pop3_read what, struct str bytes)
{
	struct uidl_reading *r = context;

	if (what == POP3_READ_ERR)
		return error_set(&r->j->err, -ENOTSUP,
			"the source's POP3 has no %s: %.*s", i == 0 ? "LIST" : "UIDL",
			STR_ARG(str_take(bytes, 200)));
	if (what != POP3_READ_BYTES)
		return 0;
	return i == 0 ? take_list(r, bytes) : take_uidl(r, bytes);
}

static int read_drop(struct uidl_reading *r)
{
	struct pop3_questions q = { .n = 2,
		.expect = POP3_EXPECT_LINES,
		.ask = ask_word,
		.answer = take_word,
		.context = r };

	return pop3_connection_ask(&r->pop3, &q, &r->j->err);
}

/* ── headers ───────────────────────────────────────────────────────────────────────── */

static int digest(struct uidl_side *s, struct str header)
{
	unsigned char full[EVP_MAX_MD_SIZE];
	struct str text = str_trim(str_take(header, HEADER_MAX));

	if (!EVP_Digest(
		    text.len ? text.ptr : "", text.len, full, NULL, EVP_sha256(), NULL))
		return -EIO;
	memcpy(s->header, full, UIDL_DIGEST);
	s->has_header = true;
	return 0;
}

static struct str header_of(struct str body)
{
	const char *crlf = memmem(body.ptr, body.len, "\r\n\r\n", 4);
	const char *lf = memmem(body.ptr, body.len, "\n\n", 2);
	const char *end = crlf && (!lf || crlf < lf) ? crlf : lf;

	/* an empty line at once: there is none */
	if (str_starts(body, STR_LIT("\r\n")) || str_starts(body, STR_LIT("\n")))
		return STR_LIT("");
	return end ? str_take(body, (size_t)(end - body.ptr)) : body;
}

static int digest_body(void *context, struct str body)
{
	return digest(context, header_of(body));
}

static int read_local_headers(struct uidl_reading *r)
{
	const struct destination *to = &r->j->destination;
	int code = 0;

	for (size_t i = 0; i < r->match.n_inbox && code == 0; i++) {
		struct uidl_side *s = &r->match.inbox[i];

		if (s->wants_header)
			code = to->ops->read_body(
				to->self, r->inbox, s->id, digest_body, s, &r->j->err);
	}
	return code;
}

static int ask_top(void *context, size_t i, struct buf *out)
{
	const struct uidl_reading *r = context;

	return buf_printf(out, "TOP %u 0\r\n", r->match.drop[r->asked[i]].id);
}

/* A TOP that is refused leaves its message unproven, and no more than that. */
static int take_top(void *context, size_t i, enum pop3_read what, struct str bytes)
{
	struct uidl_reading *r = context;

	if (what == POP3_READ_OK)
		buf_clear(&r->header);
	else if (what == POP3_READ_BYTES && buf_len(&r->header) < HEADER_MAX)
		return buf_append(
			&r->header, str_take(bytes, HEADER_MAX - buf_len(&r->header)));
	else if (what == POP3_READ_END)
		return digest(
			&r->match.drop[r->asked[i]], header_of(buf_view(&r->header)));
	return 0;
}

static int read_drop_headers(struct uidl_reading *r)
{
	struct pop3_questions q = { .expect = POP3_EXPECT_BYTES,
		.ask = ask_top,
		.answer = take_top,
		.context = r };

	r->asked = calloc(r->match.n_drop + 1, sizeof(*r->asked));
	if (!r->asked)
		return error_set(&r->j->err, -ENOMEM, "no memory");
	for (size_t i = 0; i < r->match.n_drop; i++)
		if (r->match.drop[i].wants_header)
			r->asked[q.n++] = i;
	r->n_asked = q.n;
	return pop3_connection_ask(&r->pop3, &q, &r->j->err);
}

static int match_all(struct uidl_reading *r)
{
	int code = 0;

	if (!uidl_match_sizes(&r->match))
		return error_set(&r->j->err, -ENOMEM, "no memory");
	if (!uidl_match_unproven(&r->match))
		return 0;
	code = read_drop_headers(r);
	if (code == 0)
		code = read_local_headers(r);
	if (code == 0 && !uidl_match_headers(&r->match))
		code = error_set(&r->j->err, -ENOMEM, "no memory");
	return code;
}

int uidl_reading_match(struct uidl_reading *r)
{
	int code = read_drop(r);

	if (code == 0)
		code = read_inbox(r);
	return code ? code : match_all(r);
}

void uidl_reading_init(struct uidl_reading *r, struct job *j)
{
	*r = (struct uidl_reading){ .j = j };
	arena_init(&r->strings);
	buf_init(&r->header, HEADER_MAX);
}

void uidl_reading_fini(struct uidl_reading *r)
{
	pop3_connection_end(&r->pop3);
	free(r->match.drop);
	free(r->match.inbox);
	free(r->asked);
	buf_fini(&r->header);
	arena_fini(&r->strings);
}
