/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/vault.h"

#include "base/fd.h"
#include "base/process.h"
#include "messages/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "mailferry-vault"
#define EXIT_NO_PROGRAM 127
#define ONCE_SOCKET 3 /* where it finds the command, with --task once */
/* scrypt takes a fifth of a second, and others may wait for it as well. */
#define PATIENCE_MS 60000

/* Between fork() and exec(). */
static void become(const char *path, const char *config, const char *task, int fd, int to)
{
	const char *const arguments[] = { path, "-c", config, "--task", task, NULL };
	char *copy[sizeof(arguments) / sizeof(arguments[0])];

	memcpy(copy, arguments, sizeof(copy));
	if (fd == to ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, to) == to)
		(void)execv(path, copy);
	_exit(EXIT_NO_PROGRAM);
}

static pid_t start(struct control *c, const char *task, int fd, int to)
{
	char path[PATH_MAX];
	pid_t pid;
	int r = process_sibling(PROGRAM, path, sizeof(path), &c->err);

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		become(path, c->config, task, fd, to);
	return pid < 0 ? error_errno(&c->err, -errno, "cannot start " PROGRAM) : pid;
}

static bool ended_well(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The last line of what it says. */
static void read_sentence(int fd, char text[static ERROR_TEXT_MAX])
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, ERROR_TEXT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
}

int vault_task(struct control *c, const char *task)
{
	char text[ERROR_TEXT_MAX], *last;
	CLEANUP(fd_closep) int from = -1;
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(&c->err, -errno, "cannot make a pipe");
	from = pair[0];
	pid = start(c, task, pair[1], STDERR_FILENO);
	close(pair[1]);
	if (pid < 0)
		return pid;
	read_sentence(from, text);
	if (ended_well(pid))
		return 0;
	last = strrchr(text, '\n');
	return error_set(&c->err, -EIO, "%s",
		*text ? (last ? last + 1 : text)
		      : PROGRAM " ended without a word; see its log");
}

/* ── questions ─────────────────────────────────────────────────────────────────────── */

static int open_own(struct control *c, struct vault_call *ret)
{
	int pair[2], r = ipc_pair(pair);
	pid_t pid;

	if (r < 0)
		return error_errno(&c->err, r, "cannot make a socket");
	pid = start(c, "once", pair[1], ONCE_SOCKET);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	*ret = (struct vault_call){ .fd = pair[0], .pid = pid };
	return 0;
}

int vault_call_open(struct control *c, struct vault_call *ret)
{
	int fd = ask_open(c->settings.run_dir, VAULT_SOCKET, NULL);

	if (fd < 0)
		return open_own(c, ret);
	*ret = (struct vault_call){ .fd = fd };
	return 0;
}

int vault_call_ask(struct control *c, const struct vault_call *t, const struct message *m)
{
	uint64_t ignored;

	return vault_call_number(c, t, m, &ignored);
}

int vault_call_number(struct control *c, const struct vault_call *t,
	const struct message *m, uint64_t *ret)
{
	const struct patience patience = { .ms = PATIENCE_MS };
	char bytes[IPC_MESSAGE_MAX];
	struct message answer;
	int r = ask_send(t->fd, m, &patience, &c->err);

	/* one that could not even open the registry has said why */
	if (r == 0 || r == -EPIPE)
		r = ask_receive(t->fd, bytes, &patience, &answer, &c->err);
	if (r == 0 && answer.type != MESSAGE_DONE)
		r = error_set(&c->err, -EBADMSG, "the vault answered %s",
			message_type_name(answer.type));
	if (r == 0)
		*ret = answer.number;
	return r;
}

void vault_call_close(struct vault_call *t)
{
	fd_closep(&t->fd);
	if (t->pid > 0)
		(void)ended_well(t->pid);
}

static int ask_once(struct control *c, const struct message *m)
{
	struct vault_call call;
	int code = vault_call_open(c, &call);

	if (code < 0)
		return code;
	code = vault_call_ask(c, &call, m);
	vault_call_close(&call);
	return code;
}

int vault_rename(struct control *c, int64_t account, struct str from, struct str to,
	struct str drop)
{
	const struct message m = { .type = MESSAGE_RENAME,
		.number = (uint64_t)account,
		.account = from,
		.text = to,
		.tag = drop };

	return ask_once(c, &m);
}

int vault_set_password(struct control *c, int64_t account, struct str password)
{
	const struct message m = { .type = MESSAGE_SET_PASSWORD,
		.number = (uint64_t)account,
		.number2 = c->only,
		.payload = password };

	return ask_once(c, &m);
}

static int read_residence(struct control *c, const struct vault_call *t, int64_t account,
	struct arena *arena, struct str *ret)
{
	const struct message m = { .type = MESSAGE_RESIDENCE,
		.number = (uint64_t)account };
	const struct patience patience = { .ms = PATIENCE_MS };
	char bytes[IPC_MESSAGE_MAX];
	struct message answer;
	int r = ask_send(t->fd, &m, &patience, &c->err);

	if (r == 0 || r == -EPIPE)
		r = ask_receive(t->fd, bytes, &patience, &answer, &c->err);
	if (r < 0)
		return r;
	if (answer.type != MESSAGE_RESIDENCE_IS)
		return error_set(&c->err, -EBADMSG, "the vault answered %s",
			message_type_name(answer.type));
	*ret = arena_str(arena, answer.text);
	return ret->ptr ? 0 : error_set(&c->err, -ENOMEM, "no memory");
}

int vault_residence(
	struct control *c, int64_t account, struct arena *arena, struct str *ret)
{
	struct vault_call call;
	int code = vault_call_open(c, &call);

	if (code < 0)
		return code;
	code = read_residence(c, &call, account, arena, ret);
	vault_call_close(&call);
	return code;
}
