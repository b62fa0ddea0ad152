/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/pop3.h"

#include "mailstore/serve/maildrop.h"
#include "mailstore/store/rows.h"

#include <errno.h>
#include <stdlib.h>

enum pop3_phase {
	POP3_PHASE_COMMANDS,
	POP3_PHASE_END, /* nothing more is read */
};

struct pop3 {
	struct session *session;
	enum pop3_phase phase;
	struct arena arena;
	struct maildrop drop;
	struct pop3_session wire;
};

/* RFC 1939, 3: the maildrop is one session's at a time. */
static bool take_lock(struct session *session)
{
	if (session->serve->maildrop_holder)
		return false;
	session->serve->maildrop_holder = session;
	return true;
}

static void give_lock(struct session *session)
{
	if (session->serve->maildrop_holder == session)
		session->serve->maildrop_holder = NULL;
}

static int end_with(struct pop3 *p, const char *line, const char *why)
{
	p->phase = POP3_PHASE_END;
	p->session->end = why;
	return buf_append_c(&p->session->out.text, line);
}

static int begin(struct pop3 *p)
{
	struct session *session = p->session;
	struct error err = { 0 };
	int r;

	if (!take_lock(session))
		return end_with(p,
			"-ERR [IN-USE] Your mailbox is in use by another POP3 "
			"session.\r\n",
			"in use");
	r = maildrop_open(&p->drop, session->serve->store, &err);
	if (r == 0)
		r = pop3_session_init(&p->wire, &maildrop_ops, &p->drop, &p->arena);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		session->serve->complain(session->serve->context, session, &err);
		return end_with(p,
			"-ERR [SYS/TEMP] Your mailbox cannot be read; please try again "
			"later.\r\n",
			"maildrop");
	}
	return buf_append_c(&session->out.text, "+OK Logged in.\r\n");
}

static int pop3_open(struct session *session, struct str tag)
{
	struct pop3 *p = calloc(1, sizeof(*p));

	(void)tag; /* POP3 has none */
	if (!p)
		return -ENOMEM;
	session->state = p;
	p->session = session;
	arena_init(&p->arena);
	return begin(p);
}

static enum service_need ended(struct pop3 *p, const char *why)
{
	p->phase = POP3_PHASE_END;
	p->session->end = why;
	/* durable before anybody hears of the end */
	maildrop_close(&p->drop);
	give_lock(p->session);
	return SERVICE_END;
}

static void complain(struct pop3 *p)
{
	struct serve *serve = p->session->serve;
	struct error err;

	(void)error_errno(
		&err, p->wire.error, "POP3: message %u cannot be sent", p->wire.number);
	serve->complain(serve->context, p->session, &err);
}

/* All that there is, until enough of an answer is to be sent. It is read of one moment,
   so that the index is locked once and not for each message. */
static enum pop3_session_action next_commands(struct pop3 *p)
{
	struct session *session = p->session;
	enum pop3_session_action action;
	size_t used;

	/* should it fail, each reading says why */
	(void)store_read_begin(session->serve->store, NULL);
	do {
		action = pop3_session_next(
			&p->wire, buf_view(&session->in), &used, &session->out.text);
		buf_consume(&session->in, used);
	} while (action == POP3_SESSION_AGAIN && !output_is_full(&session->out));
	store_read_end(session->serve->store);
	return action;
}

static enum service_need pop3_run(struct session *session)
{
	struct pop3 *p = session->state;

	if (p->phase == POP3_PHASE_END)
		return SERVICE_END;
	switch (next_commands(p)) {
	case POP3_SESSION_NEED_MORE:
		return SERVICE_INPUT;
	case POP3_SESSION_AGAIN:
		return SERVICE_AGAIN;
	case POP3_SESSION_SEND:
		return SERVICE_OUTPUT;
	case POP3_SESSION_QUIT:
		return ended(p, "quit");
	case POP3_SESSION_FAILED:
		complain(p);
		break;
	}
	return ended(p, "failed");
}

/* There is no word for it in POP3: an answer that nobody asked for would be taken for the
   next one. The connection ends, and nothing is deleted (RFC 1939, 6). */
static void pop3_bye(struct session *session, const char *why)
{
	struct pop3 *p = session->state;

	(void)why;
	p->phase = POP3_PHASE_END;
}

static void pop3_close(struct session *session)
{
	struct pop3 *p = session->state;

	maildrop_close(&p->drop);
	give_lock(session);
	arena_fini(&p->arena);
	free(p);
}

static int pop3_refuse(struct buf *out, struct str tag, const char *why)
{
	(void)tag;
	return buf_printf(out, "-ERR [SYS/TEMP] %s\r\n", why);
}

const struct service_ops pop3_service = {
	.name = "pop3",
	.open = pop3_open,
	.run = pop3_run,
	.bye = pop3_bye,
	.close = pop3_close,
	.refuse = pop3_refuse,
};
