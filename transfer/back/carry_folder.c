/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One folder: its messages on both sides, what is a pair, what is still to be done. */
#include "transfer/back/carry_parts.h"

#include "wire/imap/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

static void *grown(void *at, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *new_at;

	if (n < *cap)
		return at;
	new_at = reallocarray(at, more, size);
	if (new_at)
		*cap = more;
	return new_at;
}

int carry_doom(struct carry_match *m, uint32_t other_uid)
{
	uint32_t *at = grown(m->doomed, m->n_doomed, &m->cap_doomed, sizeof(*m->doomed));

	if (!at)
		return -ENOMEM;
	m->doomed = at;
	m->doomed[m->n_doomed++] = other_uid;
	return 0;
}

static void match_fini(struct carry_match *m)
{
	free(m->rows);
	free(m->notes);
	free(m->removed);
	free(m->used);
	free(m->doomed);
	free(m->wanted);
	free(m->found);
}

/* ---- what is known of it here ---- */

struct reading {
	struct carry *c;
	struct carry_match *m;
};

static int add_row(void *context, const struct store_message *is)
{
	struct reading *w = context;
	struct carry_match *m = w->m;
	struct carry_row *row = grown(m->rows, m->n_rows, &m->cap_rows, sizeof(*m->rows));

	if (!row)
		return carry_no_memory(w->c);
	m->rows = row;
	row = &m->rows[m->n_rows++];
	*row = (struct carry_row){ .uid = is->uid,
		.flags = is->flags & KEPT_FLAGS,
		.keywords = is->keywords.len ? arena_str(&w->c->arena, is->keywords)
		                             : STR_LIT(""),
		.date = is->date,
		.zone = is->zone,
		/* a server that is new to it shows its bytes as they are */
		.size = carry_side(w->c) == SIDE_SOURCE ? is->size : is->body_len,
		.modseq = is->modseq,
		.pair = CARRY_ALONE,
		.other = CARRY_ALONE,
		.was_there = carry_was_there(m, is->uid) };
	return row->keywords.ptr ? 0 : carry_no_memory(w->c);
}

static int add_removed(void *context, const struct store_removed *is)
{
	struct reading *w = context;
	struct carry_match *m = w->m;
	struct store_removed *at;

	at = grown(m->removed, m->n_removed, &m->cap_removed, sizeof(*at));
	if (!at)
		return carry_no_memory(w->c);
	m->removed = at;
	m->removed[m->n_removed++] = *is;
	return 0;
}

/* Of another UIDVALIDITY they mean nothing any more. */
static int add_note(void *context, const struct store_counterpart *is)
{
	struct reading *w = context;
	struct carry_match *m = w->m;
	struct carry_note *n;
	struct str digest = is->digest;
	bool is_foreign = is->uidvalidity != m->box->looks.uidvalidity;

	if (is_foreign && w->c->way != CARRY_HOME)
		return 0;
	n = grown(m->notes, m->n_notes, &m->cap_notes, sizeof(*n));
	if (!n)
		return carry_no_memory(w->c);
	m->notes = n;
	if (digest.len == BODY_DIGEST_SIZE)
		digest = arena_str(&w->c->arena, digest);
	m->notes[m->n_notes++] = (struct carry_note){ .mailbox = is->mailbox,
		.uid = is->uid,
		.other_uid = is->other_uid,
		.digest = digest.len == BODY_DIGEST_SIZE
		                  ? (const unsigned char *)digest.ptr
		                  : NULL,
		.is_proven = is->is_proven,
		.is_foreign = is_foreign };
	return 0;
}

static int add_late(void *context, uint32_t uid)
{
	struct reading *w = context;

	return store_each_message(
		w->c->store, w->m->box->id, uid, uid, add_row, w, w->c->err);
}

static int read_here(struct carry *c, struct carry_match *m)
{
	struct reading w = { c, m };
	const struct carry_box *b = m->box;
	int r;

	m->is_same = b->has_base && b->base.uidvalidity == b->looks.uidvalidity &&
	             str_eq(b->base.name, b->name);
	m->used = calloc(c->listing.count + 1, sizeof(*m->used));
	if (!m->used)
		return carry_no_memory(c);
	r = c->way == CARRY_LATE ? store_each_late(c->store, b->id, add_late, &w, c->err)
	                         : store_each_message(c->store, b->id, 1, UINT32_MAX,
					   add_row, &w, c->err);
	if (r == 0 && c->way == CARRY_BACK)
		r = store_each_removed(
			c->store, b->id, c->since, add_removed, &w, c->err);
	if (r == 0)
		r = store_each_counterpart(
			c->store, carry_side(c), b->name_there, add_note, &w, c->err);
	return r;
}

