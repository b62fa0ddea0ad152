/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/vault_link.h"

#include "base/log.h"
#include "interceptor/verify.h"
#include "interceptor/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* May hold a password: wiped at its end. */
struct vault_question {
	TAILQ_ENTRY(vault_question) all;
	uint64_t until; /* loop time */
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
		q->len = (size_t)len;
		memcpy(q->bytes, bytes, q->len);
		TAILQ_INSERT_TAIL(&w->vault.questions, q, all);
	}
	explicit_bzero(bytes, sizeof(bytes));
	return len < 0 ? (int)len : q ? 0 : -ENOMEM;
}

int vault_question_ask(struct worker *w, const struct message *m)
{
	/* first: one that begins now is asked all that is kept */
	bool is_ready = vault_link_is_ready(w);
	int r = keep(w, m);

	if (r == 0 && is_ready && vault_link_ask(w, m) < 0)
		log_warning(NULL, "vault", "question=kept");
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

void vault_questions_again(struct worker *w)
{
	struct vault_question *q;

	TAILQ_FOREACH(q, &w->vault.questions, all)
	{
		struct message m = message_of(q);

		if (message_send(&w->vault.channel, &m, -1) < 0)
			return;
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

void vault_questions_tick(struct worker *w)
{
	struct vault_question *q = TAILQ_FIRST(&w->vault.questions);
	uint64_t now = loop_now(&w->loop);

	if (q)
		(void)vault_link_is_ready(w);
	/* an answer may end a session, and drop its question */
	while ((q = TAILQ_FIRST(&w->vault.questions)) && q->until <= now)
		give_up(w, q);
}

void vault_questions_fini(struct vault_link *v)
{
	while (!TAILQ_EMPTY(&v->questions))
		drop(v, TAILQ_FIRST(&v->questions));
}
