/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/pop3_listing.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#define NAME_BYTES ((size_t)16) /* of a header's SHA-256: 32 digits */

void pop3_listing_init(
	struct pop3_listing *l, const struct known_inbox *known, bool may_lack_uidls)
{
	*l = (struct pop3_listing){ .known = *known, .may_lack_uidls = may_lack_uidls };
	pop3_drop_init(&l->drop);
}

void pop3_listing_fini(struct pop3_listing *l)
{
	pop3_drop_fini(&l->drop);
}

/* ── the maildrop ──────────────────────────────────────────────────────────────────── */

struct reading {
	struct pop3_listing *l;
	EVP_MD_CTX *header; /* while TOP comes */
	bool lacks_uidl;
	struct error *err;
};

static int broken(struct reading *r, const char *what)
{
	return error_set(r->err, -EPROTO, "the source's POP3 %s is broken", what);
}

static int refused(struct reading *r, const char *what, struct str answer)
{
	return error_set(r->err, -ENOTSUP, "the source's POP3 has no %s: %.*s", what,
		STR_ARG(str_take(answer, 200)));
}

static int ask_lists(void *context, size_t i, struct buf *out)
{
	(void)context;
	return buf_append_c(out, i == 0 ? "LIST\r\n" : "UIDL\r\n");
}

static int take_list(struct reading *r, struct str line)
{
	uint32_t number;
	uint64_t octets;
	int code;

	if (!pop3_list_parse(line, &number, &octets))
		return broken(r, "LIST");
	code = pop3_drop_add(&r->l->drop, number, octets);
	return code < 0 ? error_errno(r->err, code, "cannot keep the maildrop's list")
	                : 0;
}

static int take_uidl(struct reading *r, struct str line)
{
	struct str uidl;
	uint32_t number;
	int code;

	if (!pop3_uidl_parse(line, &number, &uidl))
		return broken(r, "UIDL");
	code = pop3_drop_name(&r->l->drop, number, uidl);
	if (code == -ENOENT || code == -EEXIST)
		return broken(r, "UIDL");
	return code < 0 ? error_errno(r->err, code, "cannot keep the maildrop's list")
	                : 0;
}

static int take_lists(void *context, size_t i, enum pop3_read what, struct str bytes)
{
	struct reading *r = context;

	if (what == POP3_READ_ERR && i == 0)
		return refused(r, "LIST", bytes);
	if (what == POP3_READ_ERR) {
		r->lacks_uidl = true;
		return r->l->may_lack_uidls ? 0 : refused(r, "UIDL", bytes);
	}
	if (what != POP3_READ_BYTES)
		return 0;
	return i == 0 ? take_list(r, bytes) : take_uidl(r, bytes);
}

/* ── a maildrop without unique-ids ─────────────────────────────────────────────────── */

/* Nobody's client can have seen a unique-id there, so ours are as good as any: made of
   the header, they are the same in each session. */
static int name_by_header(struct reading *r, size_t i)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct pop3_drop *d = &r->l->drop;
	char text[2 * NAME_BYTES + 1];

	if (!EVP_DigestFinal_ex(r->header, digest, NULL))
		return error_set(r->err, -EIO, "cannot compute a digest");
	hex_write(digest, NAME_BYTES, text);
	return pop3_drop_name(d, d->at[i].number, str_from(text)) < 0
	               ? error_set(r->err, -ENOMEM, "no memory")
	               : 0;
}

static int ask_top(void *context, size_t i, struct buf *out)
{
	const struct reading *r = context;

	return buf_printf(out, "TOP %u 0\r\n", r->l->drop.at[i].number);
}

static int take_top(void *context, size_t i, enum pop3_read what, struct str bytes)
{
	struct reading *r = context;
	int ok = 1;

	if (what == POP3_READ_ERR)
		return refused(r, "UIDL and no TOP, so its messages cannot be told apart",
			bytes);
	if (what == POP3_READ_OK)
		ok = EVP_DigestInit_ex(r->header, EVP_sha256(), NULL);
	else if (what == POP3_READ_BYTES && bytes.len)
		ok = EVP_DigestUpdate(r->header, bytes.ptr, bytes.len);
	else if (what == POP3_READ_END)
		return name_by_header(r, i);
	return ok ? 0 : error_set(r->err, -EIO, "cannot compute a digest");
}

static int name_by_headers(struct reading *r, struct pop3_connection *pop3)
{
	struct pop3_questions q = { .n = r->l->drop.count,
		.expect = POP3_EXPECT_BYTES,
		.ask = ask_top,
		.answer = take_top,
		.context = r };
	int code;

	r->header = EVP_MD_CTX_new();
	if (!r->header)
		return error_set(r->err, -ENOMEM, "no memory");
	code = pop3_connection_ask(pop3, &q, r->err);
	EVP_MD_CTX_free(r->header);
	return code;
}