/* ---- pairs that are known by UID ---- */

static void pair(struct carry_match *m, struct carry_row *row, size_t k, bool is_noted)
{
	if (k == CARRY_ALONE || m->used[k])
		return;
	row->pair = k;
	row->is_noted = is_noted;
	m->used[k] = true;
}

static bool is_at(const struct carry *c, uint32_t uid, int64_t date, uint64_t size)
{
	size_t k = listing_find(&c->listing, uid);

	return k == CARRY_ALONE || !carry_is_another(&c->listing.rows[k], date, size);
}

/* Courier gives what lies in new/ other UIDs at each EXAMINE, with the same UIDVALIDITY.
   Where that shows, no UID of the folder means anything: bytes tell, and nothing is
   expunged by a UID that may be another message's. */
static void look_whether_same(struct carry *c, struct carry_match *m)
{
	bool is_same = m->is_same;
	size_t n = 0; /* removed here */

	for (size_t i = 0; is_same && i < m->n_rows; i++)
		is_same = !m->rows[i].was_there ||
		          is_at(c, m->rows[i].uid, m->rows[i].date, m->rows[i].size);
	for (size_t i = 0; i < m->n_removed && carry_was_there(m, m->removed[i].uid);
		i++, n++)
		is_same = is_same && is_at(c, m->removed[i].uid, m->removed[i].date,
					     m->removed[i].size);
	if (is_same || !m->is_same)
		return;
	m->is_same = false;
	c->lost.expunges += n;
	for (size_t i = 0; i < m->n_rows; i++)
		m->rows[i].was_there = false;
}

static void pair_by_uid(struct carry *c, struct carry_match *m, struct carry_row *row)
{
	if (row->was_there)
		pair(m, row, listing_find(&c->listing, row->uid), false);
}

struct carry_row *carry_row_of(const struct carry_match *m, const struct carry_note *n)
{
	size_t low = 0, high = n->mailbox == m->box->id ? m->n_rows : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->rows[middle].uid < n->uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->n_rows && n->mailbox == m->box->id && m->rows[low].uid == n->uid
	               ? &m->rows[low]
	               : NULL;
}

static int by_removed_uid(const void *uid, const void *element)
{
	uint32_t x = *(const uint32_t *)uid;
	uint32_t y = ((const struct store_removed *)element)->uid;

	return (x > y) - (x < y);
}

/* Whether the UID of one that was swept, whose date and size are the source's, is by now
   another's. */
static bool has_wandered(const struct carry *c, const struct carry_match *m,
	const struct carry_note *n, const struct carry_row *row)
{
	const struct store_removed *gone = NULL;

	if (n->digest || n->mailbox != m->box->id)
		return false;
	if (row)
		return !is_at(c, n->other_uid, row->date, row->size);
	if (m->n_removed)
		gone = bsearch(
			&n->uid, m->removed, m->n_removed, sizeof(*gone), by_removed_uid);
	return gone && !is_at(c, n->other_uid, gone->date, gone->size);
}

/* 1: what was carried on is another message here by now, under the same UID. A date or a
   size that the destination has changed is told from that by the bytes. */
static int is_replaced(struct carry *c, const struct carry_match *m,
	const struct carry_note *n, const struct carry_row *row, size_t k)
{
	const unsigned char *digest;

	if (c->way != CARRY_ON || !row || k == CARRY_ALONE ||
		!carry_is_another(&c->listing.rows[k], row->date, row->size))
		return 0;
	digest = carry_digest_here(c, m->box->id, row->uid);
	if (!digest)
		return c->err->code ? c->err->code : -EIO;
	return !n->digest || memcmp(digest, n->digest, BODY_DIGEST_SIZE) != 0;
}

/* On the way home: dates were the same when it was carried on, but for some of the
   future. Its bytes will tell. */
static bool shows_another(const struct carry *c, const struct carry_row *row, size_t k)
{
	return c->way == CARRY_HOME && row && k != CARRY_ALONE &&
	       c->listing.rows[k].date != row->date;
}

static bool is_a_uid(uint32_t other_uid)
{
	return other_uid && other_uid != STORE_UID_UNSAID;
}

/* A UID that is yet to be given was another folder's. */
static bool is_unsure(const struct carry_match *m, const struct carry_note *n)
{
	uint32_t next = m->box->looks.uidnext;

	return n->is_foreign || (next && n->other_uid >= next);
}

