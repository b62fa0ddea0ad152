/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/passwords.h"

#include "base/clock.h"
#include "base/log.h"
#include "registry/masters.h"
#include "transfer/account/job/job.h"
#include "transfer/account/job/loan.h"

#include <errno.h>

#define FRESH_MS 60000 /* a login so young need not be made again */
#define NOT_NOW_TRIES 3
#define NOT_NOW_MS 1000 /* connections of others end meanwhile */

static const char *const state_names[] = { "untried", "taken", "refused" };
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == PASSWORD_STATE_COUNT,
	"a name for each");

void passwords_fini(struct passwords *p)
{
	arena_fini(&p->master.arena);
	*p = (struct passwords){ 0 };
}

const struct own_password *passwords_used(const struct passwords *p)
{
	return &p->at[p->used];
}

static void set_state(struct job *j, struct own_password *p, enum password_state state)
{
	if (p->state != state)
		log_info(NULL, "password", "account=%.*s number=%lld %s -> %s",
			STR_ARG(j->account.name), (long long)p->id, state_names[p->state],
			state_names[state]);
	p->state = state;
	p->tried_at = clock_monotonic_ms();
}

/* ---- what the vault lends ---- */

static int add_master(struct job *j, const struct loan *loan)
{
	struct master_login *m = &j->passwords.master;

	if (m->state != MASTER_NONE)
		return 0;
	m->login = arena_str(&m->arena, loan->login);
	m->user = arena_str(&m->arena, loan->user);
	m->clear = arena_str(&m->arena, loan->password);
	if (!m->login.ptr || !m->user.ptr || !m->clear.ptr)
		return error_set(&j->err, -ENOMEM, "no memory");
	m->state = MASTER_LENT;
	return 0;
}

static int add(void *context, const struct loan *loan)
{
	struct job *j = context;
	struct passwords *all = &j->passwords;
	struct own_password *new = &all->at[all->n];

	if (!loan->id)
		return add_master(j, loan);
	if (all->n == PASSWORDS_MAX)
		return 0;
	*new = (struct own_password){ .id = loan->id,
		.login = arena_str(&j->arena, loan->login),
		.clear = arena_str(&j->arena, loan->password) };
	if (!new->login.ptr || !new->clear.ptr)
		return error_set(&j->err, -ENOMEM, "no memory");
	all->n++;
	return 0;
}

int passwords_read(struct job *j)
{
	int r = loan_take(add, j, &j->err);

	if (r == 0 && !j->passwords.n && !passwords_by_master(&j->passwords))
		r = error_set(
			&j->err, -ENODATA, "no password of this account was seen yet");
	return r;
}

bool passwords_by_master(const struct passwords *p)
{
	return p->master.state != MASTER_NONE;
}

bool passwords_are_spent(const struct passwords *p)
{
	return p->master.state == MASTER_USED;
}

/* ---- logging in ---- */

/* Tried last from now on, by the next process too. */
static void note_refusal(struct job *j, struct own_password *p)
{
	struct error ignored;

	set_state(j, p, PASSWORD_REFUSED);
	(void)registry_refuse(j->registry, j->account.id, p->id, &ignored);
}

static int connect_with(struct job *j, size_t i)
{
	struct own_password *p = &j->passwords.at[i];
	int r = j->source.ops->use(j->source.self, p->login, p->clear, &j->err);

	if (r == 0)
		r = j->source.ops->connect(j->source.self, &j->err);
	if (r == -EACCES)
		note_refusal(j, p);
	if (r < 0)
		return r;
	set_state(j, p, PASSWORD_TAKEN);
	j->passwords.used = i;
	return 0;
}

static int give_master(struct job *j)
{
	struct master_login *m = &j->passwords.master;
	const struct source_ops *ops = j->source.ops;
	int r;

	if (m->state != MASTER_LENT)
		return 0;
	r = ops->use_master ? ops->use_master(j->source.self, m->login, m->user, m->clear,
				      &j->err)
	                    : error_set(&j->err, -EPERM,
				      "a master user copies by IMAP, which the source "
				      "does not have");
	if (r == 0) {
		arena_fini(&m->arena);
		m->state = MASTER_GIVEN;
	}
	return r;
}

