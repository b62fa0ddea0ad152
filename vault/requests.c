/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who may ask what: one row for each request. There is no other way in.
 */
#include "vault/asker.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "vault/server.h"
#include "wire/challenge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAY(role) (1u << (role))

/* ── workers ───────────────────────────────────────────────────────────────────────── */

void answer_verdict(
	struct asker *a, const struct ticket_bearer *bearer, enum verdict verdict)
{
	char ticket[TICKET_SIZE];
	struct message m = {
		.type = MESSAGE_VERDICT, .session = bearer->session, .number = verdict
	};

	if (verdict == VERDICT_RIGHT) {
		if (judge_ticket(
			    &a->server->vault, bearer, clock_monotonic_ms(), ticket) == 0)
			m.payload = str_of(ticket, sizeof(ticket));
		else
			m.number = VERDICT_UNKNOWN;
	}
	asker_send(a, &m);
}

static struct challenge_proof proof_of(const struct message *m)
{
	struct challenge_proof p = { .challenge = m->tag, .digest = m->payload };

	if (str_eq(m->text, STR_LIT("APOP")))
		p.kind = CHALLENGE_APOP;
	else if (str_eq(m->text, STR_LIT("CRAM-MD5")))
		p.kind = CHALLENGE_CRAM_MD5;
	return p;
}

void check_is_judged(struct asker *a, const struct job_order *order, enum verdict verdict)
{
	const struct guess g = {
		.account = order->id, .client = order->client, .password = order->password
	};

	if (verdict == VERDICT_WRONG)
		guess_was_wrong(a->server->guesses, &g, clock_monotonic_ms());
	else if (verdict == VERDICT_RIGHT)
		guess_was_right(a->server->guesses, &g, clock_monotonic_ms());
	answer_verdict(a, &order->bearer, verdict);
}

/* false: its network has enough of scrypt already. */
static bool judge_now(struct asker *a, const struct question *q, struct job_order *order,
	struct arena *arena)
{
	const struct guess g = { .account = order->id, .client = order->client };
	struct server *s = a->server;
	struct judgement j;

	judge(&s->vault, q, arena, &j);
	order->bearer.account = j.name;
	order->verifiers = j.verifiers;
	if (!j.needs_scrypt)
		check_is_judged(a, order, j.verdict);
	else if (jobs_have_enough_from(s, &g))
		return false;
	else if (job_add(s, order) < 0)
		return false;
	return true;
}

static bool check_password(struct asker *a, const struct message *m,
	struct challenge_proof *proof, struct str password, struct arena *arena)
{
	struct question q = {
		.account = (int64_t)m->number, .password = password, .proof = proof
	};
	const struct guess g = {
		.account = q.account, .client = m->client, .password = password
	};
	struct job_order order = { .kind = JOB_CHECK,
		.asker = a,
		.id = q.account,
		.password = password,
		.client = m->client,
		.bearer = { .session = m->session, .service = m->service } };

	return !guess_wait(a->server->guesses, &g, clock_monotonic_ms()) &&
	       judge_now(a, &q, &order, arena);
}

/* What a session showed when it logged in at the source, closed for it alone: a candidate
   of the registry is closed for its account, and opens nothing here. */
static int open_box(
	struct asker *a, const struct message *m, struct arena *arena, struct str *ret)
{
	char name[BOX_NAME_MAX];
	struct str of;
	bool is_seal = false;
	int r = box_name_of_session(m->session, name, &of);

	if (r == 0)
		r = seal_open(
			&a->server->vault.keys, of, m->payload, arena, ret, &is_seal);
	return r == 0 && is_seal ? -EBADMSG : r;
}

bool check_now(struct asker *a, const struct message *m)
{
	const struct ticket_bearer bearer = { .session = m->session };
	struct challenge_proof proof = proof_of(m);
	struct str password = m->payload;
	struct arena arena;
	bool is_done = true;

	arena_init(&arena);
	if (!str_eq(m->text, STR_LIT("BOX")))
		is_done = check_password(
			a, m, m->text.len ? &proof : NULL, password, &arena);
	else if (open_box(a, m, &arena, &password) == 0)
		is_done = check_password(a, m, NULL, password, &arena);
	else
		answer_verdict(a, &bearer, VERDICT_UNKNOWN);
	arena_fini(&arena);
	return is_done;
}

