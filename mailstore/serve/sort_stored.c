/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Three images, with numbers as in image_number.h, all in the order of UIDs:
 *
 *   all      UIDVALIDITY, how many messages; of each the difference of its UID
 *   dates    the difference of its arrival to the one before, and of its date to its
 *            arrival; its size
 *   texts    whether it IS_REPLY, and how many texts; of each its kind, length, bytes
 *   ids      how many, its own among them, 0: they are not known; of each its length and
 *            bytes
 */
#include "mailstore/serve/sort_stored.h"

#include "base/hash.h"
#include "mailstore/serve/image_number.h"
#include "mailstore/serve/kept.h"
#include "mailstore/store/image.h"
#include "wire/imap/thread.h"
#include "wire/mime/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1           /* of the bytes here */
#define MESSAGES_LEAST 1000 /* their rows are read in 2 ms */
#define FRESH_LEAST 256     /* and a sixteenth of all: then it is worth writing all */
#define IS_REPLY 1u
#define TEXTS_SHIFT 1

/* Of the bytes, of what they are made of, and of who reads it: other tables give the
   same header another text. */
static struct image_name name_of(const struct serve *serve, enum image_kind kind)
{
	uint64_t version = hash_mix(serve->reads_as, KEPT_VERSION << 8 | VERSION);

	return (struct image_name){ serve->sort_cache.mailbox, kind,
		(uint32_t)(version ^ version >> 32) };
}

/* ── into bytes ────────────────────────────────────────────────────────────────────── */

struct keeping {
	const struct serve *serve;
	struct buf images[IMAGE_KINDS]; /* without what they begin with */
	uint64_t count;
	struct sort_cached before;
};

static int put_text(struct buf *out, struct str text)
{
	int r = image_put_number(out, text.len);

	return r < 0 ? r : buf_append(out, text);
}

static int put_dates(
	struct buf *out, const struct sort_cached *m, const struct sort_cached *before)
{
	int r = image_put_difference(
		out, (uint64_t)m->arrived, (uint64_t)before->arrived);

	if (r == 0)
		r = image_put_difference(out, (uint64_t)m->sent, (uint64_t)m->arrived);
	return r < 0 ? r : image_put_number(out, m->size);
}

static int put_texts(struct buf *out, const struct sort_cached *m)
{
	uint64_t what = m->is_reply ? IS_REPLY : 0;
	int r;

	for (const struct sort_text *t = m->texts; t; t = t->next)
		what += 1 << TEXTS_SHIFT;
	r = image_put_number(out, what);
	for (const struct sort_text *t = m->texts; t && r == 0; t = t->next) {
		r = image_put_number(out, t->kind);
		if (r == 0)
			r = put_text(out, t->text);
	}
	return r;
}

static int put_ids(struct buf *out, const struct sort_ids *ids)
{
	int r = image_put_number(out, ids ? ids->n_references + 1 : 0);

	if (r == 0 && ids)
		r = put_text(out, ids->id);
	for (size_t i = 0; ids && i < ids->n_references && r == 0; i++)
		r = put_text(out, ids->references[i]);
	return r;
}

/* Of messages that are still there. */
static int put_message(void *context, const struct store_message *row)
{
	struct keeping *k = context;
	const struct sort_cached *m = sort_cache_find(&k->serve->sort_cache, row->uid);
	int r = 0;

	if (!m)
		return 0;
	for (size_t i = IMAGE_DATES; i <= IMAGE_IDS && r == 0; i++)
		r = image_put_number(&k->images[i], m->uid - k->before.uid);
	if (r == 0)
		r = put_dates(&k->images[IMAGE_DATES], m, &k->before);
	if (r == 0)
		r = put_texts(&k->images[IMAGE_TEXTS], m);
	if (r == 0)
		r = put_ids(&k->images[IMAGE_IDS], m->ids);
	k->before = *m;
	k->count++;
	return r;
}

/* ── keeping ───────────────────────────────────────────────────────────────────────── */

