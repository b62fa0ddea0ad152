/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry up: what must be in place before the supervisor's loop. */
#include "control/control.h"
#include "control/rights.h"
#include "control/supervisor.h"
#include "control/vault.h"

#include "base/fd.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_FILE "up.lock"

static int make_directories(struct control *c)
{
	const struct settings *s = &c->settings;
	char mail[PATH_MAX];
	int code = settings_state_path(s, MAIL_DIRECTORY, mail, sizeof(mail));

	if (code < 0)
		return error_errno(&c->err, code, "%s", s->state_dir);
	code = process_make_directory(s->state_dir, 0700, &c->err);
	if (code == 0)
		code = process_make_directory(mail, 0700, &c->err);
	if (code == 0)
		code = process_make_directory(s->run_dir, 0755, &c->err);
	return code;
}

static int refuse_second(struct control *c, int fd, const char *path)
{
	char pid[16] = "?";
	ssize_t n = read(fd, pid, sizeof(pid) - 1);

	if (n > 0)
		pid[str_index(str_of(pid, (size_t)n), '\n')] = '\0';
	return error_set(&c->err, -EBUSY,
		"mailferry runs here already (pid %s, %s); stop that one, or use another "
		"run_dir",
		pid, path);
}

/* One `up` for a run_dir. The kernel drops the lock with the process, however it ends. */
static int take_lock(struct control *c, int *ret_fd)
{
	char path[PATH_MAX], pid[16];
	CLEANUP(fd_closep) int fd = -1;
	int code = settings_run_path(&c->settings, LOCK_FILE, path, sizeof(path));
	int len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(&c->err, -errno, "cannot make %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? refuse_second(c, fd, path)
		               : error_errno(&c->err, -errno, "cannot lock %s", path);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
		return error_errno(&c->err, -errno, "cannot write %s", path);
	*ret_fd = fd_steal(&fd);
	return 0;
}

/* The vault makes registry and key when there are none, so that what is wrong with them
   is said once and here. */
static int open_registry(struct control *c, struct registry **ret)
{
	int code = vault_task(c, "make");

	return code < 0 ? code : control_registry(c, ret);
}

enum exit_code cmd_up(struct control *c)
{
	CLEANUP(fd_closep) int lock = -1;
	struct registry *r;
	int code = rights_require_all(&c->err);

	if (code == 0)
		code = make_directories(c);
	if (code == 0)
		code = take_lock(c, &lock);
	if (code == 0)
		code = open_registry(c, &r);
	if (code < 0)
		return control_fail(c);
	code = supervisor_run(c, r);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
