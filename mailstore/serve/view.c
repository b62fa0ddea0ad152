/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/view_parts.h"

#include "wire/imap/flags.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_MAX ((size_t)32 << 20) /* of output; each message may have 64 KiB of words */
#define STORED_FLAGS                                                                     \
	((unsigned)(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT))

/* ── one message ───────────────────────────────────────────────────────────────────── */

/* FNV-1a: tells whether keywords changed since the client was told. */
static uint32_t keywords_hash(struct str keywords)
{
	uint32_t hash = 2166136261u;

	if (!keywords.len)
		return 0;
	for (size_t i = 0; i < keywords.len; i++)
		hash = (hash ^ (unsigned char)keywords.ptr[i]) * 16777619u;
	return hash ? hash : 1;
}

void view_set(struct view *v, struct view_message *m, unsigned flags, struct str keywords,
	uint64_t modseq)
{
	uint32_t before = m->keywords;

	m->flags = (uint8_t)(flags & STORED_FLAGS);
	m->keywords = keywords_hash(keywords);
	v->lost_words |= before && before != m->keywords;
	m->modseq = modseq > v->base_from ? modseq : v->base;
}

void view_is_in_step(struct view *v)
{
	v->seen = store_modseq(v->store);
	v->dirty = false;
}

/* ── keywords of the mailbox ───────────────────────────────────────────────────────── */

int view_put_flags(struct view *v, struct buf *out)
{
	int r = buf_append_c(out, "* FLAGS (");

	if (r == 0)
		r = imap_put_flags(out, STORED_FLAGS, buf_view(&v->keywords));
	if (r == 0)
		r = buf_append_c(out, ")\r\n* OK [PERMANENTFLAGS (");
	if (r == 0 && !v->read_only)
		r = imap_put_flags(out, STORED_FLAGS, buf_view(&v->keywords));
	if (r < 0)
		return r;
	return buf_append_c(out, v->read_only ? ")] Read-only mailbox.\r\n"
					      : " \\*)] Flags permitted.\r\n");
}

/* ── reading the mailbox ───────────────────────────────────────────────────────────── */

