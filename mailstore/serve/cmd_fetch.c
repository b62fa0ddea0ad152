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

#include <errno.h>
#include <inttypes.h>

#define SEEN_BATCH                                                                       \
	64 /* messages that get \Seen with one commit: few are marked before             \
	      their client has them, and bulk reading does not wait for disks */
#define STEP_MESSAGES 200 /* then other sessions have their turn */

struct fetching {
	struct imap_fetch_item *items;
	bool needs_row, needs_body, needs_whole, marks_seen;
	struct view_walk walk;
	bool in_message; /* its "* n FETCH (" is written */
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
	view_set(m, flags, w->keywords, modseq);
	m->untold = v->untold = true; /* told with the items, or after all */
	return 0;
}

static int mark_batch(struct marking *w, struct error *err)
{
	uint32_t index;
	int code = 0;

	for (size_t n = 0; n < SEEN_BATCH && code == 0; n++) {
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
	struct marking w = { .view = v, .walk = *from };
	struct error err = { 0 };
	int code;

	if (!f->marks_seen || v->read_only)
		return;
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
	if (item->kind != IMAP_FETCH_FLAGS)
		return fetch_put_item(m, item, imap_out(s));
	view->untold = false;
	return view_put_message_flags(&s->view, view, imap_out(s), NULL);
}

static int end_message(struct imap *s, struct fetching *f)
{
	struct view_message *view = &s->view.messages[f->index];
	int r = 0;

	f->in_message = false;
	if (view->untold) { /* \Seen came with the reading */
		view->untold = false;
		r = buf_append_c(imap_out(s), f->gap);
		if (r == 0)
			r = view_put_message_flags(&s->view, view, imap_out(s), NULL);
	}
	return r < 0 ? r : buf_append_c(imap_out(s), ")\r\n");
}

/* Until all its items are written, or one of them went out as a piece. */
static int put_items(struct imap *s, struct fetching *f, struct fetch_message *m)
{
	int r = 0;

	while (f->item && r == 0 && !s->session->out.left) {
		r = put_item(s, f, m, f->item);
		f->item = f->item->next;
	}
	if (r < 0 || f->item || s->session->out.left)
		return r;
	return end_message(s, f);
}

static int load(struct fetching *f, struct fetch_message *m, struct error *err)
{
	int code = f->needs_row ? fetch_message_row(m, err) : 0;

	if (code == 0 && f->needs_body)
		code = fetch_message_body(m, f->needs_whole, err);
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
	code = f->item ? load(f, &m, &err) : 0;
	if (code < 0) {
		skip_message(f, code, &err);
		f->item = NULL;
	}
	if (code == 0 && !f->in_message) {
		f->in_message = true;
		f->gap = "";
		code = buf_printf(imap_out(s), "* %" PRIu32 " FETCH (", f->index + 1);
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

static bool next_message(struct imap *s, struct fetching *f)
{
	struct view_walk before = f->walk;

	if (!view_walk_next(&s->view, &f->walk, &f->index))
		return false;
	if (!(s->view.messages[f->index].flags & FLAG_SEEN))
		mark_seen(s, f, &before);
	f->item = f->items;
	return true;
}

static enum service_need step(struct imap *s)
{
	struct fetching *f = s->job.data;

	for (size_t n = 0; n < STEP_MESSAGES && s->phase == IMAP_PHASE_JOB; n++) {
		if (output_is_full(&s->session->out))
			return SERVICE_OUTPUT;
		if (!f->in_message && !next_message(s, f)) {
			finish(s, f);
			break;
		}
		run_message(s, f);
	}
	return SERVICE_AGAIN;
}

/* Its answer is made of the beginning of a message. */
static bool is_of_the_header(const struct imap_fetch_item *i)
{
	return i->kind < IMAP_FETCH_ENVELOPE || i->kind == IMAP_FETCH_ENVELOPE ||
	       (i->kind == IMAP_FETCH_SECTION && !i->n_numbers &&
		       (i->section == IMAP_SECTION_HEADER ||
			       i->section >= IMAP_SECTION_FIELDS));
}

static void find_needs(struct fetching *f)
{
	for (const struct imap_fetch_item *i = f->items; i; i = i->next) {
		f->needs_row |=
			i->kind == IMAP_FETCH_INTERNALDATE || i->kind == IMAP_FETCH_SIZE;
		f->needs_body |= i->kind >= IMAP_FETCH_ENVELOPE;
		f->needs_whole |= !is_of_the_header(i);
		f->marks_seen |= i->kind == IMAP_FETCH_SECTION && !i->peek;
	}
}

/* RFC 3501, 6.4.8: answers to UID FETCH have the UID, asked for or not. */
static bool add_uid(struct imap *s, struct fetching *f)
{
	struct imap_fetch_item *uid;

	for (uid = f->items; uid; uid = uid->next)
		if (uid->kind == IMAP_FETCH_UID)
			return true;
	uid = arena_alloc(&s->arena, sizeof(*uid));
	if (!uid)
		return false;
	uid->kind = IMAP_FETCH_UID;
	uid->label = STR_LIT("UID");
	uid->next = f->items;
	f->items = uid;
	return true;
}

void cmd_fetch(struct imap *s, struct imap_cursor *args)
{
	struct fetching *f = arena_alloc(&s->arena, sizeof(*f));
	struct imap_set set;

	if (!f) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	imap_sync(s, s->uid);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (!imap_space(args) || !imap_set(args, &s->arena, &set) || !imap_space(args) ||
		!imap_fetch_items(args, &s->arena, &f->items) || !imap_end(args) ||
		!view_walk_begin(&s->view, set, s->uid, &f->walk)) {
		imap_bad_arguments(s);
		return;
	}
	if (s->uid && !add_uid(s, f)) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	find_needs(f);
	s->job = (struct imap_job){ .step = step, .data = f };
	s->phase = IMAP_PHASE_JOB;
}
