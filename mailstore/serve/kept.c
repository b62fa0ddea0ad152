/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/kept.h"

#include "base/clock.h"
#include "wire/imap/envelope.h"
#include "wire/mime/header.h"
#include "wire/mime/scan.h"

#include <errno.h>

/* With less than a page for most; what is longer is seldom asked for. */
#define FIELDS_MAX 8192
#define ENVELOPE_MAX 8192
#define STRUCTURE_MAX 16384
#define MESSAGE_MAX ((uint64_t)16 << 20) /* a longer one would hold the others up */
#define EXAMINED 256                     /* rows of one transaction */

/* What Thunderbird, K-9, iOS, macOS, Outlook, Roundcube, FairEmail, Evolution and mutt
   ask for in lists, and what SORT, THREAD and SEARCH read. */
static const struct str names[] = {
	STR("From"),
	STR("To"),
	STR("Cc"),
	STR("Subject"),
	STR("Date"),
	STR("Message-ID"),
	STR("References"),
	STR("In-Reply-To"),
	STR("Content-Type"),
	STR("MIME-Version"),
	STR("Content-Transfer-Encoding"),
	STR("Content-Disposition"),
	STR("Content-Description"),
	STR("Content-Class"),
	STR("Reply-To"),
	STR("Sender"),
	STR("Bcc"),
	STR("Newsgroups"),
	STR("Followup-To"),
	STR("Mail-Followup-To"),
	STR("Mail-Reply-To"),
	STR("Priority"),
	STR("X-Priority"),
	STR("Importance"),
	STR("X-MSMail-Priority"),
	STR("Sensitivity"),
	STR("Precedence"),
	STR("Lines"),
	STR("List-Id"),
	STR("List-Post"),
	STR("List-Subscribe"),
	STR("List-Unsubscribe"),
	STR("List-Unsubscribe-Post"),
	STR("Return-Path"),
	STR("Delivered-To"),
	STR("Envelope-To"),
	STR("X-Original-To"),
	STR("Resent-From"),
	STR("Resent-To"),
	STR("Resent-Cc"),
	STR("Resent-Date"),
	STR("Organization"),
	STR("User-Agent"),
	STR("X-Mailer"),
	STR("X-Label"),
	STR("X-Spam-Flag"),
	STR("Auto-Submitted"),
	STR("Disposition-Notification-To"),
	STR("Return-Receipt-To"),
	STR("X-Confirm-Reading-To"),
	STR("X-Draft-Info"),
	STR("X-Identity-Key"),
	STR("X-Account-Key"),
	STR("X-K9mail-Identity"),
	STR("X-Chat-Version"),
	STR("X-Evolution-Source"),
	STR("X-Uniform-Type-Identifier"),
	STR("X-Universally-Unique-Identifier"),
};

bool kept_has_field(struct str name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}

/* ── one message ───────────────────────────────────────────────────────────────────── */

static bool next_kept(struct str *header, struct mime_field *ret)
{
	while (mime_next_field(header, ret))
		if (kept_has_field(ret->name))
			return true;
	return false;
}

static int copy_fields(struct str header, struct buf *out)
{
	struct mime_field field;
	int r = 0;

	while (r == 0 && next_kept(&header, &field))
		r = buf_append(out, field.all);
	return r;
}

/* What lay between them may have decided where one ends. */
static bool is_same(struct str header, struct str copy)
{
	struct mime_field field, again;

	while (next_kept(&header, &field))
		if (!mime_next_field(&copy, &again) || !str_eq(field.name, again.name) ||
			!str_eq(field.value, again.value) ||
			!str_eq(field.all, again.all))
			return false;
	return !mime_next_field(&copy, &again);
}

static int put_structure(struct str message, struct buf *out)
{
	struct mime_tree tree;
	struct arena arena;
	int r = mime_scan(message, &tree);

	arena_init(&arena);
	if (r == 0)
		r = imap_put_structure(out, &tree, true, &arena);
	mime_tree_fini(&tree);
	arena_fini(&arena);
	return r;
}

static int put_envelope(struct str header, struct buf *out)
{
	struct arena arena;
	int r;

	arena_init(&arena);
	r = imap_put_envelope(out, header, &arena);
	arena_fini(&arena);
	return r;
}

/* -ENOBUFS: it is too long to be kept, and that is all. */
static int keep(int r, const struct buf *b, struct str *ret)
{
	if (r == 0)
		*ret = buf_len(b) ? buf_view(b) : STR_LIT("");
	return r == -ENOBUFS ? 0 : r;
}

int kept_make(struct str message, struct kept *ret)
{
	struct str header = str_take(message, mime_header_length(message));
	struct store_header *h = &ret->header;
	int r;

	*h = (struct store_header){ 0 };
	buf_init(&ret->fields, FIELDS_MAX);
	buf_init(&ret->envelope, ENVELOPE_MAX);
	buf_init(&ret->structure, STRUCTURE_MAX);
	r = keep(copy_fields(header, &ret->fields), &ret->fields, &h->fields);
	if (h->fields.ptr && !is_same(header, h->fields))
		h->fields = (struct str){ 0 };
	if (r == 0)
		r = keep(put_envelope(header, &ret->envelope), &ret->envelope,
			&h->envelope);
	if (r == 0)
		r = keep(put_structure(message, &ret->structure), &ret->structure,
			&h->structure);
	return r;
}

void kept_fini(struct kept *k)
{
	buf_fini(&k->fields);
	buf_fini(&k->envelope);
	buf_fini(&k->structure);
}

/* ── all messages ──────────────────────────────────────────────────────────────────── */

struct building {
	struct store *store;
	uint64_t until;
	struct error *err;
};

static int read_message(struct store *s, const struct store_unread *m,
	struct store_header *ret, struct kept *k, struct error *err)
{
	struct body body;
	struct error damage = { 0 };
	int code;

	if (!m->body_len || m->body_len > MESSAGE_MAX)
		return 0;
	code = store_body(s, m->mailbox, m->uid, &body, &damage);
	/* whoever asks for it is told */
	if (code < 0)
		return code == -ENOMEM ? error_set(err, code, "no memory") : 0;
	code = kept_make(body.bytes, k);
	store_body_release(&body);
	if (code == 0)
		*ret = k->header;
	return code < 0 ? error_set(err, code, "no memory") : 0;
}

static int build_one(void *context, const struct store_unread *m)
{
	struct building *b = context;
	struct store_header header = { 0 };
	struct kept k = { 0 };
	int code;

	if (clock_monotonic_ms() >= b->until)
		return 1;
	code = read_message(b->store, m, &header, &k, b->err);
	if (code == 0)
		code = store_keep_header(
			b->store, m->email, KEPT_VERSION, &header, b->err);
	kept_fini(&k);
	return code;
}

int kept_build(struct store *s, unsigned ms, bool *ret_done, struct error *err)
{
	struct building b = { .store = s, .err = err };
	int code = store_begin_derived(s, err);

	if (code < 0)
		return code;
	b.until = clock_monotonic_ms() + ms; /* a wait for the lock is no work done */
	code = store_each_unread(s, KEPT_VERSION, EXAMINED, build_one, &b, err);
	if (code < 0) {
		store_rollback(s);
		return code;
	}
	*ret_done = code == 1;
	return store_commit(s, err);
}