int view_append(struct view *v, const struct store_message *m)
{
	struct view_message *place;
	int r;

	if (v->count == v->cap) {
		uint32_t cap = v->cap ? v->cap * 2 : 64;
		struct view_message *more = realloc(v->messages, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		v->messages = more;
		v->cap = cap;
	}
	(void)view_add_keywords(v, m->keywords, &r);
	if (r < 0)
		return r;
	place = &v->messages[v->count++];
	*place = (struct view_message){ .uid = m->uid };
	view_set(v, place, m->flags, m->keywords, m->modseq);
	place->recent = (m->flags & FLAG_RECENT) != 0;
	v->recent += place->recent;
	return 0;
}

static int load_one(void *context, const struct store_message *m)
{
	return view_append(context, m);
}

int view_load_keyword(void *context, struct str word)
{
	int r;

	(void)view_add_keywords(context, word, &r);
	return r;
}

/* What growing by doubling took too much; new mail comes one by one. */
void view_trim(struct view *v)
{
	struct view_message *exact =
		v->count ? realloc(v->messages, v->count * sizeof(*exact)) : NULL;

	if (!exact)
		return;
	v->messages = exact;
	v->cap = v->count;
}

/* A disk that is full must not keep anybody from reading: then \Recent stays. Where it
   cannot be known who is the first to see a message, it may be shown twice (RFC 3501,
   2.3.2): the client does not wait for the disk. */
void view_take_recent(struct view *v)
{
	if (v->read_only || store_begin_derived(v->store, NULL) < 0)
		return;
	if (store_take_recent(v->store, v->mailbox, NULL, NULL) < 0 ||
		store_commit(v->store, NULL) < 0)
		store_rollback(v->store);
}

void view_init(
	struct view *v, struct store *store, const struct mailbox *m, bool read_only)
{
	*v = (struct view){ .store = store,
		.mailbox = m->id,
		.uidvalidity = m->uidvalidity,
		.base = m->modseq_base,
		.base_from = m->modseq_from,
		.read_only = read_only };
	buf_init(&v->keywords, 0);
}

int view_read(struct view *v, struct error *err)
{
	int code;

	v->seen = v->seen_expunges = store_modseq(v->store);
	code = store_each_state(v->store, v->mailbox, load_one, v, err);
	view_trim(v);
	return code;
}

int view_open(struct view *v, struct store *store, const struct mailbox *m,
	bool read_only, struct error *err)
{
	int code;

	view_init(v, store, m, read_only);
	code = store_each_keyword(store, m->id, view_load_keyword, v, err);
	if (code == 0)
		code = view_read(v, err);
	if (code < 0) {
		view_close(v);
		return code;
	}
	if (v->recent)
		view_take_recent(v);
	return 0;
}

void view_close(struct view *v)
{
	free(v->messages);
	buf_fini(&v->keywords);
	view_forget_words(&v->words);
	*v = (struct view){ .store = v->store };
}

uint32_t view_index(const struct view *v, uint32_t uid)
{
	uint32_t low = 0, high = v->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (v->messages[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t view_last_uid(const struct view *v)
{
	return v->count ? v->messages[v->count - 1].uid : 0;
}

/* ── what changed ──────────────────────────────────────────────────────────────────── */

static int find_gone(void *context, uint32_t uid)
{
	struct view *v = context;
	uint32_t index = view_index(v, uid);

	if (index < v->count && v->messages[index].uid == uid)
		v->messages[index].gone = true;
	return 0;
}

static int put_gone(const struct view *v, struct buf *out)
{
	struct imap_set_writer writer = { .out = out };
	bool some = false;
	int r = 0;

	for (uint32_t i = 0; i < v->count && r == 0; i++) {
		if (!v->messages[i].gone)
			continue;
		if (!some)
			r = buf_append_c(out, "* VANISHED ");
		some = true;
		if (r == 0)
			r = imap_set_put(&writer, v->messages[i].uid);
	}
	if (r == 0)
		r = imap_set_end(&writer);
	return r < 0 || !some ? r : buf_append_c(out, "\r\n");
}

static int tell_expunges(struct view *v, struct buf *out)
{
	bool vanished = v->form & VIEW_VANISHED;
	uint32_t kept = 0;
	int r = vanished ? put_gone(v, out) : 0;

	for (uint32_t i = 0; i < v->count; i++) {
		if (!v->messages[i].gone) {
			v->messages[kept++] = v->messages[i];
			continue;
		}
		v->recent -= v->messages[i].recent;
		v->lost_words |= v->messages[i].keywords != 0;
		if (r == 0 && !vanished)
			r = buf_printf(out, "* %" PRIu32 " EXPUNGE\r\n", kept + 1);
	}
	v->count = kept;
	return r;
}

static int sync_expunges(struct view *v, struct buf *out, struct error *err)
{
	int code = store_each_expunged(
		v->store, v->mailbox, v->seen_expunges, find_gone, v, err);

	if (code < 0)
		return code;
	v->seen_expunges = store_modseq(v->store);
	return tell_expunges(v, out);
}

struct changes {
	struct view *view;
	bool new_messages, new_recent, new_keywords;
};

static int see_change(void *context, const struct store_message *m)
{
	struct changes *changes = context;
	struct view *v = changes->view;
	uint32_t index = view_index(v, m->uid);
	struct view_message *known, before;
	int r;

	changes->new_keywords |= view_add_keywords(v, m->keywords, &r);
	if (r < 0)
		return r;
	if (index == v->count) {
		changes->new_messages = true;
		changes->new_recent |= (m->flags & FLAG_RECENT) != 0;
		return view_append(v, m);
	}
	known = &v->messages[index];
	if (known->uid != m->uid)
		return 0; /* a place in the middle: seen with the next SELECT */
	before = *known;
	view_set(v, known, m->flags, m->keywords, m->modseq);
	if (known->flags == before.flags && known->keywords == before.keywords)
		return 0;
	if (v->form & VIEW_HOLDS_FLAGS) {
		known->held = v->held = true;
		return 0;
	}
	known->untold = v->untold = true;
	known->quiet = false;
	return 0;
}

static void release_held(struct view *v)
{
	for (uint32_t i = 0; i < v->count && v->held; i++) {
		struct view_message *m = &v->messages[i];

		if (!m->held)
			continue;
		m->untold = v->untold = true;
		m->held = m->quiet = false;
	}
	v->held = false;
}

static int sync_changes(struct view *v, struct buf *out, struct error *err)
{
	struct changes changes = { .view = v };
	int code = store_each_changed(
		v->store, v->mailbox, v->seen, see_change, &changes, err);

	if (code < 0)
		return code;
	v->seen = store_modseq(v->store);
	if (changes.new_messages)
		code = buf_printf(out, "* %" PRIu32 " EXISTS\r\n", v->count);
	if (code == 0 && changes.new_messages && !(v->form & VIEW_NO_RECENT))
		code = buf_printf(out, "* %" PRIu32 " RECENT\r\n", v->recent);
	if (code == 0 && changes.new_keywords)
		code = view_put_flags(v, out);
	if (changes.new_recent)
		view_take_recent(v);
	return code;
}

int view_sync(struct view *v, bool expunges, struct buf *out, struct error *err)
{
	struct mailbox m = { 0 };
	int code = 0;

	if (!(v->form & VIEW_HOLDS_FLAGS))
		release_held(v);
	if (v->dirty) {
		code = store_mailbox_counts(v->store, v->mailbox, &m, err);
		if (code == 0 && m.uidvalidity != v->uidvalidity)
			code = error_set(err, -ENOENT, "the mailbox was made anew");
	}
	if (code == 0 && expunges &&
		(v->dirty || v->seen_expunges < store_modseq(v->store)))
		code = sync_expunges(v, out, err);
	if (code == 0 && v->dirty) {
		v->dirty = false;
		code = sync_changes(v, out, err);
	}
	return code < 0 ? code : view_tell(v, out, err);
}

/* ── telling flags ─────────────────────────────────────────────────────────────────── */

struct put_keywords {
	struct buf *out;
	unsigned bits;
	bool done;
};

static int put_with_keywords(void *context, const struct store_message *m)
{
	struct put_keywords *p = context;

	p->done = true;
	return imap_put_flags(p->out, p->bits, m->keywords);
}

int view_put_message_flags(
	struct view *v, const struct view_message *m, struct buf *out, struct error *err)
{
	struct put_keywords p = { .out = out, .bits = m->flags };
	int code = buf_append_c(out, "FLAGS (");

	if (m->recent && !(v->form & VIEW_NO_RECENT))
		p.bits |= FLAG_RECENT;
	if (code == 0 && m->keywords)
		code = store_each_message(
			v->store, v->mailbox, m->uid, m->uid, put_with_keywords, &p, err);
	if (code == 0 && !p.done)
		code = imap_put_flags(out, p.bits, STR_LIT(""));
	return code < 0 ? code : buf_byte(out, ')');
}

int view_put_fetch(const struct view *v, uint32_t index, struct buf *out)
{
	bool by_uid = v->form & VIEW_UIDFETCH;
	int r = buf_append_c(out, "* ");

	if (r == 0)
		r = buf_number(out, by_uid ? v->messages[index].uid : index + 1);
	return r < 0 ? r : buf_append_c(out, by_uid ? " UIDFETCH (" : " FETCH (");
}

static int tell_one(struct view *v, uint32_t index, struct buf *out, struct error *err)
{
	struct view_message *m = &v->messages[index];
	bool flags = !m->quiet || !(v->form & VIEW_MODSEQ);
	int code;

	m->untold = false;
	if (m->quiet && !(v->form & VIEW_MODSEQ))
		return 0;
	m->quiet = false;
	m->held &= !flags;
	code = view_put_fetch(v, index, out);
	if (code == 0 && (v->form & VIEW_UID) && !(v->form & VIEW_UIDFETCH))
		code = buf_printf(out, "UID %" PRIu32 " ", m->uid);
	if (code == 0 && flags)
		code = view_put_message_flags(v, m, out, err);
	if (code == 0 && (v->form & VIEW_MODSEQ))
		code = buf_printf(
			out, "%sMODSEQ (%" PRIu64 ")", flags ? " " : "", m->modseq);
	return code < 0 ? code : buf_append_c(out, ")\r\n");
}

int view_tell(struct view *v, struct buf *out, struct error *err)
{
	int code = 0;

	if (!v->untold)
		return 0;
	for (uint32_t i = 0; i < v->count && code == 0; i++) {
		if (!v->messages[i].untold)
			continue;
		if (buf_len(out) > TOLD_MAX)
			return 0;
		code = tell_one(v, i, out, err);
	}
	v->untold = false;
	return code;
}

/* ── what vanished ─────────────────────────────────────────────────────────────────── */

struct vanished {
	const struct imap_set *uids; /* NULL: all */
	struct imap_set_writer writer;
	bool some;
};

static int put_vanished(void *context, uint32_t uid)
{
	struct vanished *w = context;
	int r = 0;

	if (w->uids && !imap_set_has(w->uids, uid))
		return 0;
	if (!w->some)
		r = buf_append_c(w->writer.out, "* VANISHED (EARLIER) ");
	w->some = true;
	return r < 0 ? r : imap_set_put(&w->writer, uid);
}

/* Nothing is known of so long ago: all that are not there, as far as they were asked for.
   A range is written at once, for there may be thousands of millions. */
static int put_absent(struct vanished *w, uint32_t from, uint32_t to)
{
	int r = 0;

	for (size_t i = 0; w->uids && i < w->uids->count && r == 0; i++) {
		struct imap_range range = w->uids->ranges[i];
		uint32_t first = range.from > from ? range.from : from;
		uint32_t last = range.to < to ? range.to : to;

		if (!range.from || first > last)
			continue;
		r = put_vanished(w, first);
		w->writer.to = last;
	}
	if (w->uids || from > to)
		return r;
	r = put_vanished(w, from);
	w->writer.to = to;
	return r;
}

static int put_all_absent(struct view *v, uint32_t uidnext, struct vanished *w)
{
	uint32_t from = 1;
	int r = 0;

	for (uint32_t i = 0; i < v->count && r == 0; i++) {
		if (v->messages[i].uid > from)
			r = put_absent(w, from, v->messages[i].uid - 1);
		from = v->messages[i].uid + 1;
	}
	return r < 0 || from >= uidnext ? r : put_absent(w, from, uidnext - 1);
}

int view_put_vanished(struct view *v, uint64_t since, const struct imap_set *uids,
	struct buf *out, struct error *err)
{
	struct vanished w = { .uids = uids, .writer = { .out = out } };
	struct mailbox m = { 0 };
	int code = store_mailbox_counts(v->store, v->mailbox, &m, err);

	if (code == 0 && since < m.modseq_base)
		code = put_all_absent(v, m.uidnext, &w);
	else if (code == 0)
		code = store_each_expunged(
			v->store, v->mailbox, since, put_vanished, &w, err);
	if (code == 0)
		code = imap_set_end(&w.writer);
	return code < 0 || !w.some ? code : buf_append_c(out, "\r\n");
}

/* ── sets ──────────────────────────────────────────────────────────────────────────── */

bool view_walk_begin(
	const struct view *v, struct imap_set set, bool by_uid, struct view_walk *ret)
{
	uint32_t highest;

	*ret = (struct view_walk){ .set = set, .by_uid = by_uid };
	imap_set_resolve(&ret->set, by_uid ? view_last_uid(v) : v->count, &highest);
	return by_uid || !v->count || highest <= v->count;
}

bool view_walk_next(const struct view *v, struct view_walk *w, uint32_t *ret_index)
{
	while (w->range < w->set.count) {
		struct imap_range range = w->set.ranges[w->range];
		uint32_t first = w->by_uid ? view_index(v, range.from) : range.from - 1;
		uint32_t index = first > w->next ? first : w->next;

		if (range.from && index < v->count &&
			(w->by_uid ? v->messages[index].uid : index + 1) <= range.to) {
			w->next = index + 1;
			*ret_index = index;
			return true;
		}
		w->range++;
	}
	return false;
}

uint32_t view_walk_last(const struct view *v, const struct view_walk *w)
{
	uint32_t to = w->range < w->set.count ? w->set.ranges[w->range].to : 0;

	if (w->by_uid || !v->count || !to)
		return to;
	return v->messages[(to < v->count ? to : v->count) - 1].uid;
}
