/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/account.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "mailstore/store/store.h"
#include "transfer/account/arrival.h"
#include "transfer/account/deadline.h"
#include "transfer/account/equal.h"
#include "transfer/account/found.h"
#include "transfer/account/held.h"
#include "transfer/account/job/job.h"
#include "transfer/account/job/loan.h"
#include "transfer/account/leave.h"
#include "transfer/account/out_of_service.h"
#include "transfer/account/uidls/uidls.h"
#include "transfer/account/vouch.h"

#include <errno.h>
#include <stdio.h>

#define SMALL_DELTA 50 /* differences that cost no more than a round trip or two */
#define ROUNDS_MAX 5   /* of catch-up: a user who changes more than that wins */
#define FRESH_MS 1500  /* a pass so young needs no other one before the switch */
#define FRESH_TIMES 4  /* a login that took long is fresh for longer */
#define AWAIT_MS 5000  /* then the place goes to another account */
#define PROOFS_MAX 4   /* nothing changes at the source any more: two do */
#define LATE_ROUNDS 10 /* a source that still works on its queue of mail */
#define LATE_MS 250    /* that it gets for it, more with each round */
#define HELD_COPY_SPARE_MS 1000 /* of the hold: the user is then let in at the source */

/* One that was killed is started again at once. */
#define VAULT_BACK_MS 500

enum step {
	STEP_START,
	STEP_COPY,
	STEP_HELD_COPY,
	STEP_CATCH_UP,
	STEP_AWAIT,
	STEP_SWITCH,
	STEP_QUIESCE,
	STEP_PROVE,
	STEP_ARRIVE,
	STEP_PARKED,
	STEP_HELD,
	STEP_COPIED,
	STEP_OVER,
	STEP_COUNT
};
static const char *const step_names[] = { "start", "copy", "held-copy", "catch-up",
	"await", "switch", "quiesce", "prove", "arrive", "parked", "held", "copied",
	"over" };
_Static_assert(
	sizeof(step_names) / sizeof(step_names[0]) == STEP_COUNT, "a name for each");

/* Each does its work and says what comes next. 0 or -errno with the sentence. */
typedef int step_fn(struct job *j, enum step *next);

/* ---- waiting for the user's log-off ---- */

/* When waiting ends because devices that never leave have had their time; 0: never. */
static int forced_at(struct job *j, uint64_t *ret_at)
{
	uint64_t now = clock_wall_ms(), since;
	int r = deadline_since(j->registry, j->account.id, now, &since, &j->err);

	if (r == 0)
		*ret_at = deadline_next(j->settings, since, now);
	return r;
}

static int step_await(struct job *j, enum step *next)
{
	uint64_t forced = 0, now = clock_wall_ms();
	unsigned ms = AWAIT_MS;
	int r;

	if (passwords_by_master(&j->passwords)) {
		*next = STEP_COPIED;
		return 0;
	}
	r = held(j);
	*next = STEP_HELD;
	if (r == 0)
		r = forced_at(j, &forced);
	if (r)
		return r < 0 ? r : 0;
	if (forced && forced < now + ms)
		ms = forced > now ? (unsigned)(forced - now) : 1;
	r = leave_await(j, ms);
	j->is_forced = r == -ETIMEDOUT && forced && clock_wall_ms() >= forced;
	*next = r == 0 || j->is_forced ? STEP_SWITCH : STEP_PARKED;
	return r == -ETIMEDOUT ? 0 : r;
}

/* ---- copying ---- */

/* What cannot be read may have vanished meanwhile: the second pass knows. */
static int catch_up(struct job *j)
{
	int r = 0;

	for (int round = 0; r == 0 && round < ROUNDS_MAX; round++) {
		bool is_odd;

		r = job_pass(j);
		is_odd = j->sync.n_unreadable &&
		         (round == 0 || !equal_leaves_unreadable(j));
		if (r == 0 && is_odd && round > 0)
			r = equal_refuse_unreadable(j);
		if (!is_odd && j->sync.differences - j->sync.n_unreadable <= SMALL_DELTA)
			break;
	}
	return r;
}

