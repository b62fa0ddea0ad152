/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/uidls/uidls.h"

#include "base/clock.h"
#include "base/log.h"
#include "transfer/account/uidls/uidl_reading.h"
#include "transfer/account/uidls/uidls_derived.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 60000
#define LOGIN_PATIENCE_MS 15000 /* Dovecot says [IN-USE] after 11 s */
#define BUSY_LOGIN_PATIENCE_MS 5000
#define BUSY_PATIENCE_MS 10000 /* somebody may be held at the login */
/* [IN-USE]: the user's last session may be on its way out, or a client that has crashed
   is still waited for. All unique-ids are worth some time, as long as nobody is held.
 */
#define LOCKED_MS 10000
#define BUSY_LOCKED_MS 2500
#define TRY_AGAIN_MS 500
#define SLOW_GREETING_MS 500 /* it is then heard before nobody is served */

/* ── the outcome ───────────────────────────────────────────────────────────────────── */

static int set_one(struct uidl_reading *r, uint32_t uid, struct str uidl, uint32_t order)
{
	const struct destination *to = &r->j->destination;
	struct mail m = { .uid = uid, .uidl = uidl, .pop3_order = order };

	return to->ops->set_uidl(to->self, r->inbox, &m, &r->j->err);
}

static int apply(struct uidl_reading *r)
{
	const struct destination *to = &r->j->destination;
	int code = 0;

	uidl_match_hide(&r->match);
	for (size_t i = 0; i < r->match.n_drop && code == 0; i++) {
		const struct uidl_side *s = &r->match.drop[i];

		if (s->is_matched)
			code = set_one(r, s->partner, s->uidl, (uint32_t)(i + 1));
	}
	for (size_t i = 0; i < r->match.n_inbox && code == 0; i++)
		if (!r->match.inbox[i].is_matched)
			code = set_one(r, r->match.inbox[i].id, STR_LIT(""),
				r->match.inbox[i].is_hidden ? MAIL_POP3_HIDDEN : 0);
	if (code == 0)
		return to->ops->commit(to->self, &r->j->err);
	to->ops->rollback(to->self);
	return code;
}

static int conclude(struct uidl_reading *r)
{
	struct job *j = r->j;
	size_t unproven = uidl_match_unproven(&r->match);

	j->uidls.kept = unproven ? 0 : 1;
	j->uidls.count = r->match.n_drop;
	j->uidls.unproven = unproven;
	j->uidls.derived = 0;
	(void)snprintf(j->uidls.note, sizeof(j->uidls.note),
		unproven ? "%zu of %zu messages of the maildrop match none in INBOX"
			 : "%zu unproven of %zu",
		unproven, r->match.n_drop);
	log_info(NULL, "uidls", "account=%.*s maildrop=%zu unproven=%zu headers=%zu",
		STR_ARG(j->account.name), r->match.n_drop, unproven, r->n_asked);
	if (unproven && j->settings->uidls == UIDLS_REQUIRE)
		return error_set(&j->err, -EREMOTEIO,
			"POP3 unique-ids are not proven: %s", j->uidls.note);
	return apply(r);
}

static int greet_at(struct uidl_reading *r, const struct sockaddr_storage *to)
{
	return pop3_connection_greet(&r->pop3, to, &r->j->err);
}

static int log_in_at(struct uidl_reading *r, const struct sockaddr_storage *to)
{
	const struct own_password *p = passwords_used(&r->j->passwords);

	return pop3_connection_login(&r->pop3, to, p->login, p->clear, &r->j->err);
}

static int at_each_address(struct uidl_reading *r,
	int (*attempt)(struct uidl_reading *r, const struct sockaddr_storage *to))
{
	struct sockaddr_storage addresses[SETTINGS_SOURCES_MAX];
	size_t n = 0;
	int code = job_source_addresses(r->j, SERVICE_POP3, addresses, &n);

	for (size_t i = 0; i < n && code == 0; i++) {
		code = attempt(r, &addresses[i]);
		if (code != -ECONNREFUSED && code != -ENETUNREACH)
			break;
		if (i + 1 < n) {
			source_connection_close(&r->pop3.net);
			code = 0;
		}
	}
	return code;
}

