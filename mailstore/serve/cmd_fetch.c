/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * FETCH (RFC 3501, 6.4.5).
 *
 * It writes until the output is full and goes on when the client has taken it, between
 * two messages or between two items of one; a large body is never copied, it becomes the
 * output's piece.
 */
#include "mailstore/serve/fetch_message.h"
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/kept.h"

#include <errno.h>
#include <inttypes.h>

#define SEEN_BATCH                                                                       \
	64 /* messages that get \Seen with one commit: few are marked before             \
	      their client has them, and bulk reading does not wait for disks */
#define STEP_MESSAGES 200           /* then other sessions have their turn */
#define LONG_BODY ((size_t)8 << 20) /* also after each item of one that is so long */

struct fetching {
	struct imap_fetch_item *items;
	bool needs_row, marks_seen;
	struct store_rows rows;
	struct view_walk walk;
	struct imap_fetch_modifiers modifiers;
	uint32_t skip, left; /* of PARTIAL: messages to pass over, then to answer */
	bool rests;          /* others have their turn before the next item */
	bool in_message;     /* its "* n FETCH (" is written */
	uint32_t index;
	const struct imap_fetch_item *item; /* the next one of it */
	const char *gap;
	bool gone;        /* some did not exist any more */
	struct error err; /* of a message that could not be read */
};

/* ── \Seen ─────────────────────────────────────────────────────────────────────────── */

struct marking {
	struct view *view;
	struct view_walk walk; /* a copy, running ahead */
	size_t most;
	struct str keywords;
	struct arena arena;
};

static int keep_keywords(void *context, const struct store_message *m)
{
	struct marking *w = context;

	w->keywords = arena_str(&w->arena, m->keywords);
	return w->keywords.ptr ? 0 : -ENOMEM;
}

static int mark_one(struct marking *w, struct view_message *m, struct error *err)
{
	struct view *v = w->view;
	unsigned flags = m->flags | FLAG_SEEN;
	uint64_t modseq = m->modseq;
	int code = 0;

	w->keywords = STR_LIT("");
	if (m->keywords)
		code = store_each_message(
			v->store, v->mailbox, m->uid, m->uid, keep_keywords, w, err);
	if (code == 0)
		code = store_set_flags(
			v->store, v->mailbox, m->uid, flags, w->keywords, &modseq, err);
	if (code < 0)
		return code == -ENOENT ? 0 : code;
	view_set(v, m, flags, w->keywords, modseq);
	m->untold = v->untold = true; /* told with the items, or after all */
	return 0;
}

static int mark_batch(struct marking *w, struct error *err)
{
	uint32_t index;
	int code = 0;

	for (size_t n = 0; n < w->most && code == 0; n++) {
		if (!view_walk_next(w->view, &w->walk, &index))
			break;
		if (!(w->view->messages[index].flags & FLAG_SEEN))
			code = mark_one(w, &w->view->messages[index], err);
	}
	return code;
}

/* The message at index is about to be read: it and those after it. A disk that is full
   must not keep anybody from reading. */
static void mark_seen(struct imap *s, struct fetching *f, const struct view_walk *from)
{
	struct view *v = &s->view;
	/* modifiers may pass over the next ones */
	bool one = f->modifiers.has_changedsince || f->modifiers.partial.first;
	struct marking w = { .view = v, .walk = *from, .most = one ? 1 : SEEN_BATCH };
	struct error err = { 0 };
	int code;

	if (!f->marks_seen || v->read_only)
		return;
	store_rows_end(&f->rows);
	code = store_begin(v->store, &err);
	if (code == 0) {
		arena_init(&w.arena);
		code = mark_batch(&w, &err);
		if (code == 0)
			code = store_commit(v->store, &err);
		arena_fini(&w.arena);
	}
	if (code == 0)
		return;
	store_rollback(v->store);
	v->seen = 0; /* see what it really has */
	v->dirty = true;
	f->marks_seen = false;
}

/* ── a message ─────────────────────────────────────────────────────────────────────── */