/* A maildrop is not read while its owner is in. */
static bool waits_before_copy(const struct job *j)
{
	return job_is_exclusive(j) ||
	       (!j->settings->precopy && j->settings->strategy == STRATEGY_AFTER_LOGOFF);
}

/* The user is held at the first login: they must be off the source for us to be in. */
static bool is_held_copy(struct job *j)
{
	return job_is_exclusive(j) && j->settings->strategy == STRATEGY_IMMEDIATE &&
	       j->settings->hold_s * 1000 > HELD_COPY_SPARE_MS && held(j) == 0;
}

static void begin_held_copy(struct job *j)
{
	if (is_held_copy(j))
		j->held_copy_ends = clock_monotonic_ms() +
		                    j->settings->hold_s * UINT64_C(1000) -
		                    HELD_COPY_SPARE_MS;
}

static int switch_back(struct job *j, struct str why)
{
	int r = job_take_back_mark(j);

	if (r == 0)
		r = job_event(j, EVENT_SWITCH_BACK, why);
	if (r < 0)
		return r;
	j->is_busy = false;
	job_route_changed(j);
	return 0;
}

/* The password that it began to switch with is refused by now. */
static int leave_switch(struct job *j, enum step *next)
{
	*next = STEP_CATCH_UP;
	return switch_back(j, STR_LIT("the user's password is refused"));
}

static int step_start(struct job *j, enum step *next)
{
	int r = 0;

	switch (j->account.stage) {
	case STAGE_SWITCHING:
		j->is_busy = true;
		if (passwords_by_master(&j->passwords))
			return leave_switch(j, next);
		begin_held_copy(j);
		*next = STEP_QUIESCE;
		break;
	case STAGE_CATCHING_UP:
		*next = job_is_exclusive(j) ? STEP_AWAIT : STEP_CATCH_UP;
		break;
	case STAGE_DUE:
		if (is_held_copy(j)) {
			*next = STEP_HELD_COPY;
			break;
		}
		/* fall through */
	case STAGE_FAILED:
	case STAGE_COPYING:
		if (waits_before_copy(j))
			r = leave_logoff(j, AWAIT_MS);
		*next = r == -ETIMEDOUT ? STEP_PARKED : STEP_COPY;
		break;
	case STAGE_IDLE:
	case STAGE_DONE:
	case STAGE_COUNT:
		*next = STEP_OVER;
		break;
	}
	return r == -ETIMEDOUT ? 0 : r;
}

static int step_copy(struct job *j, enum step *next)
{
	int r = job_begin_copy(j);

	if (r == 0)
		r = job_pass(j);
	if (r < 0)
		return r;
	/* what changed meanwhile is caught up with before the switch */
	*next = j->sync.n_unreadable ? STEP_CATCH_UP : STEP_AWAIT;
	return j->sync.n_unreadable ? 0 : job_event(j, EVENT_CATCH_UP, STR_LIT(""));
}

/* Where the source has one session at a time, its greeting is heard before. Else it opens
   the folder that the next pass begins with. */
static int prepare(struct job *j)
{
	if (j->source.ops->prepare)
		return j->source.ops->prepare(j->source.self, &j->err);
	return j->is_connected ? sync_prepare(&j->sync, &j->err) : 0;
}

/* A connection that is lost by then is made anew while the user is served. */
static int prepare_or_reconnect(struct job *j)
{
	int r = prepare(j);

	if (job_is_exclusive(j) || !job_may_pass(r))
		return r;
	job_disconnect(j);
	return catch_up(j);
}

/* The whole copy at once, while nobody is served. What is not done then goes on after the
   log-off. */
static int step_held_copy(struct job *j, enum step *next)
{
	int r = passwords_make_verifiers(j);

	if (r == 0)
		r = prepare(j);
	if (r == 0)
		r = job_begin_copy(j);
	if (r == 0)
		r = job_event(j, EVENT_CATCH_UP, STR_LIT("held"));
	if (r == 0)
		r = job_event(j, EVENT_SWITCH, STR_LIT("held"));
	if (r < 0)
		return r;
	begin_held_copy(j);
	j->is_busy = true;
	job_route_changed(j);
	*next = STEP_QUIESCE;
	return 0;
}