static int keep_one(const struct keeping *k, enum image_kind kind, struct error *err)
{
	const struct image_name name = name_of(k->serve, kind);
	struct buf all;
	int code;

	buf_init(&all, 0);
	code = image_put_number(&all, k->serve->sort_cache.uidvalidity);
	if (code == 0)
		code = image_put_number(&all, k->count);
	if (code == 0)
		code = buf_append(&all, buf_view(&k->images[kind]));
	if (code == 0)
		code = store_keep_image(k->serve->store, &name, buf_view(&all), err);
	buf_fini(&all);
	return code;
}

/* What was given back, or not asked for yet, is not written over. */
static int keep_all(const struct keeping *k, struct error *err)
{
	struct store *store = k->serve->store;
	int code = store_begin_derived(store, err);

	if (code < 0)
		return code;
	for (unsigned kind = IMAGE_DATES; kind <= IMAGE_IDS && code == 0; kind++)
		if (k->serve->sort_cache.fresh[kind])
			code = keep_one(k, (enum image_kind)kind, err);
	if (code == 0)
		return store_commit(store, err);
	store_rollback(store);
	return code;
}

static bool is_worth(uint32_t fresh, uint32_t messages)
{
	return messages >= MESSAGES_LEAST && fresh >= FRESH_LEAST &&
	       fresh >= messages / 16;
}

int sort_stored_keep(struct serve *serve, struct error *err)
{
	struct sort_cache *c = &serve->sort_cache;
	struct store *store = serve->store;
	struct keeping k = { .serve = serve };
	struct mailbox m = { .id = c->mailbox };
	uint32_t fresh = 0;
	int code;

	for (size_t i = IMAGE_DATES; i <= IMAGE_IDS; i++)
		fresh = c->fresh[i] > fresh ? c->fresh[i] : fresh;
	if (fresh < FRESH_LEAST)
		return 0;
	code = store_mailbox_counts(store, c->mailbox, &m, err);
	if (code < 0 || m.uidvalidity != c->uidvalidity || !is_worth(fresh, m.messages))
		return code == -ENOENT ? 0 : code;
	for (size_t i = 0; i < IMAGE_KINDS; i++)
		buf_init(&k.images[i], 0);
	code = store_each_state(store, c->mailbox, put_message, &k, err);
	if (code == 0)
		code = keep_all(&k, err);
	if (code == 0)
		memset(c->fresh, 0, sizeof(c->fresh));
	for (size_t i = 0; i < IMAGE_KINDS; i++)
		buf_fini(&k.images[i]);
	return code;
}

/* ── and back ──────────────────────────────────────────────────────────────────────── */

static bool take_text(struct str *bytes, struct str *ret)
{
	uint64_t len;

	if (!image_take_number(bytes, UINT64_MAX, &len) || len > bytes->len)
		return false;
	*ret = len ? str_take(*bytes, len) : STR_LIT("");
	*bytes = str_skip(*bytes, len);
	return true;
}

static bool take_dates(struct str *bytes, struct sort_cached *m)
{
	uint64_t arrived, sent;

	if (!image_take_difference(bytes, (uint64_t)m->arrived, &arrived) ||
		!image_take_difference(bytes, arrived, &sent) ||
		!image_take_number(bytes, UINT64_MAX, &m->size))
		return false;
	m->arrived = (int64_t)arrived;
	m->sent = (int64_t)sent;
	return true;
}

static bool take_texts(struct str *bytes, struct sort_cached *m,
	struct sort_text texts[static IMAP_SORT_KEYS_MAX])
{
	uint64_t what, kind;

	if (!image_take_number(bytes, UINT64_MAX, &what) ||
		what >> TEXTS_SHIFT > IMAP_SORT_KEYS_MAX)
		return false;
	m->is_reply = what & IS_REPLY;
	for (size_t i = 0; i < what >> TEXTS_SHIFT; i++) {
		texts[i] = (struct sort_text){ .next = m->texts };
		if (!image_take_number(bytes, IMAP_SORT_DISPLAYTO, &kind) ||
			!take_text(bytes, &texts[i].text))
			return false;
		texts[i].kind = (enum imap_sort_kind)kind;
		m->texts = &texts[i];
	}
	return true;
}