static int put_item(struct imap *s, struct fetching *f, struct fetch_message *m,
	const struct imap_fetch_item *item)
{
	struct view_message *view = &s->view.messages[f->index];
	int r = buf_append_c(imap_out(s), f->gap);

	f->gap = " ";
	if (r < 0)
		return r;
	if (item->kind == IMAP_FETCH_SECTION)
		return fetch_put_section(m, item, &s->session->out);
	if (item->kind == IMAP_FETCH_BINARY || item->kind == IMAP_FETCH_BINARY_SIZE)
		return fetch_put_binary(m, item, &s->session->out);
	if (item->kind == IMAP_FETCH_PREVIEW || item->kind == IMAP_FETCH_SNIPPET)
		return fetch_put_preview(
			m, item, s->enabled & (IMAP_UTF8 | IMAP_REV2), imap_out(s));
	if (item->kind == IMAP_FETCH_MODSEQ)
		return buf_printf(imap_out(s), "MODSEQ (%" PRIu64 ")", view->modseq);
	if (item->kind != IMAP_FETCH_FLAGS)
		return fetch_put_item(m, item, imap_out(s));
	view->untold = view->quiet = view->held = false;
	return view_put_message_flags(&s->view, view, imap_out(s), NULL);
}

static bool has_item(const struct fetching *f, enum imap_fetch_kind kind)
{
	for (const struct imap_fetch_item *i = f->items; i; i = i->next)
		if (i->kind == kind)
			return true;
	return false;
}

/* What belongs to flags that changed (RFC 7162, 3.2.4) and was not asked for. */
static int put_change(
	struct imap *s, const struct fetching *f, const struct view_message *view)
{
	bool uid = s->view.form & VIEW_UID && !(s->view.form & VIEW_UIDFETCH);
	int r = 0;

	if (uid && !has_item(f, IMAP_FETCH_UID))
		r = buf_printf(imap_out(s), " UID %" PRIu32, view->uid);
	if (r == 0 && s->view.form & VIEW_MODSEQ && !has_item(f, IMAP_FETCH_MODSEQ))
		r = buf_printf(imap_out(s), " MODSEQ (%" PRIu64 ")", view->modseq);
	return r;
}

static int end_message(struct imap *s, struct fetching *f)
{
	struct view_message *view = &s->view.messages[f->index];
	int r = 0;

	f->in_message = false;
	if (view->untold) { /* \Seen came with the reading */
		view->untold = view->quiet = view->held = false;
		r = buf_append_c(imap_out(s), f->gap);
		if (r == 0)
			r = view_put_message_flags(&s->view, view, imap_out(s), NULL);
		if (r == 0)
			r = put_change(s, f, view);
	}
	return r < 0 ? r : buf_append_c(imap_out(s), ")\r\n");
}

/* Until all its items are written, the client has to take some first (one line may ask
   for thousands), or one of them became a piece and has the body. */
static int put_items(struct imap *s, struct fetching *f, struct fetch_message *m)
{
	const struct output *out = &s->session->out;
	unsigned pieces = out->count;
	int r = 0;

	while (f->item && r == 0 && out->count == pieces && !output_is_full(out) &&
		!f->rests) {
		r = put_item(s, f, m, f->item);
		f->item = f->item->next;
		f->rests = f->item && m->body.bytes.len > LONG_BODY;
	}
	if (r < 0 || f->item)
		return r;
	return end_message(s, f);
}

static int load_row(
	struct imap *s, struct fetching *f, struct fetch_message *m, struct error *err)
{
	struct store_row row;
	int n = store_rows_find(
		&f->rows, m->uid, view_walk_last(&s->view, &f->walk), &row, err);

	if (n <= 0)
		return n < 0 ? n : -ENOENT;
	fetch_message_take(m, &row);
	return 0;
}

/* Its answer is made of the beginning of a message. */
static bool is_of_the_header(const struct imap_fetch_item *i)
{
	return i->kind <= IMAP_FETCH_ENVELOPE ||
	       (i->kind == IMAP_FETCH_SECTION && !i->n_numbers &&
		       (i->section == IMAP_SECTION_HEADER ||
			       i->section >= IMAP_SECTION_FIELDS));
}

/* For what is not kept of it. */
static int load_body(struct fetching *f, struct fetch_message *m, struct error *err)
{
	bool header = false, sent = false, parsed = false;

	for (const struct imap_fetch_item *i = f->items; i; i = i->next) {
		if (i->kind < IMAP_FETCH_ENVELOPE || fetch_is_kept(m, i))
			continue;
		header |= is_of_the_header(i);
		sent |= fetch_is_sent(i);
		parsed |= !is_of_the_header(i) && !fetch_is_sent(i);
	}
	if (parsed || (sent && header))
		return fetch_message_body(m, FETCH_WHOLE, err);
	if (sent)
		return fetch_message_body(m, FETCH_TO_SEND, err);
	return header ? fetch_message_body(m, FETCH_HEADER, err) : 0;
}