static int step_catch_up(struct job *j, enum step *next)
{
	bool copying = j->sync.n_unreadable > 0; /* not complete yet: no event so far */
	int r = catch_up(j);

	if (r == 0 && copying)
		r = job_event(j, EVENT_CATCH_UP, STR_LIT(""));
	*next = STEP_AWAIT;
	return r;
}

/* ---- the switch ---- */

/* Now that no mail comes any more. */
static int read_late_uidls(struct job *j)
{
	bool again = uidls_may_be_late(j);
	int r = again ? catch_up(j) : 0;

	if (r == 0 && again)
		r = uidls_read(j);
	uidls_prepare(j);
	return r;
}

static bool is_synced(const struct job *j, uint64_t now)
{
	return now - j->synced_at <= FRESH_MS && (j->is_connected || job_is_exclusive(j));
}

/* What changes from here on may not be told to sessions that are held. */
static int note_live(struct job *j)
{
	const struct destination *to = &j->destination;
	char text[24];
	int r;

	if (!leave_is_live(j) || !to->ops)
		return 0;
	(void)snprintf(text, sizeof(text), "%llu",
		(unsigned long long)to->ops->modseq(to->self));
	r = to->ops->set_note(to->self, STR_LIT(LIVE_MODSEQ), str_from(text), &j->err);
	return r ? r : to->ops->commit(to->self, &j->err);
}

/* What the end of the copy would have to write down. */
static int settle(struct job *j)
{
	const struct destination *to = &j->destination;

	return to->ops->settle ? to->ops->settle(to->self, &j->err) : 0;
}

/* What has arrived meanwhile is copied while the user is served. */
static int announce(struct job *j)
{
	bool had_to_wait = false;
	int r = leave_announce(j, &had_to_wait);

	return r || !had_to_wait ? r : catch_up(j);
}

/* Everything that takes time comes before nobody is served any more. A login that is not
   fresh is made again: the password that will be asked for here may be an old one, and
   then the user stays at the source until a login has shown us the new one. */
static int step_switch(struct job *j, enum step *next)
{
	uint64_t now;
	int r = job_check_wanted(j);

	if (r == 0 && (passwords_by_master(&j->passwords) || j->vouching.is_due))
		r = error_set(&j->err, -EPERM, "the copy is not known to be this user's");
	if (r == 0 && !job_is_exclusive(j))
		r = onward_prove(j); /* once more when nobody is served */
	now = clock_monotonic_ms();
	if (j->is_connected &&
		now - j->connected_at > FRESH_MS + FRESH_TIMES * j->connect_ms)
		job_disconnect(j);
	/* a maildrop only after the sessions that must end have ended */
	if (r == 0 && !(job_is_exclusive(j) && j->is_forced) && !is_synced(j, now))
		r = catch_up(j);
	if (r == 0 && !(job_is_exclusive(j) && j->is_forced))
		r = passwords_try_others(j);
	if (r == 0)
		r = passwords_make_verifiers(j);
	if (r == 0)
		r = uidls_read_early(j);
	if (r == 0 && !job_is_exclusive(j))
		r = announce(j);
	if (r == 0)
		r = read_late_uidls(j);
	/* what came while that was read is copied before nobody is served */
	if (r == 0 && !job_is_exclusive(j) && j->uidls.kept >= 0)
		r = catch_up(j);
	if (r == 0)
		r = prepare_or_reconnect(j);
	/* of a maildrop no login was made yet */
	if (r == 0 && !job_is_exclusive(j))
		r = passwords_prove(j);
	if (r == 0)
		r = note_live(j);
	if (r == 0)
		r = settle(j);
	if (r == 0)
		r = job_event(j, EVENT_SWITCH,
			j->is_forced ? STR_LIT("deadline")
			: j->is_live ? STR_LIT("live")
				     : STR_LIT("logged off"));
	if (r < 0)
		return r;
	j->is_busy = true;
	j->out_since = j->out_lap = clock_monotonic_ms();
	job_route_changed(j);
	*next = STEP_QUIESCE;
	return 0;
}