/* What was removed here since it came from there, or was carried there. */
static int pair_note(struct carry *c, struct carry_match *m, const struct carry_note *n)
{
	struct carry_row *row = carry_row_of(m, n);
	size_t k = n->other_uid && !n->is_foreign
	                   ? listing_find(&c->listing, n->other_uid)
	                   : CARRY_ALONE;
	int r = is_replaced(c, m, n, row, k);

	if (r < 0)
		return r;
	if (r)
		row = NULL;

	if (k != CARRY_ALONE && has_wandered(c, m, n, row)) {
		c->lost.expunges += !row;
		k = CARRY_ALONE;
	}
	if (shows_another(c, row, k)) {
		row->other = k;
		k = CARRY_ALONE;
	}
	if (row && row->pair == CARRY_ALONE) {
		row->is_taken = n->other_uid == STORE_UID_UNSAID;
		row->is_planned = !n->other_uid || row->is_taken;
		row->is_proven = n->is_proven;
		row->digest = n->digest;
		pair(m, row, k, true);
		/* not under its UID (Courier may give another one), or the source has
		   said the same one twice: its bytes tell */
		row->is_planned = row->is_planned || row->pair == CARRY_ALONE;
		row->has_gone = row->pair == CARRY_ALONE && is_a_uid(n->other_uid);
		row->is_unsure = row->other != CARRY_ALONE || is_unsure(m, n);
		return 0;
	}
	/* what came late to a mailbox there is its user's; on the way home all is */
	if (row || k == CARRY_ALONE || m->used[k] || c->way == CARRY_LATE ||
		c->way == CARRY_HOME)
		return 0;
	m->used[k] = true;
	return carry_doom(m, n->other_uid) < 0 ? carry_no_memory(c) : 0;
}

static int pair_known(struct carry *c, struct carry_match *m)
{
	int r = 0;

	look_whether_same(c, m);
	for (size_t i = 0; i < m->n_rows; i++)
		pair_by_uid(c, m, &m->rows[i]);
	for (size_t i = 0; r == 0 && i < m->n_notes; i++)
		r = pair_note(c, m, &m->notes[i]);
	for (size_t i = 0; r == 0 && i < m->n_removed; i++) {
		size_t k = listing_find(&c->listing, m->removed[i].uid);

		if (!carry_was_there(m, m->removed[i].uid) || k == CARRY_ALONE ||
			m->used[k])
			continue;
		m->used[k] = true;
		if (carry_doom(m, m->removed[i].uid) < 0)
			r = carry_no_memory(c);
	}
	/* what else lies below the base was left there unread: it is none of ours */
	for (size_t k = 0; m->is_same && k < c->listing.count; k++)
		if (c->listing.rows[k].uid < m->box->base.uidnext)
			m->used[k] = true;
	return r;
}

/* ---- what is not there ---- */

static int check_taken(struct carry *c, const struct carry_match *m)
{
	for (size_t i = 0; i < m->n_rows; i++)
		if (m->rows[i].pair == CARRY_ALONE && m->rows[i].is_taken)
			return error_set(c->err, -EREMOTEIO,
				"UID %u of \"%.*s\": the source has taken it, and does not "
				"show it",
				m->rows[i].uid, STR_ARG(m->box->name));
	return 0;
}

static size_t count_alone(const struct carry_match *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_rows; i++)
		n += m->rows[i].pair == CARRY_ALONE;
	return n;
}

/* Without opening it for changes it is not known what the source takes: words that it
   does not show now may be lost. */
static void name_unknown(struct carry *c, struct str words)
{
	while (words.len) {
		struct str word = str_split(&words, ' ');

		if (!imap_keywords_has(c->words, word))
			carry_name(c, &c->lost.keywords, word);
	}
}

static void foretell(struct carry *c, const struct carry_match *m)
{
	for (size_t i = 0; i < m->n_rows; i++) {
		if (m->rows[i].pair != CARRY_ALONE)
			continue;
		c->sums.messages++;
		c->sums.bytes += m->rows[i].size;
		c->sums.put_back += m->rows[i].was_there;
		c->lost.uids++;
		c->lost.uidls += str_ieq(m->box->name, STR_LIT("INBOX"));
		name_unknown(c, m->rows[i].keywords);
	}
	c->sums.expunged += m->n_doomed;
}

/* ---- expunging ---- */