/* ── both ──────────────────────────────────────────────────────────────────────────── */

static int settle(struct reading *r)
{
	int code = pop3_drop_settle(&r->l->drop);

	if (code == -ENODATA)
		return error_set(r->err, -EPROTO,
			"the source's POP3 LIST shows a message that UIDL does not");
	if (code == 0 && r->lacks_uidl)
		code = pop3_drop_make_unique(&r->l->drop);
	return code < 0 ? error_errno(r->err, code, "cannot sort the maildrop") : 0;
}

int pop3_listing_read(
	struct pop3_listing *l, struct pop3_connection *pop3, struct error *err)
{
	struct reading r = { .l = l, .err = err };
	struct pop3_questions q = { .n = 2,
		.expect = POP3_EXPECT_LINES,
		.ask = ask_lists,
		.answer = take_lists,
		.context = &r };
	int code;

	pop3_drop_fini(&l->drop);
	code = pop3_connection_ask(pop3, &q, err);
	if (code == 0 && r.lacks_uidl)
		code = name_by_headers(&r, pop3);
	if (code == 0)
		code = settle(&r);
	if (code == 0)
		l->is_named_by_us = r.lacks_uidl;
	return code;
}

/* ── against what is here ───────────────────────────────────────────────────────────────
 */

struct telling {
	struct pop3_listing *l;
	size_t folder;
	const struct source_events *events;
};

static int tell(const struct telling *t, const struct mail *m)
{
	return t->events->row(t->events->context, t->folder, m);
}

static int tell_known(void *context, const struct mail *row)
{
	const struct telling *t = context;
	const struct pop3_drop_message *drop =
		row->uidl.len
			? pop3_drop_know(&t->l->drop, row->uidl, row->size, row->uid)
			: NULL;
	struct mail m;

	if (!drop)
		return 0;
	/* whatever POP3 does not show is right as it is */
	m = (struct mail){ .uid = row->uid,
		.flags = row->flags,
		.keywords = row->keywords,
		.date = row->date,
		.zone = row->zone,
		.size = drop->size,
		.pop3_order = drop->number };
	return tell(t, &m);
}

static int tell_new(const struct telling *t, uint32_t first)
{
	const struct pop3_drop *d = &t->l->drop;
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->count; i++) {
		struct mail m = { .uid = d->at[i].uid,
			.keywords = STR(""),
			.size = d->at[i].size,
			.pop3_order = d->at[i].number };

		if (m.uid >= first)
			r = tell(t, &m);
	}
	return r;
}

int pop3_listing_tell(struct pop3_listing *l, size_t folder,
	const struct source_events *events, struct error *err)
{
	struct telling t = { .l = l, .folder = folder, .events = events };
	struct source_status status; /* a UIDVALIDITY of 0: the destination makes one */
	bool exists;
	int r = l->known.find(l->known.context, &exists, &status, err);

	if (r < 0)
		return r;
	status.messages = (uint32_t)l->drop.count;
	r = events->opened(events->context, folder, &status);
	if (r == 0 && exists)
		r = l->known.each(l->known.context, tell_known, &t, err);
	if (r == 0 && (r = pop3_drop_number(&l->drop, status.uidnext)) < 0)
		r = error_errno(err, r, "cannot give UIDs to the maildrop's messages");
	return r ? r : tell_new(&t, status.uidnext);
}

/* ── proof ─────────────────────────────────────────────────────────────────────────── */

struct proof {
	const struct pop3_drop *drop;
	uint64_t shown; /* here */
	struct error *err;
};

static int prove_one(void *context, const struct mail *row)
{
	struct proof *p = context;
	const struct pop3_drop_message *m = pop3_drop_by_uid(p->drop, row->uid);

	p->shown++;
	if (m && m->number == row->pop3_order && m->size == row->size &&
		str_eq(pop3_drop_name_of(p->drop, m), row->uidl))
		return 0;
	return error_set(p->err, -EREMOTEIO,
		"POP3 message %u here (UID %u, %.*s) is another one than at the source",
		row->pop3_order, row->uid, STR_ARG(str_take(row->uidl, 100)));
}

int pop3_listing_prove(const struct pop3_listing *l, struct error *err)
{
	struct proof p = { .drop = &l->drop, .err = err };
	struct source_status status;
	bool exists = false;
	int r = l->known.find(l->known.context, &exists, &status, err);

	if (r == 0 && exists)
		r = l->known.each(l->known.context, prove_one, &p, err);
	if (r == 0 && p.shown != l->drop.count)
		r = error_set(err, -EREMOTEIO,
			"the source has %zu messages, and %llu are here", l->drop.count,
			(unsigned long long)p.shown);
	return r;
}
