/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scrypt, on one of libuv's helper threads at a time: a pure function on its own copy.
 * Comparing goes before making, since somebody waits to be let in.
 */
#include "base/log.h"
#include "vault/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct job {
	uv_work_t work; /* first: libuv gives it back */
	STAILQ_ENTRY(job) entry;
	struct server *server;
	struct arena arena;
	struct job_order order;            /* strings in arena */
	uint64_t networks[GUESS_NETWORKS]; /* CHECK */
	bool is_users; /* CHECK: the account has logged in from that network */
	struct buf made;
	int result;
};

static void start_next(struct server *s);

/* ── on a helper thread ────────────────────────────────────────────────────────────── */

static void run(uv_work_t *work)
{
	struct job *job = (struct job *)work;

	job->result =
		job->order.kind == JOB_CHECK
			? verifier_check_any(job->order.verifiers, job->order.password)
			: verifier_make(job->order.password, &job->made);
}

/* ── what comes of it ──────────────────────────────────────────────────────────────── */

static void checked(struct job *job)
{
	struct job_order *o = &job->order;
	enum verdict verdict = job->result == 0         ? VERDICT_RIGHT
	                       : job->result == -EACCES ? VERDICT_WRONG
	                                                : VERDICT_UNKNOWN;

	if (verdict == VERDICT_RIGHT)
		judge_remember(&job->server->vault, o->verifiers, o->password);
	if (o->asker->fd >= 0)
		check_is_judged(o->asker, o, verdict);
}

static void fail(struct job *job)
{
	struct error err = { 0 };

	error_set(&err, job->result, "cannot make a verifier of the password");
	asker_send_failed(job->order.asker, &err);
}

static void lent(struct job *job)
{
	if (job->order.asker->fd < 0)
		return;
	if (job->result < 0)
		fail(job);
	else
		loan_is_ready(job->order.asker, &job->order, buf_view(&job->made));
}

static void set(struct job *job)
{
	struct job_order *o = &job->order;
	struct message done = { .type = MESSAGE_DONE };
	struct error err = { 0 };

	if (job->result < 0)
		fail(job);
	else if (keep_local(&job->server->vault, o->id, buf_view(&job->made), o->only,
			 &err) < 0)
		asker_send_failed(o->asker, &err);
	else
		asker_send(o->asker, &done);
}

static void free_job(struct job *job)
{
	if (job->order.asker)
		asker_job_done(job->order.asker);
	job->server->n_jobs--;
	buf_wipe(&job->made);
	buf_fini(&job->made);
	arena_fini(&job->arena);
	free(job);
}

static void done(uv_work_t *work, int status)
{
	static void (*const ends[JOB_KIND_COUNT])(
		struct job * job) = { checked, lent, set };
	struct job *job = (struct job *)work;
	struct server *s = job->server;

	s->job_runs = false;
	if (status == 0)
		ends[job->order.kind](job);
	free_job(job);
	start_next(s);
}

/* ── the queue ─────────────────────────────────────────────────────────────────────── */

/* Who guesses at an account in its own network waits for that pair (guess.h): users who
   go before others keep nobody out for long. */
static struct job *choose(struct server *s)
{
	struct job *job, *other = NULL;

	STAILQ_FOREACH(job, &s->jobs, entry)
	if (job->is_users)
		return job;
	else if (!other && job->order.kind == JOB_CHECK)
		other = job;
	return other ? other : STAILQ_FIRST(&s->jobs);
}

static void start_next(struct server *s)
{
	struct job *job = s->job_runs ? NULL : choose(s);

	if (!job)
		return;
	STAILQ_REMOVE(&s->jobs, job, job, entry);
	s->job_runs = uv_queue_work(&s->loop, &job->work, run, done) == 0;
	if (!s->job_runs) {
		job->result = -ENOMEM;
		free_job(job);
	}
}

static bool copy_order(struct job *job, const struct job_order *order)
{
	struct job_order *o = &job->order;
	struct str *const strings[] = { &o->password, &o->verifiers, &o->bearer.account,
		&o->bearer.session, &o->bearer.service, &o->client };

	*o = *order;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i] = arena_str(&job->arena, *strings[i]);
		if (!strings[i]->ptr)
			return false;
	}
	return true;
}

/* A /48 holds 65,536 networks of the size that a subscriber has: it could fill the queue,
   and all others would wait longer than they may. */
bool jobs_have_enough_from(const struct server *s, const struct guess *a)
{
	static const unsigned shares[GUESS_NETWORKS] = { 2, 8, 16 };
	uint64_t networks[GUESS_NETWORKS];
	unsigned n[GUESS_NETWORKS] = { 0 };
	bool is_users = guess_is_users(s->guesses, a);
	const struct job *job;

	guess_networks(s->guesses, a->client, networks);
	STAILQ_FOREACH(job, &s->jobs, entry)
	for (int i = 0; i < GUESS_NETWORKS; i++)
		n[i] += job->order.kind == JOB_CHECK && (job->is_users || !is_users) &&
		        job->networks[i] == networks[i];
	for (int i = 0; i < GUESS_NETWORKS; i++)
		if (n[i] >= shares[i])
			return true;
	return false;
}

static unsigned most_for(const struct job_order *order, bool is_users)
{
	if (order->kind != JOB_CHECK)
		return JOBS_MAX - JOBS_FOR_USERS - JOBS_FOR_LOGINS;
	return is_users ? JOBS_MAX : JOBS_MAX - JOBS_FOR_USERS;
}

int job_add(struct server *s, const struct job_order *order)
{
	const struct guess g = { .account = order->id, .client = order->client };
	bool is_users = order->kind == JOB_CHECK && guess_is_users(s->guesses, &g);
	unsigned most = most_for(order, is_users);
	struct job *job = s->n_jobs < most ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return -EBUSY;
	job->server = s;
	job->is_users = is_users;
	arena_init(&job->arena);
	buf_init(&job->made, 0);
	s->n_jobs++;
	if (!copy_order(job, order)) {
		job->order.asker = NULL;
		free_job(job);
		return -ENOMEM;
	}
	if (order->kind == JOB_CHECK)
		guess_networks(s->guesses, order->client, job->networks);
	order->asker->jobs++;
	STAILQ_INSERT_TAIL(&s->jobs, job, entry);
	start_next(s);
	return 0;
}