static void on_check(struct asker *a, const struct message *m, int fd)
{
	const struct ticket_bearer bearer = { .session = m->session };

	(void)fd;
	/* no worker has a longer one; by the thousand they would be much memory */
	if (message_length(m) > MESSAGE_SMALL_MAX ||
		(!check_now(a, m) && waiting_add(a->server, a, m) < 0))
		answer_verdict(a, &bearer, VERDICT_UNKNOWN);
}

static void on_compare(struct asker *a, const struct message *m, int fd)
{
	struct message answer = { .type = MESSAGE_COMPARED, .session = m->session };
	struct guesses *g = a->server->guesses;
	int64_t account = (int64_t)m->number, same = 0;
	uint64_t now = clock_monotonic_ms();

	(void)fd;
	if (guess_may_compare(g, account, now)) {
		same = judge_same(&a->server->vault, account, m->payload);
		if (!same)
			guess_compared_in_vain(g, account, now);
	}
	answer.number = (uint64_t)same; /* none: it is kept as a new candidate */
	asker_send(a, &answer);
}

static void on_sign(struct asker *a, const struct message *m, int fd)
{
	(void)fd;
	sign(a, m);
}

/* ── transfers ─────────────────────────────────────────────────────────────────────── */

static void on_order(struct asker *a, const struct message *m, int fd)
{
	struct asker *child = asker_new(a->server, ROLE_ACCOUNT, fd);

	if (child)
		child->account = (int64_t)m->number;
	else
		fd_closep(&fd);
}

static void send_loan(struct asker *a, const struct loan *l)
{
	const struct message m = { .type = MESSAGE_PASSWORD,
		.number = (uint64_t)l->id,
		.account = l->name,
		.text = l->login,
		.payload = l->password };

	asker_send(a, &m);
}

/* number 0: there is no such password of the account, so it cannot be proven. */
static void send_master(struct asker *a, struct error *err)
{
	struct message m = { .type = MESSAGE_PASSWORD };
	struct master_loan l;
	struct arena arena;
	int r;

	arena_init(&arena);
	r = keep_lend_master(&a->server->vault, a->account, &arena, &l, err);
	if (r == 0) {
		m.text = l.login;
		m.tag = l.user;
		m.payload = l.password;
		asker_send(a, &m);
	}
	if (r == -ENOENT)
		*err = (struct error){ 0 };
	arena_fini(&arena);
}

static void on_lend(struct asker *a, const struct message *m, int fd)
{
	const struct message done = { .type = MESSAGE_DONE };
	bool is_first = !a->loans;
	struct error err = { 0 };
	size_t i = a->n_loans;

	(void)m;
	(void)fd;
	if (is_first)
		a->loans = calloc(LOANS_MAX, sizeof(*a->loans));
	if (!a->loans)
		error_set(&err, -ENOMEM, "no memory");
	else
		(void)keep_lend(&a->server->vault, a->account, &a->arena, a->loans,
			&a->n_loans, &err);
	if (err.code) {
		asker_send_failed(a, &err);
		return;
	}
	for (; i < a->n_loans; i++)
		send_loan(a, &a->loans[i]);
	/* the first question comes before the source has said a word; a later one may be
	   that of a process which a message has taken over, and which has written into
	   the registry that its passwords are refused */
	if (is_first)
		send_master(a, &err);
	if (err.code)
		asker_send_failed(a, &err);
	else
		asker_send(a, &done);
}

static struct loan *find_loan(struct asker *a, int64_t id)
{
	for (size_t i = 0; i < a->n_loans; i++)
		if (a->loans[i].id == id)
			return &a->loans[i];
	return NULL;
}

static void prove(struct asker *a, const struct loan *l)
{
	struct message done = { .type = MESSAGE_DONE, .number = (uint64_t)l->id };
	struct error err = { 0 };
	int r = keep_proven(&a->server->vault, l, &err);

	if (r < 0 && r != -ENOENT) {
		asker_send_failed(a, &err);
		return;
	}
	done.number2 = r == -ENOENT;
	if (r == 0)
		log_info(NULL, "proven", "account=%.*s number=%lld", STR_ARG(l->name),
			(long long)l->id);
	asker_send(a, &done);
}

