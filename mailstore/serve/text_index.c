/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/text_index.h"

#include "base/clock.h"
#include "wire/mime/grams.h"
#include "wire/mime/search.h"

#include <errno.h>

#define EXAMINED 256                     /* rows of one transaction */
#define MESSAGE_MAX ((uint64_t)16 << 20) /* a longer one would hold the others up */
#define NEEDLE_LOOK ((size_t)64)         /* bytes: what has these has few others */

void text_index_allow(struct serve *serve)
{
	serve->text_version = serve->reads_as;
}

/* ── building ──────────────────────────────────────────────────────────────────────── */

struct building {
	struct serve *serve;
	struct mime_grams grams; /* of the message at work */
	uint64_t until;
	struct error *err;
};

/* 1: it is not for the index. */
static int list_message(struct building *b, struct str message, struct buf *out)
{
	int r;

	mime_grams_clear(&b->grams);
	r = mime_read_message(message, &b->grams.listener);
	if (r == 0)
		r = mime_grams_put(&b->grams, out);
	return r == -EFBIG ? 1 : r;
}

static int read_one(struct building *b, const struct store_unread *m, struct buf *out)
{
	struct body body;
	struct error damage = { 0 };
	int code;

	if (m->body_len > MESSAGE_MAX)
		return 1;
	code = store_body(b->serve->store, m->mailbox, m->uid, &body, &damage);
	/* whoever asks for it is told */
	if (code < 0 && code != -ENOMEM)
		return 1;
	if (code == 0) {
		code = list_message(b, body.bytes, out);
		store_body_release(&body);
	}
	return code < 0 ? error_set(b->err, code, "no memory") : code;
}

static int build_one(void *context, const struct store_unread *m)
{
	struct building *b = context;
	struct buf list;
	int code;

	if (clock_monotonic_ms() >= b->until)
		return 1;
	buf_init(&list, 0);
	code = read_one(b, m, &list);
	if (code == 0)
		code = store_keep_grams(
			b->serve->store, m->email, buf_view(&list), b->err);
	buf_fini(&list);
	return code < 0 ? code : 0;
}

/* 1: there is nothing left to do. */
static int build(struct building *b)
{
	struct store *s = b->serve->store;
	uint64_t version = b->serve->text_version;
	int n;

	do
		n = store_tidy_grams(s, version, b->err);
	while (n == 1 && clock_monotonic_ms() < b->until);
	if (n != 0)
		return n < 0 ? n : 0;
	return version ? store_each_ungrammed(s, version, EXAMINED, build_one, b, b->err)
	               : 1;
}

int text_index_build(struct serve *serve, unsigned ms, bool *ret_done, struct error *err)
{
	struct building b = { .serve = serve, .err = err };
	int n = store_begin_derived(serve->store, err);

	if (n < 0)
		return n;
	b.until = clock_monotonic_ms() + ms; /* a wait for the lock is no work done */
	n = mime_grams_init(&b.grams);
	if (n < 0)
		(void)error_set(err, n, "no memory");
	else
		n = build(&b);
	mime_grams_fini(&b.grams);
	if (n < 0) {
		store_rollback(serve->store);
		return n;
	}
	*ret_done = n == 1;
	return store_commit(serve->store, err);
}

/* ── hints ─────────────────────────────────────────────────────────────────────────── */

static int list_needle(struct str folded, struct buf *out)
{
	struct mime_grams g;
	int r = mime_grams_init(&g);

	if (r == 0)
		r = mime_grams_add(&g, str_take(folded, NEEDLE_LOOK));
	if (r == 0)
		r = mime_grams_put(&g, out);
	mime_grams_fini(&g);
	return r;
}

static void add_hint(
	struct text_hints *h, struct serve *serve, const struct imap_search_key *key)
{
	struct store_grams *grams = NULL;
	struct buf list;

	buf_init(&list, 0);
	if (list_needle(key->text, &list) == 0 && buf_len(&list))
		(void)store_grams_find(
			serve->store, serve->text_version, buf_view(&list), &grams, NULL);
	buf_fini(&list);
	if (!grams)
		return;
	h->of[h->count].key = key;
	h->of[h->count++].grams = grams;
}

static void add_hints(
	struct text_hints *h, struct serve *serve, const struct imap_search_key *key)
{
	for (; key && h->count < TEXT_HINTS_MAX; key = key->next) {
		add_hints(h, serve, key->first);
		if (key->kind >= IMAP_SEARCH_HEADER && h->count < TEXT_HINTS_MAX)
			add_hint(h, serve, key);
	}
}

void text_hints_init(
	struct text_hints *h, struct serve *serve, const struct imap_search_key *program)
{
	*h = (struct text_hints){ 0 };
	if (!serve->text_version)
		return;
	(void)store_read_begin(serve->store, NULL);
	add_hints(h, serve, program);
	store_read_end(serve->store);
}

void text_hints_fini(struct text_hints *h)
{
	for (unsigned i = 0; i < h->count; i++)
		store_grams_free(h->of[i].grams);
	h->count = 0;
}

bool text_hints_exclude(
	const struct text_hints *h, const struct imap_search_key *key, uint64_t email)
{
	for (unsigned i = 0; i < h->count; i++)
		if (h->of[i].key == key)
			return store_grams_exclude(h->of[i].grams, email);
	return false;
}