static int load(
	struct imap *s, struct fetching *f, struct fetch_message *m, struct error *err)
{
	int code = f->needs_row ? load_row(s, f, m, err) : 0;

	if (code == 0)
		code = load_body(f, m, err);
	/* before a word of the message is written */
	for (const struct imap_fetch_item *i = f->in_message ? NULL : f->items;
		i && code == 0; i = i->next)
		if (i->kind == IMAP_FETCH_BINARY || i->kind == IMAP_FETCH_BINARY_SIZE)
			code = fetch_check_binary(m, i);
	return code;
}

/* One that cannot be read does not keep the client from the others. */
static void skip_message(struct fetching *f, int code, const struct error *err)
{
	if (code == -ENOENT) {
		f->gone = true;
	} else if (!f->err.code) {
		f->err = *err;
		f->err.code = code;
	}
}

/* Its body went away between two of its items: what is left of them is dropped. */
static void run_message(struct imap *s, struct fetching *f)
{
	struct error err = { 0 };
	struct fetch_message m;
	int code;

	fetch_message_init(&m, &s->view, s->view.messages[f->index].uid);
	code = f->item ? load(s, f, &m, &err) : 0;
	if (code < 0) {
		skip_message(f, code, &err);
		f->item = NULL;
	}
	if (code == 0 && !f->in_message) {
		f->in_message = true;
		f->gap = "";
		code = view_put_fetch(&s->view, f->index, imap_out(s));
	}
	if (f->in_message)
		imap_wrote(s, put_items(s, f, &m));
	fetch_message_fini(&m);
}

/* ── the command ───────────────────────────────────────────────────────────────────── */

static void finish(struct imap *s, const struct fetching *f)
{
	struct error err = f->err;

	if (err.code)
		imap_failed(s, &err);
	else if (f->gone)
		imap_done(s, IMAP_OK,
			"[EXPUNGEISSUED] Some messages do not exist any more.");
	else
		imap_done(s, IMAP_OK, "Fetch completed.");
}

/* RFC 9394, 3.4: PARTIAL counts first, CHANGEDSINCE chooses of those. */
static bool is_passed_over(struct imap *s, struct fetching *f)
{
	if (f->skip) {
		f->skip--;
		return true;
	}
	f->left--;
	return f->modifiers.has_changedsince &&
	       s->view.messages[f->index].modseq <= f->modifiers.changedsince;
}

static bool next_message(struct imap *s, struct fetching *f)
{
	struct view_walk before;

	do {
		before = f->walk;
		if (!f->left || !view_walk_next(&s->view, &f->walk, &f->index))
			return false;
	} while (is_passed_over(s, f));
	if (!(s->view.messages[f->index].flags & FLAG_SEEN))
		mark_seen(s, f, &before);
	f->item = f->items;
	return true;
}

/* false: it was the last one. */
static bool take_messages(struct imap *s, struct fetching *f)
{
	for (size_t n = 0; n < STEP_MESSAGES && s->phase == IMAP_PHASE_JOB &&
			   !output_is_full(&s->session->out);
		n++) {
		if (!f->in_message && !next_message(s, f))
			return false;
		f->rests = false;
		run_message(s, f);
		if (f->rests)
			break;
	}
	return true;
}

static enum service_need step(struct imap *s)
{
	struct fetching *f = s->job.data;
	bool more;

	/* should it fail, each reading says why */
	(void)store_read_begin(s->serve->store, NULL);
	more = take_messages(s, f);
	store_rows_end(&f->rows);
	store_read_end(s->serve->store);
	if (!more)
		finish(s, f);
	return output_is_full(&s->session->out) && s->phase == IMAP_PHASE_JOB
	               ? SERVICE_OUTPUT
	               : SERVICE_AGAIN;
}

static void find_needs(struct imap *s, struct fetching *f)
{
	unsigned wants = fetch_wants(f->items);

	for (const struct imap_fetch_item *i = f->items; i; i = i->next) {
		f->needs_row |= i->kind >= IMAP_FETCH_INTERNALDATE &&
		                i->kind < IMAP_FETCH_ENVELOPE;
		f->marks_seen |= !i->peek;
	}
	f->needs_row |= wants != 0;
	store_rows_begin(&f->rows, s->view.store, s->view.mailbox, KEPT_VERSION, wants);
}

static bool add_item(
	struct imap *s, struct fetching *f, enum imap_fetch_kind kind, struct str label)
{
	struct imap_fetch_item *item;

