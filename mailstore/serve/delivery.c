/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/delivery.h"

#include "base/buf.h"
#include "mailstore/serve/subaddress.h"
#include "mailstore/store/mend.h"
#include "wire/mime/binary.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As the store writes it at best: past its buffers. */
#define COPY_SIZE ((size_t)256 * 1024)

/* One delivery on its way into the store. */
struct work {
	struct delivery *d;
	struct body_writer writer; /* of a large one */
	struct body_place place;
	uint64_t file_size;
	bool written; /* the place is in a pack */
	/* of MEND */
	bool is_done;  /* there is nothing to be done */
	bool to_packs; /* whatever its size: it lay there, with many others */
	bool keeps_nuls;
};

/* ── the message's bytes ───────────────────────────────────────────────────────────── */

static bool has_file(const struct delivery *d)
{
	return d->what == DELIVERY_STAGE || d->what == DELIVERY_AT_ONCE ||
	       d->what == DELIVERY_SWEEP || d->what == DELIVERY_MEND;
}

/* Of what the source has taken, which comes over as the others did. */
static bool is_limited(const struct delivery *d)
{
	return d->what != DELIVERY_SWEEP && d->what != DELIVERY_MEND;
}

static int measure(struct work *w, const struct serve *serve)
{
	struct delivery *d = w->d;
	struct stat st;

	if (fstat(d->fd, &st) < 0)
		return error_errno(&d->err, -errno, "cannot read the message");
	if (!S_ISREG(st.st_mode))
		return error_set(&d->err, -EINVAL, "the message is not in a file");
	w->file_size = (uint64_t)st.st_size;
	d->size = w->file_size + d->header.len;
	if (d->size > serve->message_bytes && is_limited(d))
		return error_set(&d->err, -EFBIG,
			"%llu bytes; limits.message_bytes are %llu",
			(unsigned long long)d->size,
			(unsigned long long)serve->message_bytes);
	if (!is_limited(d) || d->may_exceed)
		return 0;
	return quota_check(serve->store, &serve->quota, d->size, 1, &d->err);
}

/* Appends as much of the file as `room` holds; 0 or -errno. */
static int read_file(struct delivery *d, bool keeps_nuls, uint64_t offset, size_t room,
	struct buf *ret_bytes)
{
	char *space;
	ssize_t n;
	int code = buf_reserve(ret_bytes, room, &space);

	while (code == 0 && room) {
		n = pread(d->fd, space, room, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_errno(&d->err, n < 0 ? -errno : -ENODATA,
				"cannot read the message");
		/* RFC 9051 4.3: no literal may hold one; POP3 alone could show it */
		if (!keeps_nuls)
			mime_replace_nuls(space, (size_t)n);
		buf_commit(ret_bytes, (size_t)n);
		space += n;
		offset += (uint64_t)n;
		room -= (size_t)n;
	}
	return code < 0 ? error_set(&d->err, code, "no memory") : 0;
}

static int copy_file(struct store *s, struct work *w, struct buf *bytes)
{
	struct delivery *d = w->d;
	uint64_t at = 0;
	int code = 0;

	while (code == 0 && at < w->file_size) {
		uint64_t left = w->file_size - at;
		size_t part = left < COPY_SIZE ? (size_t)left : COPY_SIZE;

		buf_clear(bytes);
		code = read_file(d, w->keeps_nuls, at, part, bytes);
		if (code == 0)
			code = store_body_write(s, &w->writer, buf_view(bytes), &d->err);
		at += part;
	}
	return code;
}

/* A large body is written before the transaction, as the store likes it. */
static int write_large(struct store *s, struct work *w, struct buf *bytes)
{
	struct delivery *d = w->d;
	int code = store_body_begin(s, d->size, &w->writer, &d->err);

	if (code < 0)
		return code;
	code = store_body_write(s, &w->writer, d->header, &d->err);
	if (code == 0)
		code = copy_file(s, w, bytes);
	if (code == 0)
		code = store_body_end(s, &w->writer, &w->place, &d->err);
	w->written = code == 0;
	if (code < 0)
		store_body_abort(s, &w->writer);
	return code;
}

/* Of a message whose size is not known, whether there is any room at all. */
static int look_for_room(const struct serve *serve, struct delivery *d)
{
	return quota_check(
		serve->store, &serve->quota, d->size ? d->size : 1, 1, &d->err);
}

/* Whether the body is lost, and the file has its bytes. */
static int look_for_loss(struct store *s, struct work *w)
{
	struct delivery *d = w->d;
	struct lost_body lost;
	int code = store_find_lost(s, d->mailbox, d->uid, &lost, &d->err);

	w->is_done = code == 0 || code == -ENOENT;
	if (w->is_done || code < 0)
		return w->is_done ? 0 : code;
	w->to_packs = lost.place.pack != 0;
	return store_lost_is_in(&lost, d->fd, d->size, &w->keeps_nuls, &d->err);
}

static int prepare(struct serve *serve, struct work *w, struct buf *bytes)
{
	int code;

	if (w->d->what == DELIVERY_ROOM)
		return look_for_room(serve, w->d);
	if (!has_file(w->d))
		return 0;
	code = measure(w, serve);
	if (code == 0 && w->d->what == DELIVERY_MEND)
		code = look_for_loss(serve->store, w);
	if (code == 0 && !w->is_done && (w->to_packs || w->d->size > STORE_INLINE_MAX))
		code = write_large(serve->store, w, bytes);
	return code;
}

static int read_small(struct work *w, struct buf *bytes)
{
	int code;

	if (w->written)
		return 0;
	buf_clear(bytes);
	code = buf_append(bytes, w->d->header);
	if (code < 0)
		return error_set(&w->d->err, code, "no memory");
	code = read_file(w->d, w->keeps_nuls, 0, (size_t)w->file_size, bytes);
	w->place = store_body_inline(buf_view(bytes));
	return code;
}

/* ── into the index ────────────────────────────────────────────────────────────────── */

static struct store_message make_row(const struct delivery *d)
{
	time_t now = time(NULL);
	struct tm local;

