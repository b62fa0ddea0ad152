/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/search.h"

#include "base/clock.h"
#include "mailstore/serve/kept.h"
#include "wire/imap/encode.h"
#include "wire/mime/fold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define STEP_COST 5000     /* of one piece: some milliseconds */
#define BYTES_PER_COST 512 /* of a body, beside a message that needs none */
#define KEYS_PER_COST 4    /* programs of thousands are possible */
#define SILENCE_MS 10000   /* then the client is told how far we are (RFC 9585) */

/* ── looking ───────────────────────────────────────────────────────────────────────── */

static int add_found(struct searching *w, uint32_t index)
{
	if (w->count == w->cap) {
		uint32_t cap = w->cap ? w->cap * 2 : 256;
		uint32_t *more = realloc(w->found, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		w->found = more;
		w->cap = cap;
	}
	w->found[w->count++] = index;
	return 0;
}

static int look(struct imap *s, struct searching *w, size_t *ret_bytes)
{
	uint32_t index = w->next++;
	bool found = false;
	int code = search_match(&w->match, &s->view, index, &found, ret_bytes, &w->err);

	return code < 0 || !found ? code : add_found(w, index);
}

static bool is_done(const struct imap *s, const struct searching *w)
{
	return w->next == (w->reading ? w->count : s->view.count);
}

static void say_progress(struct imap *s, struct searching *w)
{
	uint64_t now = clock_monotonic_ms();

	if (now - w->last_word < SILENCE_MS)
		return;
	w->last_word = now;
	imap_wrote(s, buf_append_c(imap_out(s), "* OK [INPROGRESS ("));
	imap_wrote(s, imap_put_quoted(imap_out(s), s->tag));
	imap_wrote(
		s, buf_printf(imap_out(s), " %" PRIu32 " %" PRIu32 ")] Still at it.\r\n",
			   w->next, w->reading ? w->count : s->view.count));
}

/* Messages that are gone meanwhile are not found: not an error. */
static void take_messages(struct imap *s, struct searching *w)
{
	size_t cost = 0;

	while (!is_done(s, w) && cost < STEP_COST && !w->err.code) {
		size_t bytes = 0;
		int code;

		if (w->reading) {
			code = w->read(s, w, w->next, &bytes, &w->err);
			w->next++;
		} else {
			code = look(s, w, &bytes);
		}
		if (code < 0 && code != -ENOENT)
			w->err.code = code;
		cost += 1 + w->keys_cost + bytes / BYTES_PER_COST;
	}
}

/* Kept headers cost as much as the rest of the row: with hints, few are needed. */
static void begin_rows(struct searching *w, const struct view *v)
{
	unsigned wants = w->reading ? w->wants : search_wants(w->search.program);
	bool apart = !w->reading && wants && w->match.hints.count;

	store_rows_begin(&w->rows, v->store, v->mailbox, KEPT_VERSION, apart ? 0 : wants);
	store_rows_begin(&w->kept, v->store, v->mailbox, KEPT_VERSION, wants);
	w->match.rows = &w->rows;
	w->match.kept = apart ? &w->kept : NULL;
}

/* What it reads is of one moment, and read in one go. */
static void take_piece(struct imap *s, struct searching *w)
{
	const struct view *v = &s->view;

	(void)store_read_begin(v->store, NULL);
	begin_rows(w, v);
	take_messages(s, w);
	store_rows_end(&w->rows);
	store_rows_end(&w->kept);
	store_read_end(v->store);
}

static enum service_need step(struct imap *s)
{
	struct searching *w = s->job.data;

	if (output_is_full(&s->session->out))
		return SERVICE_OUTPUT;
	take_piece(s, w);
	if (w->err.code) {
		struct error err = w->err;

		if (w->returns.options & IMAP_RETURN_SAVE)
			imap_save_result(s, STR_LIT("")); /* RFC 5182, 2.1 */
		imap_failed(s, &err);
	} else if (!is_done(s, w)) {
		say_progress(s, w);
	} else if (w->read && !w->reading) {
		w->reading = true;
		w->next = 0;
	} else {
		w->finish(s, w);
	}
	return SERVICE_AGAIN;
}

static void end(struct imap *s)
{
	struct searching *w = s->job.data;

	text_hints_fini(&w->match.hints);
	free(w->found);
	w->found = NULL;
}

/* ── preparing ─────────────────────────────────────────────────────────────────────── */

/* In UTF-8, as it is compared. */
static int prepare_text(struct arena *arena, struct str charset, struct str *text)
{
	struct buf utf8;
	int r;

	buf_init(&utf8, 0);
	r = mime_to_utf8(charset.len ? charset : STR_LIT("utf-8"), *text, &utf8);
	if (r == 0)
		r = search_fold(&utf8, arena, text);
	buf_fini(&utf8);
	return r;
}

static bool prepare(struct imap *s, struct arena *arena, struct str charset,
	struct imap_search_key *key)
{
	for (; key; key = key->next) {
		if (!prepare(s, arena, charset, key->first))
			return false;
		if (key->kind == IMAP_SEARCH_SEQUENCE)
			imap_set_resolve(&key->set, s->view.count, NULL);
		if (key->kind == IMAP_SEARCH_UID &&
			!imap_resolve_uids(s, arena, &key->set))
			return false;
		if (key->kind >= IMAP_SEARCH_HEADER &&
			prepare_text(arena, charset, &key->text) < 0)
			return false;
	}
	return true;
}

static size_t count_keys(const struct imap_search_key *key)
{
	size_t n = 0;

	for (; key; key = key->next)
		n += 1 + count_keys(key->first);
	return n;
}

bool search_prepare(struct imap *s, struct arena *arena, struct imap_search *search)
{
	return prepare(s, arena, search->charset, search->program);
}

static bool check(struct imap *s, const struct searching *w)
{
	struct str charset = w->search.charset;

	if (charset.len && !mime_charset_is_known(charset)) {
		if (w->returns.options & IMAP_RETURN_SAVE)
			imap_save_result(s, STR_LIT("")); /* RFC 5182, 2.1 */
		imap_done(s, IMAP_NO, "[BADCHARSET (US-ASCII UTF-8)] Unknown charset.");
		return false;
	}
	if ((s->enabled & IMAP_UIDONLY) && w->search.has_sequence) {
		imap_done(s, IMAP_BAD, "[UIDREQUIRED] Only UIDs name messages here.");
		return false;
	}
	return true;
}

void search_begin(struct imap *s, struct searching *w)
{
	if (!check(s, w))
		return;
	imap_sync(s, s->uid);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (w->search.has_modseq)
		imap_enable_condstore(s);
	if (!search_prepare(s, &s->arena, &w->search)) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	w->match = (struct search_match){ .program = w->search.program,
		.now = (int64_t)(clock_wall_ms() / 1000) };
	w->keys_cost = count_keys(w->search.program) / KEYS_PER_COST;
	text_hints_init(&w->match.hints, s->serve, w->search.program);
	w->last_word = clock_monotonic_ms();
	s->job = (struct imap_job){ .step = step, .end = end, .data = w };
	s->phase = IMAP_PHASE_JOB;
}
