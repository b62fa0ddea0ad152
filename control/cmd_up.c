/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry up: what must be in place before the supervisor's loop. */
#include "control/account_rename.h"
#include "control/check_destination.h"
#include "control/control.h"
#include "control/copies.h"
#include "control/folders.h"
#include "control/make_registry.h"
#include "control/ownership.h"
#include "control/rights.h"
#include "control/running.h"
#include "control/supervisor.h"
#include "control/upgrade.h"

#include "base/log.h"
#include "settings/state_lock.h"

#include <errno.h>
#include <fcntl.h>

/* Better not to start than to serve from a registry that is damaged or too old. */
static int check_registry(struct control *c, struct registry *r)
{
	int code = rename_finish(c); /* its folder is no stray one */

	if (code == 0)
		code = copies_make(c, r);
	if (code == -ENOSPC) { /* those who are here can still be served */
		log_warning(NULL, "registry-copy", "error=\"%s\"", c->err.text);
		code = 0;
	}
	return code < 0 ? code : folders_refuse_strays(c, r);
}

/* What is said only by a log line once others are served already; they do not wait for a
   copy of the registry, which is made once an hour. */
static int check_state(struct control *c, struct registry *r, bool is_resumed)
{
	int code = ownership_of_files(c);

	if (code == 0 && !is_resumed)
		code = check_registry(c, r);
	if (code == 0)
		code = running_write(&c->settings, &c->err);
	if (code == 0 || !is_resumed)
		return code;
	log_error(NULL, "resume", "error=\"%s\"", c->err.text);
	return 0;
}

/* Whether this mailferry could go on with what the one that runs has begun. */
static enum exit_code try(struct control *c)
{
	static struct generations programs; /* large */
	struct registry *r = NULL;
	int code = destination_refuse(&c->settings, &c->err);

	if (code == 0)
		code = rights_require_all(&c->err);
	if (code == 0)
		code = running_refuse_others(&c->settings, &c->err);
	if (code == 0)
		code = ownership_is_reachable(c);
	if (code == 0)
		code = generations_init(&programs, &c->err);
	if (code == 0)
		code = control_registry(c, &r);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}

static int run(struct control *c, int resumed, int *ret_state)
{
	struct registry *r = NULL;
	int code = resumed < 0 ? make_registry(c, &r) : control_registry(c, &r);

	if (code == 0)
		code = check_state(c, r, resumed >= 0);
	if (code == 0)
		code = supervisor_run(c, r, resumed, ret_state);
	registry_close(r);
	return code;
}

/* The lock is the process's, as long as its files stay open; they do over exec(). */
static int keep_lock(const struct state_lock_files *lock)
{
	for (size_t i = 0; i < 2; i++)
		if (lock->fds[i] >= 0 && fcntl(lock->fds[i], F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

enum exit_code cmd_up(struct control *c)
{
	struct state_lock_files lock;
	int resumed, state = -1, code;

	if (upgrade_is_trial())
		return try(c);
	resumed = upgrade_resumed();
	code = destination_refuse(&c->settings, &c->err);
	if (code == 0)
		code = rights_require_all(&c->err);
	if (code == 0)
		code = ownership_of_directories(c);
	if (code == 0)
		code = ownership_is_reachable(c);
	if (code == 0)
		code = state_lock_open(&c->settings, &lock, &c->err);
	if (code == 0)
		code = state_lock_set(&lock, STATE_LOCK_UP, &c->err);
	if (code == 0)
		code = run(c, resumed, &state);
	if (code == 0 && state >= 0 && (code = keep_lock(&lock)) == 0)
		code = upgrade_exec(c->config, state, &c->err);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