	(void)localtime_r(&now, &local);
	return (struct store_message){ .flags = FLAG_RECENT,
		.keywords = STR_LIT(""),
		.uidl = STR_LIT(""),
		.size = d->size,
		.date = now,
		.zone = (int16_t)(local.tm_gmtoff / 60) };
}

static int digest_file(struct delivery *d, unsigned char ret[static BODY_DIGEST_SIZE])
{
	struct body_digest digest;
	struct buf bytes;
	uint64_t at = 0;
	int code = 0;

	buf_init(&bytes, 0);
	body_digest_begin(&digest);
	while (code == 0 && at < d->size) {
		uint64_t left = d->size - at;
		size_t part = left < COPY_SIZE ? (size_t)left : COPY_SIZE;

		buf_clear(&bytes);
		code = read_file(d, false, at, part, &bytes);
		if (code == 0)
			body_digest_add(&digest, buf_view(&bytes));
		at += part;
	}
	body_digest_end(&digest, ret);
	buf_fini(&bytes);
	return code;
}

static int sweep(struct store *s, struct work *w, int64_t inbox)
{
	struct delivery *d = w->d;
	unsigned char digest[BODY_DIGEST_SIZE];
	int code = digest_file(d, digest);

	d->swept.digest = str_of(digest, sizeof(digest));
	if (code == 0)
		code = swept_put(s, &d->swept, d->size, &w->place, inbox, &d->err);
	d->swept.digest = STR_LIT("");
	if (code == 1 && w->written) {
		store_body_abort(s, &w->writer);
		w->written = false;
	}
	return code < 0 ? code : 0;
}

static int deliver_staged(struct store *s, struct delivery *d, int64_t inbox)
{
	int64_t mailbox = inbox;
	int code = subaddress_mailbox(s, d->subaddress, &mailbox, &d->err);

	return code < 0 ? code : store_deliver(s, d->id, mailbox, NULL, &d->err);
}

static int put(struct store *s, struct work *w, int64_t inbox, struct buf *bytes)
{
	struct delivery *d = w->d;
	struct store_message row;
	int code = has_file(d) && !w->is_done ? read_small(w, bytes) : 0;

	if (code < 0 || w->is_done)
		return code;
	switch (d->what) {
	case DELIVERY_ROOM:
		return 0;
	case DELIVERY_STAGE:
		row = make_row(d);
		return store_stage(s, &row, &w->place, &d->id, &d->err);
	case DELIVERY_AT_ONCE:
		row = make_row(d);
		return store_add(s, inbox, &row, &w->place, NULL, &d->err);
	case DELIVERY_SWEEP:
		return sweep(s, w, inbox);
	case DELIVERY_MEND:
		return store_mend(s, d->mailbox, d->uid, &w->place, &d->err);
	case DELIVERY_DELIVER:
		code = deliver_staged(s, d, inbox);
		break;
	case DELIVERY_DISCARD:
		code = store_discard(s, d->id, &d->err);
		break;
	case DELIVERY_WHAT_COUNT:
		break;
	}
	return code == -ENOENT ? 0 : code; /* it was done before */
}

/* Whoever only asks for room has been answered. */
static bool writes_any(const struct work *works, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (works[i].d->what != DELIVERY_ROOM)
			return true;
	return false;
}

/* All of them or none; one that could not be prepared is left out. */
static int run_together(struct store *s, struct work *works, size_t n, struct buf *bytes,
	struct error *err)
{
	int64_t inbox = 0;
	int code = store_find_inbox(s, &inbox, err);

