/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers: tagged, untagged, and what an error is called (RFC 5530). */
#include "mailstore/serve/append_queue.h"
#include "mailstore/serve/notify.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 1024 /* of an answer's human part; names in it are cut */

static const char *const status_names[] = {
	[IMAP_OK] = "OK", [IMAP_NO] = "NO", [IMAP_BAD] = "BAD"
};

void imap_wrote(struct imap *s, int result)
{
	if (result >= 0)
		return;
	s->session->end = "no memory";
	s->phase = IMAP_PHASE_END;
}

void imap_say(struct imap *s, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	imap_wrote(s, buf_printf(imap_out(s), "* %s\r\n", text));
}

void imap_say_go_on(struct imap *s)
{
	append_queue_settle(s);
	if (s->phase != IMAP_PHASE_END)
		imap_wrote(s, buf_append_c(imap_out(s), "+ OK\r\n"));
}

void imap_bye(struct imap *s, const char *text)
{
	append_queue_settle(s);
	imap_say(s, "BYE %s", text);
	imap_unselect(s);
	s->state = IMAP_LOGGED_OUT;
	s->phase = IMAP_PHASE_END;
}

void imap_answered(struct imap *s)
{
	if (s->job.end)
		s->job.end(s);
	s->job = (struct imap_job){ 0 };
	imap_append_end(s);
	s->command = NULL;
	s->uid = false;
	s->tag = (struct str){ 0 };
	arena_fini(&s->arena);
	if (s->phase != IMAP_PHASE_END)
		s->phase = IMAP_PHASE_COMMAND;
}

/* What is no IMAP at all comes again and again; a client's mistakes do not. */
static void count_bad(struct imap *s, enum imap_status status)
{
	s->bad = status == IMAP_BAD ? s->bad + 1 : 0;
	if (s->bad < IMAP_BAD_MAX)
		return;
	s->session->end = "too many bad commands";
	imap_bye(s, "Too many invalid commands.");
}

void imap_done(struct imap *s, enum imap_status status, const char *format, ...)
{
	bool numbers = s->command && (s->command->flags & IMAP_KEEPS_NUMBERS) && !s->uid;
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	append_queue_settle(s);
	if (s->state == IMAP_SELECTED)
		imap_sync(s, !numbers);
	if (s->phase != IMAP_PHASE_END)
		imap_wrote(s, buf_printf(imap_out(s), "%.*s %s %s\r\n",
				      s->tag.len ? (int)s->tag.len : 1,
				      s->tag.len ? s->tag.ptr : "*", status_names[status],
				      text));
	imap_answered(s);
	if (s->phase != IMAP_PHASE_END)
		count_bad(s, status);
}

void imap_bad_arguments(struct imap *s)
{
	imap_done(s, IMAP_BAD, "Error in arguments.");
}

bool imap_no_more(struct imap *s, const struct imap_cursor *args)
{
	if (imap_end(args))
		return true;
	imap_bad_arguments(s);
	return false;
}

/* ── what the store says ───────────────────────────────────────────────────────────── */

static const struct failure {
	int code;
	const char *answer;
	bool shown; /* the sentence is the client's business, and not the admin's */
} failures[] = {
	{ -ENOENT, "[NONEXISTENT] Mailbox or message does not exist.", true },
	{ -EEXIST, "[ALREADYEXISTS] Mailbox already exists.", true },
	{ -ENOSPC, "[OVERQUOTA] No space left.", false },
	{ -EDQUOT, "[OVERQUOTA] The account's quota is used up.", true },
	{ -EMSGSIZE, "[OVERQUOTA] The message is larger than the account's quota.",
		true },
	{ -EFBIG, "[OVERQUOTA] No space left.", false },
	{ -EUCLEAN, "[CORRUPTION] The mailbox is damaged; the administrator is told.",
		false },
	{ -EIO, "[CORRUPTION] The mailbox cannot be read; the administrator is told.",
		false },
	{ -ENAMETOOLONG, "[CANNOT] Mailbox name is too long.", true },
	{ -EINVAL, "[SERVERBUG] Internal error.", false },
	{ -E2BIG, "[LIMIT] A message cannot have so many keywords.", true },
	{ -EOVERFLOW, "[LIMIT] The mailbox is full.", true },
	{ -EPROTONOSUPPORT, "[UNKNOWN-CTE] A part is encoded in a way that is not known.",
		true },
};

static const struct failure *failure_of(int code)
{
	static const struct failure other = { 0, "[UNAVAILABLE] Try again later.",
		false };

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].code == code)
			return &failures[i];
	return &other;
}

const char *imap_failure(struct imap *s, const struct error *err)
{
	const struct failure *failure = failure_of(err->code);

	if (!failure->shown && s->serve->complain)
		s->serve->complain(s->serve->context, s->session, err);
	return failure->answer;
}

void imap_failed(struct imap *s, const struct error *err)
{
	imap_done(s, IMAP_NO, "%s", imap_failure(s, err));
}

int imap_change(struct imap *s, int (*change)(void *context, struct error *err),
	void *context, struct error *err)
{
	int code = store_begin(s->serve->store, err);

	if (code < 0)
		return code;
	code = change(context, err);
	notify_begin_own(s);
	if (code == 0)
		code = store_commit(s->serve->store, err);
	notify_end_own(s);
	if (code < 0) {
		store_rollback(s->serve->store);
		err->code = code;
		s->view.seen = 0; /* what it holds may not have happened: look again */
		s->view.dirty = true;
	}
	return code;
}

int imap_transaction(
	struct imap *s, int (*change)(void *context, struct error *err), void *context)
{
	struct error err = { 0 };
	int code = imap_change(s, change, context, &err);

	if (code < 0)
		imap_failed(s, &err);
	return code;
}

int imap_piece(struct imap *s, int (*change)(void *context, struct error *err),
	void *context, struct error *err)
{
	if (s->view.dirty || s->contexts)
		imap_sync(s, false);
	if (s->phase != IMAP_PHASE_JOB)
		return -ESHUTDOWN;
	return imap_change(s, change, context, err);
}

#define LOOK_EVERY 16 /* messages: the clock is looked at */

bool imap_piece_is_full(struct imap_piece *p)
{
	uint64_t now = p->count % LOOK_EVERY ? p->began : clock_monotonic_ms();

	if (!p->began)
		p->began = now;
	if (p->count &&
		(p->count >= IMAP_PIECE_MESSAGES || now - p->began >= IMAP_PIECE_MS))
		return true;
	p->count++;
	return false;
}
