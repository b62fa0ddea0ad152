/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/up/rules_confirm.h"
#include "control/running/rules_wanted.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNCONFIRMED_FILE "rules-unconfirmed" /* the pid of who waits */
#define SECONDS_MOST 3600
#define LOOK_MS 100

int rules_confirm_seconds(struct control *c, unsigned *ret_seconds)
{
	uint32_t seconds = 0;

	if (!str_to_u32(str_from(c->confirm), &seconds) || !seconds ||
		seconds > SECONDS_MOST)
		return error_set(&c->err, -EINVAL,
			"--confirm takes seconds from 1 to %d, not \"%s\"", SECONDS_MOST,
			c->confirm);
	*ret_seconds = seconds;
	return 0;
}

static int path_of(struct control *c, char path[static PATH_MAX])
{
	int code = settings_run_path(&c->settings, UNCONFIRMED_FILE, path, PATH_MAX);

	return code < 0 ? error_errno(&c->err, code, "%s", c->settings.run_dir) : 0;
}

/* 0: nobody waits. */
static pid_t who_waits(const char *path)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? (pid_t)atoi(text) : 0;
}

static int write_who(struct control *c, const char *path, pid_t pid)
{
	CLEANUP(fd_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || dprintf(fd, "%d\n", (int)pid) < 0)
		return error_errno(&c->err, -errno, "cannot write %s", path);
	return 0;
}

/* ── the process that waits ────────────────────────────────────────────────────────── */

/* A registry that cannot be read may have anybody. */
static bool anybody_lives_here(struct control *c)
{
	struct registry *r = NULL;
	bool any = true;
	int code = control_registry(c, &r);

	if (code == -ENOENT)
		return false;
	if (code == 0 && registry_any_local(r, &any, &c->err) < 0)
		any = true;
	registry_close(r);
	return any;
}

/* Refusing, and without those whom `admit` lets past us. */
static int refuse_all(struct control *c)
{
	struct ruleset closed;
	bool changed;
	int code = rules_wanted(&c->settings, NULL, true, &closed, &c->err);

	if (code < 0)
		return code;
	closed.fail = RULES_FAIL_CLOSED;
	closed.queue = RULES_QUEUE_NONE;
	return rules_install(&closed, &changed, &c->err);
}

static int take_back(struct control *c)
{
	bool changed;

	return anybody_lives_here(c)
	               ? refuse_all(c)
	               : rules_remove(c->settings.route_table, &changed, &c->err);
}

static void wait_for_it(struct control *c, const char *path, uint64_t until)
{
	while (clock_monotonic_ms() < until) {
		if (who_waits(path) != getpid())
			return; /* confirmed, or another one waits */
		(void)usleep(LOOK_MS * 1000);
	}
	if (take_back(c) < 0)
		log_error(NULL, "rules-not-confirmed", "error=\"%s\"", c->err.text);
	else
		log_warning(NULL, "rules-not-confirmed", "taken back");
	if (who_waits(path) == getpid())
		(void)unlink(path);
}

/* It outlives the terminal, which may be what the rules cut off. */
static void leave_terminal(void)
{
	CLEANUP(fd_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setsid();
	if (chdir("/") < 0)
		log_warning(NULL, "rules-confirm", "chdir=\"%s\"", strerror(errno));
	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
}

/* ── the command ───────────────────────────────────────────────────────────────────── */

int rules_confirm_await(struct control *c, unsigned seconds)
{
	uint64_t until = clock_monotonic_ms() + seconds * UINT64_C(1000);
	char path[PATH_MAX];
	int code = process_make_directory(c->settings.run_dir, 0755, &c->err);
	pid_t pid;

	if (code == 0)
		code = path_of(c, path);
	if (code < 0)
		return code;
	pid = fork();
	if (pid < 0)
		return error_errno(&c->err, -errno, "cannot start who takes them back");
	if (pid > 0)
		return write_who(c, path, pid);
	leave_terminal();
	while (who_waits(path) != getpid() && clock_monotonic_ms() < until)
		(void)usleep(LOOK_MS * 100); /* until it is written */
	wait_for_it(c, path, until);
	_exit(EXIT_DONE);
}

int rules_confirm_now(struct control *c)
{
	char path[PATH_MAX];
	int code = path_of(c, path);

	if (code < 0)
		return code;
	if (unlink(path) == 0)
		return 0;
	return errno == ENOENT
	               ? error_set(&c->err, -ENOENT,
				 "no rules wait to be confirmed: they were, or "
				 "they have been taken back; see `mailferry rules "
				 "show`")
	               : error_errno(&c->err, -errno, "%s", path);
}
