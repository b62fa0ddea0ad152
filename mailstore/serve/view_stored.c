/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A view as bytes, with numbers as in image_number.h:
 *
 *   what it was made for    uidvalidity, base, base_from
 *   words                   length, and the words of its messages
 *   messages                how many; of each the difference of its UID and of its
 *                           modseq to the one before, its flags, and with
 *                           HAS_KEYWORDS among them the hash of its keywords
 */
#include "mailstore/serve/view_stored.h"
#include "mailstore/serve/image_number.h"
#include "mailstore/serve/view_image.h"
#include "mailstore/serve/view_parts.h"
#include "mailstore/store/image.h"

#include <errno.h>
#include <stdlib.h>

#define VERSION 1
#define HAS_KEYWORDS 0x80u
#define MESSAGE_MIN 3 /* bytes */

/* Of fewer messages the rows are read in 0.3 ms. A change since costs what ten messages
   cost in the rows. */
static const struct image_limits limits = {
	.least = 1000, .most = VIEW_IMAGE_MESSAGES, .changed = 256
};

/* ── into bytes ────────────────────────────────────────────────────────────────────── */

static int put_message(
	struct buf *out, const struct view_message *m, const struct view_message *before)
{
	int r = image_put_number(out, m->uid - before->uid);

	if (r == 0)
		r = image_put_difference(out, m->modseq, before->modseq);
	if (r == 0)
		r = buf_byte(out, (char)(m->flags | (m->keywords ? HAS_KEYWORDS : 0)));
	return r < 0 || !m->keywords ? r : image_put_number(out, m->keywords);
}

static int encode(const struct view *v, struct buf *out)
{
	const uint64_t numbers[] = { v->uidvalidity, v->base, v->base_from,
		buf_len(&v->keywords) };
	struct view_message before = { 0 };
	int r = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && r == 0; i++)
		r = image_put_number(out, numbers[i]);
	if (r == 0)
		r = buf_append(out, buf_view(&v->keywords));
	if (r == 0)
		r = image_put_number(out, v->count);
	for (uint32_t i = 0; i < v->count && r == 0; i++) {
		r = put_message(out, &v->messages[i], &before);
		before = v->messages[i];
	}
	return r;
}

/* ── and back ──────────────────────────────────────────────────────────────────────── */

static bool take_message(
	struct str *bytes, struct view_message *ret, const struct view_message *before)
{
	uint64_t uid, modseq, keywords = 0;
	unsigned flags;

	if (!image_take_number(bytes, UINT32_MAX - before->uid, &uid) || !uid ||
		!image_take_difference(bytes, before->modseq, &modseq) || !bytes->len)
		return false;
	flags = (unsigned char)bytes->ptr[0];
	*bytes = str_skip(*bytes, 1);
	if (flags & HAS_KEYWORDS && !image_take_number(bytes, UINT32_MAX, &keywords))
		return false;
	*ret = (struct view_message){ .uid = before->uid + (uint32_t)uid,
		.modseq = modseq,
		.keywords = (uint32_t)keywords,
		.flags = (uint8_t)(flags & ~HAS_KEYWORDS) };
	return true;
}

static int take_messages(struct view *v, struct str bytes)
{
	struct view_message before = { 0 };
	uint64_t count;

	if (!image_take_number(&bytes, bytes.len / MESSAGE_MIN, &count))
		return -EBADMSG;
	v->messages = malloc((count ? count : 1) * sizeof(*v->messages));
	if (!v->messages)
		return -ENOMEM;
	v->cap = (uint32_t)count;
	for (uint64_t i = 0; i < count; i++) {
		if (!take_message(&bytes, &v->messages[i], &before))
			return -EBADMSG;
		before = v->messages[i];
	}
	v->count = (uint32_t)count;
	return bytes.len ? -EBADMSG : 0;
}

/* 1: the view is as it was at that modseq. */
static int decode(void *context, uint64_t modseq, struct str bytes)
{
	struct view *v = context;
	uint64_t uidvalidity, base, base_from, len;
	int r;

	if (!image_take_number(&bytes, UINT32_MAX, &uidvalidity) ||
		!image_take_number(&bytes, UINT64_MAX, &base) ||
		!image_take_number(&bytes, UINT64_MAX, &base_from) ||
		!image_take_number(&bytes, bytes.len, &len))
		return -EBADMSG;
	if (uidvalidity != v->uidvalidity || base != v->base || base_from != v->base_from)
		return -ESTALE;
	(void)view_add_keywords(v, str_take(bytes, len), &r);
	if (r == 0)
		r = take_messages(v, str_skip(bytes, len));
	v->seen = v->seen_expunges = modseq;
	return r < 0 ? r : 1;
}

/* ── opening ───────────────────────────────────────────────────────────────────────── */

static bool has_counts(const struct view *v, const struct mailbox *m)
{
	uint32_t unseen = 0, deleted = 0;

	for (uint32_t i = 0; i < v->count; i++) {
		unseen += !(v->messages[i].flags & FLAG_SEEN);
		deleted += (v->messages[i].flags & FLAG_DELETED) != 0;
	}
	return v->count == m->messages && unseen == m->unseen && deleted == m->deleted;
}

/* 1, 0: there is none, -EBADMSG: it does not fit, or another error. */
static int load(struct view *v, const struct mailbox *m)
{
	const struct image_name name = { m->id, IMAGE_VIEW, VERSION };
	int code = store_image(v->store, &name, decode, v, NULL);

	if (code != 1)
		return code;
	code = view_catch_up(v, m);
	if (code == 0 && (v->lost_words || !has_counts(v, m)))
		code = -EBADMSG;
	return code < 0 ? code : 1;
}

bool view_stored_open(struct view *v, struct store *store, const struct mailbox *m)
{
	int code;

	view_init(v, store, m, true);
	code = store_each_keyword(store, m->id, view_load_keyword, v, NULL);
	if (code == 0)
		code = load(v, m);
	if (code == 1)
		return true;
	view_close(v);
	if (code < 0)
		store_doubt_image(store, m->id);
	return false;
}

/* ── keeping ───────────────────────────────────────────────────────────────────────── */

int view_stored_keep(struct store *store, int64_t mailbox, struct error *err)
{
	const struct image_name name = { mailbox, IMAGE_VIEW, VERSION };
	struct mailbox m = { .id = mailbox };
	struct buf bytes;
	struct view v;
	int code = store_mailbox_counts(store, mailbox, &m, err);

	if (code < 0)
		return code;
	buf_init(&bytes, 0);
	view_init(&v, store, &m, true);
	code = view_read(&v, err);
	if (code == 0)
		code = encode(&v, &bytes);
	if (code == 0)
		code = store_keep_image(store, &name, buf_view(&bytes), err);
	view_close(&v);
	buf_fini(&bytes);
	return code;
}

int view_stored_build(struct store *store, bool *ret_done, struct error *err)
{
	int64_t mailbox = 0;
	int code = store_find_unimaged(store, VERSION, &limits, &mailbox, err);

	*ret_done = code == 0 && !mailbox;
	if (code < 0 || !mailbox)
		return code;
	code = store_begin_derived(store, err);
	if (code < 0)
		return code;
	code = view_stored_keep(store, mailbox, err);
	if (code == 0)
		return store_commit(store, err);
	store_rollback(store);
	return code;
}