/* Once its verifier is there. */
static void answer_loan(struct asker *a, struct loan *l, bool proves)
{
	const struct message done = { .type = MESSAGE_DONE, .number = (uint64_t)l->id };

	if (proves)
		prove(a, l);
	else
		asker_send(a, &done);
}

void loan_is_ready(struct asker *a, const struct job_order *order, struct str verifier)
{
	struct loan *l = find_loan(a, order->id);
	struct error err = { 0 };

	buf_clear(&l->verifier);
	if (buf_append(&l->verifier, verifier) == 0) {
		answer_loan(a, l, order->proves);
		return;
	}
	error_set(&err, -ENOMEM, "no memory");
	asker_send_failed(a, &err);
}

static void see_loan(struct asker *a, int64_t id, bool proves)
{
	struct loan *l = find_loan(a, id);
	struct job_order order = {
		.kind = JOB_LOAN, .asker = a, .id = id, .proves = proves
	};
	struct error err = { 0 };

	if (l && buf_len(&l->verifier)) {
		answer_loan(a, l, proves);
		return;
	}
	if (l)
		order.password = l->password;
	if (!l)
		error_set(&err, -EPERM, "that was not lent");
	else if (a->jobs >= ASKER_LOANS_MAX || job_add(a->server, &order) < 0)
		error_set(&err, -EBUSY, "the vault is overloaded");
	if (err.code)
		asker_send_failed(a, &err);
}

static void on_prepare(struct asker *a, const struct message *m, int fd)
{
	(void)fd;
	see_loan(a, (int64_t)m->number, false);
}

static void on_proved(struct asker *a, const struct message *m, int fd)
{
	(void)fd;
	see_loan(a, (int64_t)m->number, true);
}

static void send_residence(struct asker *a, int64_t account)
{
	struct message m = { .type = MESSAGE_RESIDENCE_IS };
	struct error err = { 0 };
	struct arena arena;

	arena_init(&arena);
	if (keep_residence(&a->server->vault, account, &arena, &m.text, &err) < 0)
		asker_send_failed(a, &err);
	else
		asker_send(a, &m);
	arena_fini(&arena);
}

/* Of the account that it moves, whatever it asks for. */
static void on_own_residence(struct asker *a, const struct message *m, int fd)
{
	(void)m;
	(void)fd;
	send_residence(a, a->account);
}

/* ── commands ──────────────────────────────────────────────────────────────────────── */

static void on_set_password(struct asker *a, const struct message *m, int fd)
{
	struct job_order order = { .kind = JOB_SET,
		.asker = a,
		.id = (int64_t)m->number,
		.only = m->number2 != 0,
		.password = m->payload };

	struct error err = { 0 };
	int r = job_add(a->server, &order);

	(void)fd;
	if (r == 0)
		return;
	error_errno(&err, r, "the vault cannot make a verifier now");
	asker_send_failed(a, &err);
}

static void on_import_password(struct asker *a, const struct message *m, int fd)
{
	enum import_outcome outcome;
	struct error err = { 0 };
	struct message done = { .type = MESSAGE_DONE };

	(void)fd;
	if (keep_import(&a->server->vault, m->account, m->payload, m->number2, &outcome,
		    &err) < 0) {
		asker_send_failed(a, &err);
		return;
	}
	done.number = outcome;
	asker_send(a, &done);
}

static void on_import_master(struct asker *a, const struct message *m, int fd)
{
	const struct master_order order = { .user = m->account,
		.login = m->text,
		.password = m->payload,
		.is_suffix = m->number != 0,
		.size = m->number2 };
	struct message done = { .type = MESSAGE_DONE };
	enum import_outcome outcome;
	struct error err = { 0 };

	(void)fd;
	if (keep_import_master(&a->server->vault, &order, &outcome, &err) < 0) {
		asker_send_failed(a, &err);
		return;
	}
	done.number = outcome;
	asker_send(a, &done);
}

static void on_rename(struct asker *a, const struct message *m, int fd)
{
	const struct rename rename = { .account = (int64_t)m->number,
		.from = m->account,
		.to = m->text,
		.drop = m->tag };
	struct message done = { .type = MESSAGE_DONE };
	struct error err = { 0 };

	(void)fd;
	if (keep_rename(&a->server->vault, &rename, &err) < 0) {
		asker_send_failed(a, &err);
		return;
	}
	log_info(NULL, "renamed", "account=%.*s to=\"%.*s\"", STR_ARG(m->account),
		STR_ARG(m->text));
	asker_send(a, &done);
}