static int compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int expunge_all(struct carry *c, const struct carry_match *m)
{
	struct writer_folder f;
	int r = carry_open(c, m, &f);

	qsort(m->doomed, m->n_doomed, sizeof(*m->doomed), compare_uids);
	if (r == 0)
		r = c->writer.ops->expunge(
			c->writer.self, m->doomed, m->n_doomed, c->err);
	if (r == 0)
		c->sums.expunged += m->n_doomed;
	return r == -EBUSY || r == -EREMOTEIO ? 0 : r;
}

/* ---- what was tried ---- */

/* Tried once: what is left then is what the source does not take. */
static bool was_tried(const struct carry *c, const struct carry_box *b, bool flags)
{
	int64_t key = b->id * 2 + flags;

	for (size_t i = 0; i < c->n_tried; i++)
		if (c->tried[i] == key)
			return true;
	return false;
}

/* It came to its end with r: what broke off is tried again. */
static int note_tried(struct carry *c, const struct carry_box *b, bool flags, int r)
{
	int64_t *more;

	if (r)
		return r;
	more = reallocarray(c->tried, c->n_tried + 1, sizeof(*more));
	if (!more)
		return carry_no_memory(c);
	c->tried = more;
	c->tried[c->n_tried++] = b->id * 2 + flags;
	return 0;
}

/* ---- one folder ---- */

static int compare(struct carry *c, struct carry_match *m)
{
	size_t flags;
	int r;

	if (c->way == CARRY_HOME)
		return carry_home_folder(c, m);
	r = check_taken(c, m);
	if (r < 0)
		return r;
	if (!c->writer.ops)
		foretell(c, m);
	else if (count_alone(m)) {
		c->again = true;
		return carry_append(c, m);
	}
	if (m->n_doomed && c->writer.ops) {
		if (!was_tried(c, m->box, false)) {
			c->again = true;
			return note_tried(c, m->box, false, expunge_all(c, m));
		}
		c->lost.expunges += m->n_doomed;
	}
	flags = carry_count_flags(c, m);
	if (!c->writer.ops) {
		c->sums.flags += flags;
	} else if (flags && !was_tried(c, m->box, true)) {
		c->again = true;
		return note_tried(c, m->box, true, carry_flags(c, m));
	} else {
		c->lost.flags += flags;
	}
	carry_count_losses(c, m);
	return c->way == CARRY_ON && c->writer.ops ? carry_prove(c, m) : 0;
}

static int list(struct carry *c, const struct carry_box *box)
{
	int r = c->source.ops->list(
		c->source.self, (size_t)(box - c->boxes), box->name_there, c->err);

	listing_fini(&c->listing);
	c->words = STR_LIT("");
	if (r == 0)
		r = carry_run(c);
	if (r == 0 && *c->refused)
		return error_set(c->err, -EREMOTEIO,
			"the source does not list \"%.*s\": %s", STR_ARG(box->name_there),
			c->refused);
	return r == 0 && listing_finish(&c->listing) < 0 ? carry_no_memory(c) : r;
}

/* Both sides of it, and what is a pair. */
static int look(struct carry *c, struct carry_match *m)
{
	int r = list(c, m->box);

	if (r == 0)
		r = read_here(c, m);
	if (r == 0)
		r = pair_known(c, m);
	return r ? r : carry_match(c, m);
}

static bool missed_before(
	const struct carry *c, const struct carry_match *before, uint32_t uid)
{
	const struct carry_row *row = carry_row_of(
		before, &(struct carry_note){ .mailbox = before->box->id, .uid = uid });

	return row && carry_misses(c, before, row);
}

/* A server that reads a folder while another session renames files in it (flags of a
   Maildir) may not show one of them, and shows it a moment later: what may be there is
   sent when two looks have not found it. 1: they differ, the next pass looks anew. */
static int look_again(struct carry *c, struct carry_match *m)
{
	struct carry_match before = *m;
	int r;

	*m = (struct carry_match){ .box = before.box };
	r = look(c, m);
	if (r == 0 && !carry_misses_any(c, m))
		r = 1;
	for (size_t i = 0; r == 0 && i < m->n_rows; i++)
		if (carry_misses(c, m, &m->rows[i]) &&
			!missed_before(c, &before, m->rows[i].uid))
			r = 1;
	match_fini(&before);
	return r;
}

int carry_folder(struct carry *c, const struct carry_box *box)
{
	struct carry_match m = { .box = box };
	int r = look(c, &m);

	if (r == 0 && carry_may_change(c) && carry_misses_any(c, &m))
		r = look_again(c, &m);
	if (r == 0)
		r = compare(c, &m);
	match_fini(&m);
	if (r == 1) {
		c->again = true;
		r = 0;
	}
	return r;
}
