/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/terminal/prompt.h"

#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/* A line from fd, without what ends it. Byte by byte: what follows is not ours. */
static int read_line(int fd, struct buf *to, struct error *err)
{
	char c = 0;
	ssize_t n;

	do {
		n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, -errno, "cannot read the password");
		if (n > 0 && c != '\n' && buf_byte(to, c) < 0)
			return error_set(err, -E2BIG,
				"the password has more than %d bytes", PASSWORD_MAX);
	} while (n > 0 && c != '\n');
	return 0;
}

/* ── on a terminal ─────────────────────────────────────────────────────────────────── */

/* Who interrupts us gets the echo back first. */
static int wait_for_line(int signals, struct error *err)
{
	struct pollfd wait[] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = signals, .events = POLLIN } };

	while (poll(wait, 2, -1) < 0)
		if (errno != EINTR)
			return error_errno(err, -errno, "cannot wait for a password");
	return wait[1].revents
	               ? error_set(err, -ECANCELED, "interrupted; nothing was changed")
	               : 0;
}

static int ask_hidden(
	const char *question, int signals, struct buf *to, struct error *err)
{
	struct termios old, hidden;
	int code;

	if (tcgetattr(STDIN_FILENO, &old) < 0)
		return error_errno(err, -errno, "cannot ask the terminal");
	hidden = old;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
		return error_errno(err, -errno, "cannot hide what is typed");
	(void)fputs(question, stderr);
	code = wait_for_line(signals, err);
	if (code == 0)
		code = read_line(STDIN_FILENO, to, err);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	(void)fputc('\n', stderr);
	return code;
}

static int ask_twice(int signals, struct buf *to, struct error *err)
{
	struct buf again;
	int code = ask_hidden("New password: ", signals, to, err);

	buf_init(&again, PASSWORD_MAX);
	if (code == 0)
		code = ask_hidden("The same again: ", signals, &again, err);
	if (code == 0 && !str_eq(buf_view(to), buf_view(&again)))
		code = error_set(
			err, -EINVAL, "the two are not the same; nothing was changed");
	buf_wipe(&again);
	buf_fini(&again);
	return code;
}

static int ask_terminal(struct buf *to, struct error *err)
{
	static const int numbers[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP };
	CLEANUP(fd_closep) int signals = -1;
	sigset_t ours, old;
	int code;

	(void)sigemptyset(&ours);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)sigaddset(&ours, numbers[i]);
	if (sigprocmask(SIG_BLOCK, &ours, &old) < 0)
		return error_errno(err, -errno, "cannot hold signals");
	signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	code = signals < 0 ? error_errno(err, -errno, "cannot wait for signals")
	                   : ask_twice(signals, to, err);
	if (code < 0)
		buf_wipe(to); /* the signal that comes now may end us */
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return code;
}

int prompt_new_password(struct buf *to, struct error *err)
{
	int code = isatty(STDIN_FILENO) ? ask_terminal(to, err)
	                                : read_line(STDIN_FILENO, to, err);

	if (code == 0 && !buf_len(to))
		return error_set(err, -EINVAL,
			"an empty password would let everybody in; nothing was changed");
	if (code == 0 && str_index(buf_view(to), '\0') < buf_len(to))
		return error_set(err, -EINVAL, "a password cannot hold a NUL byte");
	return code;
}

int prompt_yes(const char *question, bool *ret_yes, struct error *err)
{
	char line[16] = "";

	if (!isatty(STDIN_FILENO))
		return error_set(err, -ENOTTY, "no terminal; use --yes");
	(void)fputs(question, stdout);
	(void)fflush(stdout);
	*ret_yes = fgets(line, sizeof(line), stdin) && strcmp(line, "yes\n") == 0;
	return 0;
}