static int connect_by_master(struct job *j)
{
	struct master_login *m = &j->passwords.master;
	int r;

	if (m->state == MASTER_USED)
		return error_set(
			&j->err, -ENOTCONN, "the connection as the master user was lost");
	r = give_master(j);
	if (r == 0)
		r = j->source.ops->connect(j->source.self, &j->err);
	if (r == -EACCES)
		(void)registry_master_refused(j->registry, j->account.id, NULL);
	if (r < 0)
		return r;
	m->state = MASTER_USED;
	(void)registry_master_taken(j->registry, j->account.id, NULL);
	log_info(NULL, "password", "account=%.*s by=master", STR_ARG(j->account.name));
	return 0;
}

/* The one that was used before comes first. */
int passwords_connect(struct job *j)
{
	struct passwords *all = &j->passwords;
	struct error first = { 0 };
	int r;

	if (passwords_by_master(all))
		return connect_by_master(j);
	r = passwords_read(j); /* another may have been shown meanwhile */
	for (size_t i = 0; r == 0 && i < all->n; i++) {
		size_t k = (all->used + i) % all->n;

		if (all->at[k].state == PASSWORD_REFUSED)
			continue;
		r = connect_with(j, k);
		if (r != -EACCES)
			return r;
		if (!first.code)
			first = j->err;
		r = 0;
	}
	if (r < 0)
		return r;
	if (!first.code)
		return error_set(
			&j->err, -EACCES, "password no longer accepted by the source");
	j->err = first;
	return first.code;
}

/* ---- before the switch ---- */

static int try_one(struct job *j, struct own_password *p)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < NOT_NOW_TRIES; i++) {
		int stop = i ? job_pause(j, NOT_NOW_MS) : 0;

		if (stop)
			return stop;
		r = j->source.ops->test(j->source.self, p->login, p->clear, &j->err);
	}
	if (r == 0)
		set_state(j, p, PASSWORD_TAKEN);
	else if (r == -EACCES)
		note_refusal(j, p);
	else if (r == -EAGAIN)
		log_warning(NULL, "password",
			"account=%.*s number=%lld: not proven, it will not open the "
			"mailbox here: %s",
			STR_ARG(j->account.name), (long long)p->id, j->err.text);
	return r == -EACCES || r == -EAGAIN ? 0 : r;
}

int passwords_try_others(struct job *j)
{
	struct passwords *all = &j->passwords;
	uint64_t now = clock_monotonic_ms();
	int r = passwords_read(j);

	for (size_t i = 0; r == 0 && i < all->n; i++) {
		struct own_password *p = &all->at[i];
		bool is_fresh =
			p->state == PASSWORD_TAKEN && now - p->tried_at < FRESH_MS;

		if (i != all->used && p->state != PASSWORD_REFUSED && !is_fresh)
			r = try_one(j, p);
	}
	return r;
}

/* The one that is tried first needs one as well: it may be taken while nobody is served.
 */
static bool has_use(const struct job *j, const struct own_password *p)
{
	return p->state == PASSWORD_TAKEN ||
	       (p->state == PASSWORD_UNTRIED && p == passwords_used(&j->passwords));
}

int passwords_make_verifiers(struct job *j)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->passwords.n; i++) {
		struct own_password *p = &j->passwords.at[i];

		if (!has_use(j, p) || p->is_prepared)
			continue;
		r = loan_prepare(p->id, &j->err);
		p->is_prepared = r == 0;
	}
	return r;
}

/* ---- what opens the mailbox here ---- */

static int prove_one(struct job *j, struct own_password *p)
{
	int r = loan_prove(p->id, &j->err);

	p->is_proven = r == 0;
	if (r == 0)
		j->passwords.last_proven = p;
	/* forgotten for newer ones meanwhile: the used one must not be */
	return r == -ENOENT && p != passwords_used(&j->passwords) ? 0 : r;
}

/* The used one last: the account's login is that of the last one. */
int passwords_prove(struct job *j)
{
	struct passwords *all = &j->passwords;
	struct own_password *used = &all->at[all->used];
	int r;

	if (passwords_by_master(all) || !all->n)
		return error_set(
			&j->err, -EPERM, "no password of the user's own is proven");
	r = passwords_make_verifiers(j);

	for (size_t i = 0; r == 0 && i < all->n; i++) {
		struct own_password *p = &all->at[i];

		if (p != used && p->state == PASSWORD_TAKEN && !p->is_proven)
			r = prove_one(j, p);
	}
	return r || all->last_proven == used ? r : prove_one(j, used);
}