	if (has_item(f, kind))
		return true;
	item = arena_alloc(&s->arena, sizeof(*item));
	if (!item)
		return false;
	item->kind = kind;
	item->label = label;
	item->peek = true;
	item->next = f->items;
	f->items = item;
	return true;
}

/* RFC 3501, 6.4.8: answers to UID FETCH have the UID, asked for or not; RFC 7162: those
   to CHANGEDSINCE the modseq. A UIDFETCH begins with the UID. */
static bool add_items(struct imap *s, struct fetching *f)
{
	bool modseq = f->modifiers.has_changedsince || has_item(f, IMAP_FETCH_MODSEQ);

	if (modseq)
		imap_enable_condstore(s);
	if (f->modifiers.has_changedsince &&
		!add_item(s, f, IMAP_FETCH_MODSEQ, STR_LIT("MODSEQ")))
		return false;
	if (!s->uid || (s->enabled & IMAP_UIDONLY))
		return true;
	return add_item(s, f, IMAP_FETCH_UID, STR_LIT("UID"));
}

static uint32_t count_messages(struct imap *s, struct view_walk walk)
{
	uint32_t index, count = 0;

	while (view_walk_next(&s->view, &walk, &index))
		count++;
	return count;
}

static void apply_partial(struct imap *s, struct fetching *f)
{
	const struct imap_partial *p = &f->modifiers.partial;
	uint32_t count;

	f->left = UINT32_MAX;
	if (!p->first)
		return;
	f->skip = p->first - 1;
	f->left = p->last - p->first + 1;
	if (!p->from_end)
		return;
	count = count_messages(s, f->walk);
	f->skip = count > p->last ? count - p->last : 0;
	f->left = count >= p->first ? count - p->first + 1 - f->skip : 0;
}

/* RFC 7162, 3.2.6 and RFC 9394, 3.3: what only UID FETCH has. */
static bool may_have_modifiers(const struct imap *s, const struct fetching *f)
{
	if (f->modifiers.partial.first && !s->uid)
		return false;
	return !f->modifiers.vanished ||
	       (s->uid && f->modifiers.has_changedsince && (s->enabled & IMAP_QRESYNC));
}

/* For VANISHED "*" may be a UID that is gone, so it has a set of its own. */
static bool copy_set(struct imap *s, struct imap_set set, struct imap_set *ret)
{
	*ret = set;
	ret->ranges = arena_alloc(&s->arena, (set.count + 1) * sizeof(*set.ranges));
	if (!ret->ranges)
		return false;
	for (size_t i = 0; i < set.count; i++) {
		ret->ranges[i] = set.ranges[i];
		if (!set.ranges[i].to && set.ranges[i].from)
			ret->ranges[i].to = UINT32_MAX;
	}
	return imap_resolve_uids(s, &s->arena, ret);
}

static bool tell_vanished(struct imap *s, struct fetching *f, struct imap_set set)
{
	struct error err = { 0 };

	if (!f->modifiers.vanished)
		return true;
	if (view_put_vanished(
		    &s->view, f->modifiers.changedsince, &set, imap_out(s), &err) == 0)
		return true;
	imap_failed(s, &err);
	return false;
}

static bool parse(struct imap *s, struct fetching *f, struct imap_cursor *args,
	struct imap_set *set)
{
	return imap_space(args) && imap_set(args, &s->arena, set) && imap_space(args) &&
	       imap_fetch_items(args, &s->arena, &f->items) &&
	       imap_fetch_modifiers(args, &f->modifiers) && imap_end(args) &&
	       may_have_modifiers(s, f);
}

void cmd_fetch(struct imap *s, struct imap_cursor *args)
{
	struct fetching *f = arena_alloc(&s->arena, sizeof(*f));
	struct imap_set set, gone = { .count = 0 };

	if (!f) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	imap_sync(s, s->uid);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (!parse(s, f, args, &set)) {
		imap_bad_arguments(s);
		return;
	}
	if (f->modifiers.vanished && !copy_set(s, set, &gone)) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	if (!imap_walk(s, set, &f->walk)) {
		imap_bad_arguments(s);
		return;
	}
	if (!add_items(s, f)) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	if (!tell_vanished(s, f, gone))
		return;
	find_needs(s, f);
	apply_partial(s, f);
	s->job = (struct imap_job){ .step = step, .data = f };
	s->phase = IMAP_PHASE_JOB;
}
