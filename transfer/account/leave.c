/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/leave.h"

#include "base/clock.h"

#include <errno.h>

#define QUIESCE_TRIES 10
#define SOON_MS 3000     /* of the time for which mail waits (mail_hold.h) */
#define SOON_QUICK_MS 20 /* nothing was on its way: nothing has come */
#define LIVE_LOOK_MS 500 /* for a log-off, then: could all sessions change sides now? */

int leave_logoff(struct job *j, unsigned ms)
{
	struct message m = { .type = MESSAGE_AWAIT_LOGOFF, .account = j->account.name };
	struct patience patience = { .ms = ms, .tick = job_tick, .context = j };
	uint64_t end = clock_monotonic_ms() + ms, number;
	int r;

	for (;;) {
		r = ask(j->settings->run_dir, INTERCEPTOR_SOCKET, &m, MESSAGE_LOGGED_OFF,
			&patience, &number, &j->err);
		if (r != -ECONNREFUSED && r != -EPIPE)
			return r;
		/* it is being restarted, and knows best when it is back */
		if (clock_monotonic_ms() + LEAVE_NOBODY_MS > end)
			return -ETIMEDOUT;
		r = job_pause(j, LEAVE_NOBODY_MS);
		if (r)
			return r;
	}
}

bool leave_is_live(const struct job *j)
{
	return j->settings->live && !job_is_exclusive(j) && !onward_is_wanted(j);
}

/* Whether all sessions at the source could change sides. One that does not answer says
   no. */
static bool could_go_live(struct job *j)
{
	struct message m = { .type = MESSAGE_QUIESCE,
		.account = j->account.name,
		.number = SWITCH_LIVE_ASKED };
	struct patience patience = {
		.ms = LEAVE_ANSWER_MS, .tick = job_tick, .context = j
	};
	uint64_t could = 0;

	return ask(j->settings->run_dir, INTERCEPTOR_SOCKET, &m, MESSAGE_QUIESCED,
		       &patience, &could, &j->err) == 0 &&
	       could;
}

int leave_await(struct job *j, unsigned ms)
{
	uint64_t end = clock_monotonic_ms() + ms, now;
	int r;

	j->is_live = false;
	if (!leave_is_live(j))
		return leave_logoff(j, ms);
	do {
		r = leave_logoff(j, ms < LIVE_LOOK_MS ? ms : LIVE_LOOK_MS);
		if (r != -ETIMEDOUT)
			return r;
		j->is_live = could_go_live(j);
		now = clock_monotonic_ms();
		ms = end > now ? (unsigned)(end - now) : 0;
	} while (!j->is_live && ms);
	return j->is_live ? 0 : -ETIMEDOUT;
}

int leave_announce(struct job *j, bool *ret_had_to_wait)
{
	struct message m = {
		.type = MESSAGE_QUIESCE, .account = j->account.name, .number = SWITCH_SOON
	};
	struct patience patience = { .ms = SOON_MS, .tick = job_tick, .context = j };
	uint64_t began = clock_monotonic_ms(), number;
	int r = ask(j->settings->run_dir, INTERCEPTOR_SOCKET, &m, MESSAGE_QUIESCED,
		&patience, &number, &j->err);

	*ret_had_to_wait = clock_monotonic_ms() - began >= SOON_QUICK_MS;
	return r == -ECANCELED || r == -EINTR ? r : 0;
}

int leave_quiesce(struct job *j, uint64_t *ret_quiet)
{
	struct message m = { .type = MESSAGE_QUIESCE,
		.account = j->account.name,
		.number = j->is_forced ? SWITCH_FORCED
		          : j->is_live ? SWITCH_LIVE
		                       : SWITCH_LOGGED_OFF };
	struct patience patience = {
		.ms = LEAVE_ANSWER_MS, .tick = job_tick, .context = j
	};
	int r = -ECONNREFUSED;

	for (int i = 0; i < QUIESCE_TRIES && (r == -ECONNREFUSED || r == -EPIPE); i++) {
		if (i && (r = job_pause(j, LEAVE_NOBODY_MS)) != 0)
			break;
		r = ask(j->settings->run_dir, INTERCEPTOR_SOCKET, &m, MESSAGE_QUIESCED,
			&patience, ret_quiet, &j->err);
	}
	return r;
}