static void on_residence(struct asker *a, const struct message *m, int fd)
{
	(void)fd;
	send_residence(a, (int64_t)m->number);
}

static void on_confirm(struct asker *a, const struct message *m, int fd)
{
	const struct vault_keys *keys = &a->server->vault.keys;
	struct message done = { .type = MESSAGE_DONE };

	(void)fd;
	done.number = residence_is_bound(keys, m->account, m->text);
	asker_send(a, &done);
}

/* ── the table ─────────────────────────────────────────────────────────────────────── */

static void on_ping(struct asker *a, const struct message *m, int fd)
{
	const struct message answer = { .type = MESSAGE_PONG };

	(void)m;
	(void)fd;
	asker_send(a, &answer);
}

static const struct request_row {
	enum message_type type;
	size_t n_fds;
	unsigned who;
	void (*handle)(struct asker *a, const struct message *m, int fd);
} rows[] = {
	{ MESSAGE_PING, 0, MAY(ROLE_COMMAND), on_ping },
	{ MESSAGE_CHECK, 0, MAY(ROLE_LOGIN), on_check },
	{ MESSAGE_COMPARE, 0, MAY(ROLE_LOGIN), on_compare },
	{ MESSAGE_SIGN, 0, MAY(ROLE_LOGIN), on_sign },
	{ MESSAGE_LEND, 1, MAY(ROLE_MOVE), on_order },
	{ MESSAGE_LEND, 0, MAY(ROLE_ACCOUNT), on_lend },
	{ MESSAGE_PREPARE, 0, MAY(ROLE_ACCOUNT), on_prepare },
	{ MESSAGE_PROVED, 0, MAY(ROLE_ACCOUNT), on_proved },
	{ MESSAGE_RESIDENCE, 0, MAY(ROLE_ACCOUNT), on_own_residence },
	{ MESSAGE_RESIDENCE, 0, MAY(ROLE_COMMAND), on_residence },
	{ MESSAGE_CONFIRM, 0, MAY(ROLE_COMMAND), on_confirm },
	{ MESSAGE_SET_PASSWORD, 0, MAY(ROLE_COMMAND), on_set_password },
	{ MESSAGE_IMPORT_PASSWORD, 0, MAY(ROLE_COMMAND), on_import_password },
	{ MESSAGE_IMPORT_MASTER, 0, MAY(ROLE_COMMAND), on_import_master },
	{ MESSAGE_RENAME, 0, MAY(ROLE_COMMAND), on_rename },
	{ MESSAGE_RENEWAL_FILE, 1, MAY(ROLE_COMMAND), request_renewal_file },
	{ MESSAGE_RENEW, 0, MAY(ROLE_COMMAND), request_renew },
};

bool request(struct asker *a, const struct message *m, int *fds, size_t n_fds)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct request_row *row = &rows[i];

		if (row->type != m->type || row->n_fds != n_fds ||
			!(row->who & MAY(a->role)))
			continue;
		row->handle(a, m, n_fds ? fd_steal(&fds[0]) : -1);
		return true;
	}
	while (n_fds)
		fd_closep(&fds[--n_fds]);
	return false;
}

static void greet_login(struct asker *a)
{
	const struct vault_keys *keys = &a->server->vault.keys;
	struct message m = { .type = MESSAGE_VAULT_READY,
		.payload = str_of(keys->box_public, sizeof(keys->box_public)) };

	asker_send(a, &m);
	request_send_identities(a);
}

static void greet_mail(struct asker *a)
{
	struct vault *v = &a->server->vault;
	struct message m = { .type = MESSAGE_VAULT_READY };

	if (vault_renew_tickets(v) < 0) {
		asker_close(a);
		return;
	}
	m.number = v->ticket_key.epoch;
	m.payload = str_of(v->ticket_key.key, sizeof(v->ticket_key.key));
	asker_send(a, &m);
}

void request_greet(struct asker *a)
{
	static void (*const greetings[ROLE_COUNT])(struct asker * a) = {
		[ROLE_LOGIN] = greet_login,
		[ROLE_MAIL] = greet_mail,
	};

	if (greetings[a->role])
		greetings[a->role](a);
}
