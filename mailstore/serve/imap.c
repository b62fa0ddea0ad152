/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/imap.h"

#include "mailstore/serve/append_queue.h"
#include "mailstore/serve/imap_session.h"

#include <errno.h>
#include <stdlib.h>

/* ── reading a command ─────────────────────────────────────────────────────────────── */

static void hand_over(struct imap *s, size_t length)
{
	struct buf *in = &s->session->in;
	struct str command = arena_str(&s->arena, str_take(buf_view(in), length));

	buf_consume(in, length);
	imap_frame_reset(&s->framer);
	append_queue_settle(s);
	if (!command.ptr)
		imap_wrote(s, -ENOMEM);
	else if (s->phase != IMAP_PHASE_END) /* that may have ended it */
		imap_dispatch(s, command);
}

/* The client waits for our word before it sends the literal, or sends it at once: what is
   too long then can only be ended with the session. */
static void refuse_literal(struct imap *s, struct str line, bool waits)
{
	struct imap_cursor c = imap_cursor(line);

	if (!waits) {
		s->session->end = "literal too long";
		imap_bye(s, "[TOOBIG] Literal too long.");
		return;
	}
	(void)imap_tag(&c, &s->tag);
	imap_done(s, IMAP_NO, "[TOOBIG] Literal too long.");
	buf_consume(&s->session->in, line.len);
	imap_frame_reset(&s->framer);
}

static void at_literal(struct imap *s, const struct imap_literal *literal)
{
	struct str line = str_take(buf_view(&s->session->in), literal->offset);

	if (imap_append_begin(s, line, literal)) {
		buf_consume(&s->session->in, line.len);
		imap_frame_reset(&s->framer);
		return;
	}
	if (literal->size > IMAP_COMMAND_MAX - line.len) {
		refuse_literal(s, line, literal->synchronizing);
		return;
	}
	imap_frame_keep(&s->framer);
	if (literal->synchronizing)
		imap_say_go_on(s);
}

static void end_overlong(struct imap *s)
{
	s->session->end = "command too long";
	imap_bye(s, "[TOOBIG] Command too long.");
}

static enum service_need read_command(struct imap *s)
{
	struct imap_literal literal;

	switch (imap_frame_next(&s->framer, buf_view(&s->session->in), &literal)) {
	case IMAP_FRAME_NEED_MORE:
		return SERVICE_INPUT;
	case IMAP_FRAME_LITERAL:
		if (literal.offset <= IMAP_COMMAND_MAX)
			at_literal(s, &literal);
		else
			end_overlong(s);
		break;
	case IMAP_FRAME_TOO_LONG:
	case IMAP_FRAME_BAD:
		end_overlong(s);
		break;
	case IMAP_FRAME_COMMAND:
		hand_over(s, literal.offset);
		break;
	}
	return SERVICE_AGAIN;
}

/* ── phases ────────────────────────────────────────────────────────────────────────── */

/* RFC 2177: whatever happens is told at once; any line ends it, "DONE" rightly. */
static enum service_need run_idle(struct imap *s)
{
	struct buf *in = &s->session->in;
	struct imap_literal end;
	struct str line;

	imap_sync(s, true);
	if (s->phase != IMAP_PHASE_IDLE)
		return SERVICE_AGAIN;
	if (s->view.untold) /* the rest when the client has taken that */
		return SERVICE_OUTPUT;
	switch (imap_frame_next(&s->framer, buf_view(in), &end)) {
	case IMAP_FRAME_NEED_MORE:
		return SERVICE_INPUT;
	case IMAP_FRAME_COMMAND:
		line = str_trim(str_take(buf_view(in), end.offset));
		if (str_ieq(line, STR_LIT("DONE")))
			imap_done(s, IMAP_OK, "Idle completed.");
		else
			imap_done(s, IMAP_BAD, "Expected DONE.");
		buf_consume(in, end.offset);
		imap_frame_reset(&s->framer);
		return SERVICE_AGAIN;
	case IMAP_FRAME_LITERAL:
	case IMAP_FRAME_TOO_LONG:
	case IMAP_FRAME_BAD:
		break;
	}
	end_overlong(s);
	return SERVICE_AGAIN;
}

static enum service_need run_job(struct imap *s)
{
	return s->job.step(s);
}

static enum service_need run_deflate(struct imap *s)
{
	if (!s->session->deflated)
		return SERVICE_DEFLATE;
	s->phase = IMAP_PHASE_COMMAND;
	return SERVICE_AGAIN;
}

static enum service_need run_end(struct imap *s)
{
	(void)s;
	return SERVICE_END;
}

