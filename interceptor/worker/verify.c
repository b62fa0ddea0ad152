/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/verify.h"

#include "base/hash.h"
#include "base/log.h"
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A session that waits for a verdict. */
struct check {
	LIST_ENTRY(check) all;
	struct session *session;
	verify_fn *done;
	char id[SESSION_ID_MAX];
};

static size_t bucket_of(struct str id)
{
	return hash_bytes(HASH_FIRST, id) % VAULT_CHECKS;
}

static struct check *find(struct worker *w, struct str id)
{
	struct check *c;

	LIST_FOREACH(c, &w->vault.checks[bucket_of(id)], all)
	if (str_eq(str_from(c->id), id))
		return c;
	return NULL;
}

static void drop(struct check *c)
{
	LIST_REMOVE(c, all);
	free(c);
}

static const char *kind_of(const struct question *q)
{
	if (q->box.ptr)
		return "BOX";
	switch (q->proof.kind) {
	case CHALLENGE_APOP:
		return "APOP";
	case CHALLENGE_CRAM_MD5:
		return "CRAM-MD5";
	case CHALLENGE_NONE:
		break;
	}
	return "";
}

static int ask(
	struct worker *w, struct session *s, const struct question *q, const char *id)
{
	char client[ADDRESS_TEXT_MAX];
	struct message m = {
		.type = MESSAGE_CHECK,
		.number = (uint64_t)s->account_id,
		.account = str_from(s->account),
		.session = str_from(id),
		.service = str_from(protocol_of(s->service)->name),
		.text = str_from(kind_of(q)),
		.tag = q->proof.challenge,
		.payload = q->box.ptr                        ? q->box
		           : q->proof.kind == CHALLENGE_NONE ? q->password
		                                             : q->proof.digest,
	};

	endpoint_text(&s->peer, client);
	m.client = str_from(client);
	return vault_question_ask(w, &m);
}

void verify_password(
	struct worker *w, struct session *s, const struct question *q, verify_fn *done)
{
	struct check *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (c) {
		c->session = s;
		c->done = done;
		(void)session_id(s, c->id);
		LIST_INSERT_HEAD(&w->vault.checks[bucket_of(str_from(c->id))], c, all);
		r = ask(w, s, q, c->id);
	}
	if (r == 0)
		return;
	log_error(c ? c->id : NULL, "verify", "account=%s error=\"%s\"", s->account,
		strerror(-r));
	if (c)
		drop(c);
	done(s, VERDICT_UNKNOWN, STR_LIT(""));
}

void verify_forget(struct worker *w, struct session *s)
{
	char id[SESSION_ID_MAX];
	const struct message asked = { .type = MESSAGE_CHECK,
		.session = str_from(session_id(s, id)) };
	struct check *c = find(w, asked.session);

	if (!c)
		return;
	vault_question_drop(&w->vault, &asked);
	drop(c);
}

static void answer(struct check *c, enum verdict verdict, struct str ticket)
{
	struct session *s = c->session;
	verify_fn *done = c->done;

	drop(c);
	done(s, verdict, ticket);
}

void verify_answered(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	const struct message asked = { .type = MESSAGE_CHECK, .session = m->session };
	struct check *c = find(w, m->session);

	(void)fd;
	vault_question_drop(&w->vault, &asked);
	if (c) /* else it has gone meanwhile */
		answer(c,
			m->number < VERDICT_COUNT ? (enum verdict)m->number
						  : VERDICT_UNKNOWN,
			m->payload);
}