/* The one that was greeted before, if there is one. */
static void begin_connection(struct uidl_reading *r)
{
	struct job *j = r->j;
	unsigned patience_ms = j->is_busy ? BUSY_LOGIN_PATIENCE_MS : LOGIN_PATIENCE_MS;

	pop3_connection_init(&r->pop3, patience_ms, job_tick, j);
	r->pop3.dialer = dial_by(&j->dial_pop3);
	if (!j->uidls_next.is_greeted)
		return;
	r->pop3 = j->uidls_next;
	r->pop3.patience_ms = patience_ms;
	pop3_connection_init(&j->uidls_next, 0, NULL, NULL);
}

/* The source may have closed a connection that it greeted before a switch which was taken
   back: then once more with a new one. */
static int log_in(struct uidl_reading *r)
{
	bool was_greeted = r->pop3.is_greeted;
	int code = at_each_address(r, log_in_at);

	if (!was_greeted || code == -EAGAIN || !job_may_pass(code))
		return code;
	source_connection_close(&r->pop3.net);
	return at_each_address(r, log_in_at);
}

void uidls_prepare(struct job *j)
{
	struct uidl_reading r = { .j = j };

	if (j->uidls_greeting_ms < SLOW_GREETING_MS || j->uidls_next.is_greeted)
		return;
	pop3_connection_init(&r.pop3, LOGIN_PATIENCE_MS, job_tick, j);
	r.pop3.dialer = dial_by(&j->dial_pop3);
	if (at_each_address(&r, greet_at) == 0)
		j->uidls_next = r.pop3;
	else
		source_connection_close(&r.pop3.net);
}

static int read_once(struct job *j)
{
	struct uidl_reading r;
	int code;

	j->uidls_known.is_there = false;
	uidl_reading_init(&r, j);
	begin_connection(&r);
	code = log_in(&r);
	j->uidls_greeting_ms = r.pop3.greeting_ms;
	if (code == -ETIMEDOUT)
		code = error_set(&j->err, -EAGAIN,
			"the source does not answer the login by POP3 (is somebody else "
			"in?)");
	r.pop3.patience_ms = j->is_busy ? BUSY_PATIENCE_MS : PATIENCE_MS;
	if (code == 0)
		code = uidl_reading_match(&r);
	if (code == 0)
		code = conclude(&r);
	if (code == 0)
		code = uidls_remember(j, &r.match);
	uidl_reading_fini(&r);
	return code;
}

/* What the source will not give at all: gates the switch only where it must. */
static int without(struct job *j, int code)
{
	j->uidls.kept = 0;
	j->uidls.unproven = 0; /* it is not known how many */
	(void)snprintf(j->uidls.note, sizeof(j->uidls.note), "%.150s", j->err.text);
	log_warning(NULL, "uidls", "account=%.*s reason=\"%s\"", STR_ARG(j->account.name),
		j->err.text);
	if (j->settings->uidls != UIDLS_REQUIRE)
		return 0;
	return error_set(
		&j->err, code, "POP3 unique-ids are not proven: %s", j->uidls.note);
}

/* ── whether to look ───────────────────────────────────────────────────────────────── */

enum need {
	NEED_NOT,
	NEED_IF_EASY, /* the user may use POP3 where we do not see it: one look, if it
	                 costs them nothing */
	NEED_ALL,     /* the user does use it, or the configuration insists */
};

static int count_recent(void *context, const struct mail *m)
{
	*(size_t *)context += (m->flags & MAIL_RECENT) != 0;
	return 0;
}

/* How many messages a POP3 login could take \Recent from, as of the last pass. */
static int recent_in_inbox(struct job *j, size_t *ret)
{
	const struct destination *to = &j->destination;
	struct destination_folder inbox;
	size_t n = 0;
	int code = to->ops->find_folder(to->self, STR_LIT("INBOX"), &inbox, &j->err);

	if (code == 0)
		code = to->ops->each_mail(
			to->self, inbox.id, 1, UINT32_MAX, count_recent, &n, &j->err);
	if (code == 0)
		*ret = n;
	return code;
}

