/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/vault_link.h"

#include "base/log.h"
#include "interceptor/worker/verify.h"
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* May hold a password: wiped at its end. */
struct vault_question {
	TAILQ_ENTRY(vault_question) all;
	uint64_t until; /* loop time */
	bool is_sent;   /* to the vault that runs now */
	size_t len;
	char bytes[];
};

static void drop(struct vault_link *v, struct vault_question *q)
{
	TAILQ_REMOVE(&v->questions, q, all);
	explicit_bzero(q->bytes, q->len);
	free(q);
}

static struct message message_of(const struct vault_question *q)
{
	struct message m = { 0 };

	(void)message_decode(str_of(q->bytes, q->len), &m);
	return m;
}

static int keep(struct worker *w, const struct message *m)
{
	char bytes[MESSAGE_SMALL_MAX];
	ssize_t len = message_encode(m, bytes, sizeof(bytes));
	struct vault_question *q = len < 0 ? NULL : malloc(sizeof(*q) + (size_t)len);

	if (q) {
		q->until = loop_now(&w->loop) + VAULT_PATIENCE_MS;
		q->is_sent = false;
		q->len = (size_t)len;
		memcpy(q->bytes, bytes, q->len);
		TAILQ_INSERT_TAIL(&w->vault.questions, q, all);
	}
	explicit_bzero(bytes, sizeof(bytes));
	return len < 0 ? (int)len : q ? 0 : -ENOMEM;
}

/* What there is no room for now is sent at a tick. */
void vault_questions_send(struct worker *w)
{
	struct vault_question *q;

	TAILQ_FOREACH(q, &w->vault.questions, all)
	{
		struct message m;

		if (q->is_sent)
			continue;
		m = message_of(q);
		if (message_send(&w->vault.channel, &m, -1) < 0)
			return;
		q->is_sent = true;
		q->until = loop_now(&w->loop) +
		           (m.type == MESSAGE_SIGN ? VAULT_SIGN_MS : VAULT_CHECK_MS);
	}
}

int vault_question_ask(struct worker *w, const struct message *m)
{
	int r = keep(w, m);

	/* one that begins now is asked all that is kept */
	if (r == 0 && vault_link_is_ready(w))
		vault_questions_send(w);
	return r;
}

void vault_question_drop(struct vault_link *v, const struct message *like)
{
	struct vault_question *q;

	TAILQ_FOREACH(q, &v->questions, all)
	{
		struct message m = message_of(q);

		if (m.type != like->type)
			continue;
		if (m.type == MESSAGE_SIGN ? m.number == like->number
					   : str_eq(m.session, like->session)) {
			drop(v, q);
			return;
		}
	}
}

void vault_questions_lost(struct worker *w)
{
	struct vault_question *q;

	TAILQ_FOREACH(q, &w->vault.questions, all)
	{
		q->is_sent = false;
		q->until = loop_now(&w->loop) + VAULT_PATIENCE_MS;
	}
}

/* What waits for it may end by the answer, and with it its questions: this one is in no
   list then. */
static void give_up(struct worker *w, struct vault_question *q)
{
	struct message asked = message_of(q);
	struct message answer = { .session = asked.session, .number = asked.number };

	TAILQ_REMOVE(&w->vault.questions, q, all);
	log_error(NULL, "vault", "question=%s session=%.*s error=\"no answer\"",
		message_type_name(asked.type), STR_ARG(asked.session));
	if (asked.type == MESSAGE_SIGN) {
		tls_keys_signed(&w->tls, &answer);
	} else {
		answer.number = VERDICT_UNKNOWN;
		verify_answered(w, &answer, -1);
	}
	explicit_bzero(q->bytes, q->len);
	free(q);
}

static struct vault_question *overdue(const struct worker *w)
{
	struct vault_question *q;

	TAILQ_FOREACH(q, &w->vault.questions, all)
	{
		if (q->until <= loop_now(&w->loop))
			return q;
	}
	return NULL;
}

void vault_questions_tick(struct worker *w)
{
	struct vault_question *q;

	if (!TAILQ_EMPTY(&w->vault.questions) && vault_link_is_ready(w))
		vault_questions_send(w);
	/* an answer may end a session, and drop its question */
	while ((q = overdue(w)))
		give_up(w, q);
}

void vault_questions_fini(struct vault_link *v)
{
	while (!TAILQ_EMPTY(&v->questions))
		drop(v, TAILQ_FIRST(&v->questions));
}
