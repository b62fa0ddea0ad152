/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry up: what must be in place before the supervisor's loop. */
#include "control/accounts/account_rename.h"
#include "control/accounts/copies.h"
#include "control/accounts/folders.h"
#include "control/accounts/make_registry.h"
#include "control/check/check_destination.h"
#include "control/check/ownership.h"
#include "control/running/part.h"
#include "control/running/running.h"
#include "control/terminal/control.h"
#include "control/up/supervisor.h"
#include "control/up/upgrade.h"

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

/* Others that run would go on with the settings of before; the vault begins before us. */
static int forget_running(struct control *c, const struct state_lock_files *lock)
{
	for (int i = 0; i < STATE_LOCK_ALL; i++)
		if (i != STATE_LOCK_VAULT && i != STATE_LOCK_UP_VAULT &&
			state_lock_other(lock, (enum state_lock)i) > 0)
			return running_refuse_others(&c->settings, &c->err);
	running_forget(&c->settings);
	return 0;
}

/* What is said only by a log line once others are served already; they do not wait for a
   copy of the registry, which is made once an hour. */
static int check_state(struct control *c, struct registry *r,
	const struct state_lock_files *lock, bool is_resumed)
{
	int code = is_resumed ? 0 : forget_running(c, lock);

	if (code == 0)
		code = ownership_of_files(c);
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
		code = part_require_rights(c->part, &c->settings, &c->err);
	if (code == 0)
		code = running_refuse_others(&c->settings, &c->err);
	if (code == 0 && c->part->duties & DUTY_DIRECTORIES)
		code = ownership_is_reachable(c);
	if (code == 0)
		code = generations_init(&programs, &c->settings, &c->err);
	if (code == 0)
		code = control_registry(c, &r);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}

static int run(struct control *c, const struct state_lock_files *lock, int resumed,
	int *ret_state)
{
	struct registry *r = NULL;
	unsigned duties = c->part->duties;
	int code = resumed < 0 && duties & DUTY_DIRECTORIES ? make_registry(c, &r)
	                                                    : control_registry(c, &r);

	if (code == 0 && duties & DUTY_STATE)
		code = check_state(c, r, lock, resumed >= 0);
	else if (code == 0 && resumed < 0 && !(duties & DUTY_DIRECTORIES))
		code = running_require(&c->settings, &c->err);
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

static int make_directories(struct control *c)
{
	int code = ownership_of_directories(c);

	return code < 0 ? code : ownership_is_reachable(c);
}

enum exit_code cmd_up(struct control *c)
{
	struct state_lock_files lock;
	int resumed, state = -1, code;

	c->part = c->n_arguments ? part_by_name(c->arguments[0]) : &part_all;
	if (!c->part) {
		error_set(&c->err, -EINVAL,
			"there is no part \"%s\"; see `mailferry up --help`",
			c->arguments[0]);
		return control_misuse(c);
	}
	if (upgrade_is_trial())
		return try(c);
	resumed = upgrade_resumed();
	code = destination_refuse(&c->settings, &c->err);
	if (code == 0)
		code = part_require_rights(c->part, &c->settings, &c->err);
	if (code == 0 && c->part->duties & DUTY_DIRECTORIES)
		code = make_directories(c);
	if (code == 0)
		code = state_lock_open(&c->settings, &lock, &c->err);
	if (code == 0)
		part_await(c->part, &lock);
	if (code == 0)
		code = part_lock(c->part, &lock, &c->err);
	if (code == 0)
		code = run(c, &lock, resumed, &state);
	if (code == 0 && state >= 0 && (code = keep_lock(&lock)) == 0)
		code = upgrade_exec(c->config, c->part, state, &c->err);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