static int need_of(struct job *j, enum need *ret)
{
	bool uses_it = j->settings->uidls == UIDLS_REQUIRE;
	size_t recent = 0;
	int code = 0;

	*ret = NEED_NOT;
	if (!j->settings->services[SERVICE_POP3].enabled)
		return 0;
	if (!uses_it)
		code = registry_uses_service(
			j->registry, j->account.id, STR_LIT("pop3"), &uses_it, &j->err);
	if (code < 0 || uses_it) {
		*ret = NEED_ALL;
		return code;
	}
	/* what was not easy before is not tried while the user is held */
	if (j->is_busy && j->uidls.kept != 1)
		return 0;
	code = recent_in_inbox(j, &recent);
	if (code == -ENOENT) /* without INBOX there is no maildrop to be told apart */
		return 0;
	*ret = recent ? NEED_NOT : NEED_IF_EASY;
	if (recent) {
		j->uidls.kept = -1;
		(void)snprintf(j->uidls.note, sizeof(j->uidls.note),
			"The user has not been seen using POP3; logging in by POP3 could "
			"clear \\Recent on %zu messages.",
			recent);
	}
	return code;
}

static int without_need(struct job *j)
{
	j->uidls.kept = -1;
	(void)snprintf(j->uidls.note, sizeof(j->uidls.note),
		"The user has not been seen using POP3, and it did not work: %.90s",
		j->err.text);
	return 0;
}

/* ── reading ───────────────────────────────────────────────────────────────────────── */

static int read_unless_locked(struct job *j)
{
	uint64_t end = clock_monotonic_ms() + (j->is_busy ? BUSY_LOCKED_MS : LOCKED_MS);
	int code = read_once(j);

	while (code == -EAGAIN && clock_monotonic_ms() < end) {
		code = job_pause(j, TRY_AGAIN_MS);
		code = code ? code : read_once(j);
	}
	return code;
}

int uidls_read(struct job *j)
{
	enum need need = NEED_NOT;
	bool is_done = j->source.ops->prove || onward_renumbers(j);
	int code = j->is_busy && !is_done ? uidls_derive(j, &is_done) : 0;

	if (code == 0 && !is_done)
		code = need_of(j, &need);
	if (code < 0 || is_done || need == NEED_NOT)
		return code;
	code = need == NEED_ALL ? read_unless_locked(j) : read_once(j);
	if (code == -ECONNREFUSED) { /* there is no POP3: nobody has unique-ids to lose */
		j->uidls.kept = -1;
		return 0;
	}
	if (code != -EAGAIN && code != -EACCES && code != -ENOTSUP && code != -EPROTO)
		return code;
	return need == NEED_ALL ? without(j, code) : without_need(j);
}

int uidls_read_early(struct job *j)
{
	int r = uidls_read(j);

	return j->uidls.unproven ? 0 : r;
}

bool uidls_may_be_late(const struct job *j)
{
	return j->uidls.unproven && !j->uidls_known.is_there;
}

/* ── at the switch ─────────────────────────────────────────────────────────────────── */

static int uidls_are_new(struct job *j)
{
	j->uidls.kept = 0;
	(void)snprintf(j->uidls.note, sizeof(j->uidls.note),
		"the destination gives unique-ids of its own");
	return 0;
}

/* Those that came with the messages are proven by their reader. */
int uidls_prove(struct job *j)
{
	struct source_proof proof;
	int r;

	if (!j->source.ops->prove && !onward_renumbers(j))
		return uidls_read(j);
	if (!j->source.ops->prove)
		return uidls_are_new(j);
	r = j->source.ops->prove(j->source.self, &proof, &j->err);
	if (r < 0)
		return r;
	j->uidls.count = proof.count;
	j->uidls.kept = !proof.is_ours;
	j->uidls.last =
		proof.is_ours ? (struct str){ 0 } : arena_str(&j->arena, proof.last);
	(void)snprintf(j->uidls.note, sizeof(j->uidls.note), "the source has no UIDL");
	return onward_renumbers(j) ? uidls_are_new(j) : 0;
}