#define UNSEEN_TEXT "somebody may read it unseen"

static int step_quiesce(struct job *j, enum step *next)
{
	uint64_t quiet = 0;
	int r = leave_quiesce(j, &quiet);
	bool settled = r == 0 && quiet;

	out_of_service_lap(j, OUT_QUIESCE);
	*next = STEP_PROVE;
	/* the interceptor has written all that it sees */
	if (settled)
		r = held(j);
	if (r == -ECANCELED || (settled && !r))
		return r;
	*next = STEP_AWAIT;
	/* somebody slipped in, or nobody can say so */
	return switch_back(j, r == 1   ? STR_LIT(UNSEEN_TEXT)
			      : r == 0 ? STR_LIT("a session is open")
				       : str_from(j->err.text));
}

/* Each pass has found what came since the one before, and nothing else. The user is
   served until the source is done with it; a maildrop goes to its owner first. */
static int go_round(struct job *j, enum step *next)
{
	int r = switch_back(j, STR_LIT("mail still comes at the source"));

	*next = job_is_exclusive(j) ? STEP_PARKED : STEP_CATCH_UP;
	return r || job_is_exclusive(j) ? r : job_pause(j, LATE_MS * j->came_late);
}

static int prove_onward(struct job *j)
{
	int r = onward_prove(j);

	out_of_service_lap(j, OUT_ONWARD);
	return r;
}

static int step_prove(struct job *j, enum step *next)
{
	bool looked_again = false;
	int r = 0;

	*next = STEP_ARRIVE;
	for (int i = 0; r == 0 && i < PROOFS_MAX; i++) {
		r = job_pass(j);
		out_of_service_lap(j, OUT_PASS);
		if (r < 0 || !equal_is(j))
			continue;
		/* those that could not be tried while the user had the maildrop */
		r = job_is_exclusive(j) ? passwords_try_others(j) : 0;
		if (r)
			return r;
		r = uidls_prove(j);
		out_of_service_lap(j, OUT_UIDLS);
		/* mail that came after the pass matches nothing: another one finds it */
		if (!j->uidls.unproven || looked_again)
			return r ? r : prove_onward(j);
		looked_again = true;
		r = 0;
	}
	if (r == 0 && j->sync.n_unreadable && !equal_leaves_unreadable(j))
		return equal_refuse_unreadable(j);
	if (r == 0 && sync_has_only_news(&j->sync) && j->came_late++ < LATE_ROUNDS)
		return go_round(j, next);
	return r ? r
	         : error_set(&j->err, -EREMOTEIO, "source and copy differ: %s",
			   j->sync.first);
}

/* From the mark on everything is news that the source does not have. */
static int step_arrive(struct job *j, enum step *next)
{
	struct account_result result;
	int r;

	out_of_service_lap(j, OUT_ONWARD);
	r = passwords_prove(j); /* those that the source took from this process */
	if (r == 0)
		r = result_make(j, true, &result);
	if (r == 0)
		r = arrival_mark(j);
	if (r == 0)
		r = arrival_finish(j, &result);
	if (r < 0)
		return r;
	/* one that began meanwhile; another process tries again when it is over */
	*next = r ? STEP_HELD : STEP_OVER;
	if (r)
		return switch_back(j, STR_LIT(UNSEEN_TEXT));
	job_route_changed(j);
	out_of_service_log(j);
	return 0;
}

/* ---- from step to step ---- */

static step_fn *const steps[] = {
	[STEP_START] = step_start,
	[STEP_COPY] = step_copy,
	[STEP_HELD_COPY] = step_held_copy,
	[STEP_CATCH_UP] = step_catch_up,
	[STEP_AWAIT] = step_await,
	[STEP_SWITCH] = step_switch,
	[STEP_QUIESCE] = step_quiesce,
	[STEP_PROVE] = step_prove,
	[STEP_ARRIVE] = step_arrive,
};

/* The user stays at the source, or is there again. */
static enum account_exit fail(struct job *j, enum step at)
{
	struct error why = j->err;