static enum service_need (*const phases[])(struct imap *s) = {
	[IMAP_PHASE_COMMAND] = read_command,
	[IMAP_PHASE_MESSAGE] = imap_append_data,
	[IMAP_PHASE_APPEND] = imap_append_line,
	[IMAP_PHASE_IDLE] = run_idle,
	[IMAP_PHASE_JOB] = run_job,
	[IMAP_PHASE_DEFLATE] = run_deflate,
	[IMAP_PHASE_END] = run_end,
};
_Static_assert(sizeof(phases) / sizeof(phases[0]) == IMAP_PHASE_COUNT, "one a phase");

static enum service_need imap_run(struct session *session)
{
	struct imap *s = session->state;

	s->awake = false;
	if (s->phase == IMAP_PHASE_COMMAND || s->phase == IMAP_PHASE_IDLE)
		notify_tell(s);
	return phases[s->phase](s);
}

/* ── the session ───────────────────────────────────────────────────────────────────── */

static void changed(void *context, int64_t mailbox)
{
	struct imap *s = context;

	bool selected = s->state == IMAP_SELECTED && mailbox == s->view.mailbox;
	bool tell = notify_changed(s, mailbox);

	if (selected)
		s->view.dirty = true;
	tell |= selected && s->phase == IMAP_PHASE_IDLE;
	if (tell && !s->awake && s->serve->wake) {
		s->awake = true;
		s->serve->wake(s->serve->context, s->session);
	}
}

struct imap *imap_make(struct session *session)
{
	struct imap *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	session->state = s;
	s->session = session;
	s->serve = session->serve;
	imap_frame_init(&s->framer, IMAP_LINE_MAX);
	arena_init(&s->arena);
	s->watch = (struct store_watch){ .changed = changed, .context = s };
	store_watch(s->serve->store, &s->watch);
	return s;
}

static int imap_open(struct session *session, struct str tag)
{
	struct imap *s = imap_make(session);
	int r;

	if (!s)
		return -ENOMEM;
	r = buf_printf(imap_out(s), "%.*s OK [CAPABILITY ", STR_ARG(tag));
	if (r == 0)
		r = imap_put_capabilities(s, imap_out(s));
	return r < 0 ? r : buf_append_c(imap_out(s), "] Logged in\r\n");
}

int imap_idle_again(struct imap *s, struct str tag)
{
	s->command = imap_command_of(STR_LIT("IDLE"));
	s->tag = arena_str(&s->arena, tag);
	s->phase = IMAP_PHASE_IDLE;
	return s->tag.ptr ? 0 : -ENOMEM;
}

/* What its client knows is what the source has told it: nothing is said of the change. */
static int imap_resume(struct session *session, struct str tag, struct str known)
{
	struct imap *s = imap_make(session);
	struct resumption r;

	if (!s)
		return -ENOMEM;
	if (resumption_decode(known, &r) < 0 || !imap_enable_words(s, r.enabled) ||
		(r.is_selected && !imap_select_again(s, &r))) {
		session->end = "what its client knows is not what is here";
		imap_bye(s, "Your mailbox has moved; please log in again.");
		return 0;
	}
	return tag.len ? imap_idle_again(s, tag) : 0;
}

/* RFC 2177: the server may end an IDLE of 30 minutes; one that takes our words lives. */
static bool imap_keepalive(struct session *session)
{
	struct imap *s = session->state;

	if (s->phase != IMAP_PHASE_IDLE)
		return false;
	imap_say(s, "OK Still here");
	return true;
}

static void imap_service_bye(struct session *session, const char *why)
{
	struct imap *s = session->state;

	append_queue_settle(s);
	/* not in the middle of an answer */
	if (s->phase != IMAP_PHASE_END && s->phase != IMAP_PHASE_JOB)
		imap_say(s, "BYE %s", why);
	s->phase = IMAP_PHASE_END;
}

static void imap_close(struct session *session)
{
	struct imap *s = session->state;

	append_queue_settle(s); /* its client has sent all of them */
	if (s->job.end)
		s->job.end(s);
	imap_append_end(s);
	imap_unselect(s);
	notify_end(s);
	store_unwatch(s->serve->store, &s->watch);
	arena_fini(&s->arena);
	free(s);
}

/* tag "": between two commands of a session that was at the source so far. */
static int imap_refuse(struct buf *out, struct str tag, const char *why)
{
	if (!tag.len)
		return buf_printf(out, "* BYE [UNAVAILABLE] %s\r\n", why);
	return buf_printf(out, "* BYE Try again later\r\n%.*s NO [UNAVAILABLE] %s\r\n",
		STR_ARG(tag), why);
}

const struct service_ops imap_service = {
	.name = "imap",
	.open = imap_open,
	.resume = imap_resume,
	.hibernate = imap_hibernate,
	.wake = imap_wake,
	.run = imap_run,
	.bye = imap_service_bye,
	.close = imap_close,
	.keepalive = imap_keepalive,
	.refuse = imap_refuse,
};