	if (code < 0 || !writes_any(works, n))
		return code;
	code = store_begin(s, err);
	if (code < 0)
		return code;
	for (size_t i = 0; i < n && code == 0; i++) {
		if (works[i].d->code == 0)
			code = put(s, &works[i], inbox, bytes);
		if (code < 0)
			*err = works[i].d->err;
	}
	if (code == 0)
		return store_commit(s, err);
	store_rollback(s);
	return code;
}

/* The room of what came to nothing. */
static void give_back(struct store *s, struct work *works, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (works[i].written)
			store_body_abort(s, &works[i].writer);
		works[i].written = false;
	}
}

static int run(struct serve *serve, struct work *works, size_t n, struct buf *bytes,
	struct error *err)
{
	struct store *s = serve->store;
	int code;

	for (size_t i = 0; i < n; i++)
		works[i].d->code = prepare(serve, &works[i], bytes);
	code = run_together(s, works, n, bytes, err);
	if (code < 0)
		give_back(s, works, n);
	return code;
}

static void run_alone(struct serve *serve, struct work *w, struct buf *bytes)
{
	struct error err = { 0 };
	int code;

	if (w->d->code < 0)
		return;
	code = run(serve, w, 1, bytes, &err);
	if (code == 0 || w->d->code < 0)
		return;
	w->d->code = code;
	w->d->err = err;
}

void deliveries_run(struct serve *serve, struct delivery **list, size_t n)
{
	struct work works[DELIVERY_BATCH];
	struct error err = { 0 };
	struct buf bytes;

	if (n > DELIVERY_BATCH)
		n = DELIVERY_BATCH;
	for (size_t i = 0; i < n; i++)
		works[i] = (struct work){ .d = list[i] };
	buf_init(&bytes, 0);
	if (run(serve, works, n, &bytes, &err) < 0)
		for (size_t i = 0; i < n; i++)
			run_alone(serve, &works[i], &bytes);
	buf_fini(&bytes);
}

const char *delivery_event(enum delivery_what what)
{
	static const char *const events[DELIVERY_WHAT_COUNT] = {
		[DELIVERY_ROOM] = "room",
		[DELIVERY_STAGE] = "staged",
		[DELIVERY_AT_ONCE] = "delivered",
		[DELIVERY_SWEEP] = "swept",
		[DELIVERY_MEND] = "mended",
		[DELIVERY_DELIVER] = "delivered",
		[DELIVERY_DISCARD] = "discarded",
	};

	return events[what];
}

const char *delivery_reply(int code)
{
	static const struct {
		int code;
		const char *reply;
	} replies[] = {
		{ -ENOSPC, "452 4.3.1 Insufficient system storage" },
		{ -EDQUOT, "452 4.2.2 Mailbox is full, try again later" },
		{ -EMSGSIZE, "552 5.2.2 Message is larger than the mailbox may be" },
		{ -EFBIG, "552 5.3.4 Message too big" },
		{ -EBUSY, "450 4.2.1 The mailbox is in use by a transfer, try again in a "
			  "moment" },
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (replies[i].code == code)
			return replies[i].reply;
	return "451 4.3.0 The mailbox cannot be used now, try again later";
}
