/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SEARCH (RFC 3501, 6.4.4).
 *
 * Each message is asked first with what the view knows (flags, numbers), then with its
 * row, and with its body only when the answer is still open: most searches never open
 * one. It works in pieces, so that a search through gigabytes holds nobody up.
 */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/search_match.h"
#include "wire/mime/fold.h"

#include <errno.h>
#include <inttypes.h>

#define STEP_COST 5000     /* of one piece: some milliseconds */
#define BYTES_PER_COST 512 /* of a body, beside a message that needs none */

struct searching {
	struct search_match match;
	uint32_t next;
	struct error err;
};

static int put_result(struct imap *s, struct searching *w, uint32_t index)
{
	uint32_t number = s->uid ? s->view.messages[index].uid : index + 1;

	(void)w;
	return buf_printf(imap_out(s), " %" PRIu32, number);
}

static void finish(struct imap *s, struct searching *w)
{
	struct error err = w->err;

	imap_wrote(s, buf_append_c(imap_out(s), "\r\n"));
	if (err.code)
		imap_failed(s, &err);
	else
		imap_done(s, IMAP_OK, "Search completed.");
}

static enum service_need step(struct imap *s)
{
	struct searching *w = s->job.data;
	size_t cost = 0;

	while (w->next < s->view.count && cost < STEP_COST && !w->err.code) {
		uint32_t index = w->next++;
		bool found = false;
		size_t bytes = 0;

		w->err.code =
			search_match(&w->match, &s->view, index, &found, &bytes, &w->err);
		if (found && !w->err.code)
			imap_wrote(s, put_result(s, w, index));
		cost += 1 + bytes / BYTES_PER_COST;
	}
	if (s->phase == IMAP_PHASE_END)
		return SERVICE_AGAIN;
	if (w->next == s->view.count || w->err.code)
		finish(s, w);
	return SERVICE_AGAIN;
}

/* Sets and texts as they are compared. */
static bool prepare(struct imap *s, struct imap_search_key *key)
{
	struct buf folded;
	int r;

	for (; key; key = key->next) {
		if (!prepare(s, key->first))
			return false;
		if (key->kind == IMAP_SEARCH_SEQUENCE)
			imap_set_resolve(&key->set, s->view.count, NULL);
		if (key->kind == IMAP_SEARCH_UID)
			imap_set_resolve(&key->set, view_last_uid(&s->view), NULL);
		if (key->kind < IMAP_SEARCH_HEADER)
			continue;
		buf_init(&folded, 0);
		r = mime_to_utf8(NULL, STR_LIT("utf-8"), key->text, &folded);
		if (r == 0)
			r = search_fold(&folded, &s->arena, &key->text);
		buf_fini(&folded);
		if (r < 0)
			return false;
	}
	return true;
}

void cmd_search(struct imap *s, struct imap_cursor *args)
{
	struct searching *w = arena_alloc(&s->arena, sizeof(*w));
	struct imap_search_key *program = NULL;
	enum imap_search_result result;

	if (!imap_space(args)) {
		imap_bad_arguments(s);
		return;
	}
	result = imap_search_program(args, &s->arena, &program);
	if (result == IMAP_SEARCH_BAD_CHARSET) {
		imap_done(s, IMAP_NO, "[BADCHARSET (US-ASCII UTF-8)] Unknown charset.");
		return;
	}
	if (result != IMAP_SEARCH_OK || !imap_end(args)) {
		imap_bad_arguments(s);
		return;
	}
	imap_sync(s, s->uid);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (!w || !prepare(s, program)) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	w->match = (struct search_match){ .program = program,
		.charsets = s->serve->charsets };
	imap_wrote(s, buf_append_c(imap_out(s), "* SEARCH"));
	s->job = (struct imap_job){ .step = step, .data = w };
	if (s->phase != IMAP_PHASE_END)
		s->phase = IMAP_PHASE_JOB;
}