	log_warning(NULL, "failed", "account=%.*s step=%s reason=\"%s\"",
		STR_ARG(j->account.name), step_names[at], why.text);
	if (j->sync.n_unreadable || !j->uidls.kept)
		result_write_failure(j);
	if (job_take_back_mark(j) < 0 || job_event(j, EVENT_FAIL, str_from(why.text)) < 0)
		return ACCOUNT_BROKEN;
	/* else it is as before */
	if (loan_is_lost())
		(void)registry_try_soon(j->registry, j->account.id, VAULT_BACK_MS, NULL);
	if (j->is_busy)
		job_route_changed(j);
	return ACCOUNT_OVER;
}

/* The user, or somebody else, has the maildrop for a moment: nothing has failed. What is
   here stays, and the copy goes on when they have left. */
static bool must_make_way(const struct job *j, int code)
{
	return code == -EINTR || code == -ETIME ||
	       (job_is_exclusive(j) && code == -EAGAIN);
}

static enum account_exit make_way(struct job *j, enum step at)
{
	struct error why = j->err;

	log_info(NULL, "makes-way", "account=%.*s step=%s reason=\"%s\"",
		STR_ARG(j->account.name), step_names[at], why.text);
	if (job_take_back_mark(j) < 0 ||
		(j->is_busy && job_event(j, EVENT_SWITCH_BACK, str_from(why.text)) < 0))
		return ACCOUNT_BROKEN;
	job_route_changed(
		j); /* a login that waits for the maildrop tries again at once */
	return ACCOUNT_PARKED;
}

/* It got somewhere, and only a process that begins anew can log in as the master user. */
static bool is_over_for_now(const struct job *j, int code)
{
	if (!passwords_are_spent(&j->passwords) || !job_may_pass(code) ||
		j->pass_ms < JOB_LONG_PASS_MS)
		return false;
	log_info(NULL, "again", "account=%.*s reason=\"%s\"", STR_ARG(j->account.name),
		j->err.text);
	return true;
}

static const enum account_exit ends[STEP_COUNT] = {
	[STEP_PARKED] = ACCOUNT_PARKED,
	[STEP_HELD] = ACCOUNT_HELD,
	[STEP_COPIED] = ACCOUNT_COPIED,
};

static enum account_exit walk(struct job *j)
{
	enum step now = STEP_START, next = STEP_OVER;
	int r = 0;

	while (now != STEP_OVER && !ends[now]) {
		r = steps[now](j, &next);
		if (r)
			break;
		log_debug(NULL, "step", "account=%.*s %s -> %s", STR_ARG(j->account.name),
			step_names[now], step_names[next]);
		now = next;
	}
	if (r == -ECANCELED) {
		log_info(NULL, "cancelled", "account=%.*s step=%s",
			STR_ARG(j->account.name), step_names[now]);
		return job_take_back_mark(j) < 0 ? ACCOUNT_BROKEN : ACCOUNT_OVER;
	}
	if (must_make_way(j, r))
		return make_way(j, now);
	if (is_over_for_now(j, r))
		return ACCOUNT_OVER;
	if (r)
		return fail(j, now);
	found_look_after_pass(j); /* nobody waits for this process any more */
	return ends[now];
}

enum account_exit account_run(const struct settings *settings, const char *name)
{
	struct job j = { .settings = settings,
		.connected = vouch,
		.passed = vouch_passed,
		.doubted = vouch_failed };
	enum account_exit result;
	int r;

	arena_init(&j.arena);
	r = process_protect_memory(&j.err);
	if (r == 0)
		r = job_open(&j, name);
	if (r == 0)
		r = vouch_open(&j);
	if (r == 0)
		result = walk(&j);
	else if (r == -ECANCELED)
		result = ACCOUNT_OVER;
	else if (j.registry && j.account.id)
		result = fail(&j, STEP_START);
	else
		result = ACCOUNT_BROKEN;
	if (result == ACCOUNT_BROKEN)
		log_error(NULL, "broken", "account=%s reason=\"%s\"", name, j.err.text);
	job_close(&j);
	return result;
}