/* With room for IMAP_THREAD_REFERENCES_MAX references. */
static bool take_ids(struct str *bytes, struct sort_cached *m, struct sort_ids *ids)
{
	uint64_t n;

	if (!image_take_number(bytes, IMAP_THREAD_REFERENCES_MAX + 1, &n))
		return false;
	if (!n)
		return true;
	if (!take_text(bytes, &ids->id))
		return false;
	ids->n_references = n - 1;
	for (size_t i = 0; i + 1 < n; i++)
		if (!take_text(bytes, &ids->references[i]))
			return false;
	m->ids = ids;
	return true;
}

static bool take_uid(struct str *bytes, uint32_t *uid)
{
	uint64_t more;

	if (!image_take_number(bytes, UINT32_MAX - *uid, &more) || !more)
		return false;
	*uid += (uint32_t)more;
	return true;
}

/* The rest of the bytes, if it is of this mailbox. */
static bool take_head(const struct sort_cache *c, struct str *bytes, uint64_t *ret_count)
{
	uint64_t uidvalidity;

	return image_take_number(bytes, UINT32_MAX, &uidvalidity) &&
	       uidvalidity == c->uidvalidity &&
	       image_take_number(bytes, bytes->len, ret_count);
}

static int load_dates(void *context, uint64_t modseq, struct str bytes)
{
	struct sort_cache *c = context;
	struct sort_cached m = { 0 };
	uint64_t count = 0;

	(void)modseq;
	if (!take_head(c, &bytes, &count))
		return 0;
	while (count-- && take_uid(&bytes, &m.uid) && take_dates(&bytes, &m))
		sort_cache_add(c, &m);
	return 0;
}

/* To one whose dates are known. */
static void add_more(struct sort_cache *c, const struct sort_cached *m)
{
	if (sort_cache_find(c, m->uid))
		sort_cache_add(c, m);
}

static int load_texts(void *context, uint64_t modseq, struct str bytes)
{
	struct sort_text texts[IMAP_SORT_KEYS_MAX];
	struct sort_cache *c = context;
	struct sort_cached m = { 0 };
	uint64_t count = 0;

	(void)modseq;
	if (!take_head(c, &bytes, &count))
		return 0;
	while (count-- && take_uid(&bytes, &m.uid) && take_texts(&bytes, &m, texts)) {
		add_more(c, &m);
		m.texts = NULL;
	}
	return 0;
}

static int load_ids(void *context, uint64_t modseq, struct str bytes)
{
	struct sort_ids ids = { .references = calloc(
					IMAP_THREAD_REFERENCES_MAX, sizeof(struct str)) };
	struct sort_cache *c = context;
	struct sort_cached m = { 0 };
	uint64_t count = 0;

	(void)modseq;
	if (!ids.references || !take_head(c, &bytes, &count))
		count = 0;
	while (count-- && take_uid(&bytes, &m.uid) && take_ids(&bytes, &m, &ids)) {
		add_more(c, &m);
		m.ids = NULL;
	}
	free(ids.references);
	return 0;
}

/* Once; what is added so is not fresh. */
static void load(struct serve *serve, enum image_kind kind, image_fn *read)
{
	struct sort_cache *c = &serve->sort_cache;
	uint32_t fresh[IMAGE_KINDS];
	struct image_name name;

	if (c->has_looked[kind])
		return;
	name = name_of(serve, kind);
	memcpy(fresh, c->fresh, sizeof(fresh));
	(void)store_image(serve->store, &name, read, c, NULL);
	memcpy(c->fresh, fresh, sizeof(fresh));
	c->has_looked[kind] = true;
}

void sort_stored_load(struct serve *serve, bool with_texts, bool with_ids)
{
	load(serve, IMAGE_DATES, load_dates);
	if (with_texts)
		load(serve, IMAGE_TEXTS, load_texts);
	if (with_ids)
		load(serve, IMAGE_IDS, load_ids);
}
