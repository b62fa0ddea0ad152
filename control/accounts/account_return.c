/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/account_return.h"
#include "control/accounts/transfer_ask.h"
#include "control/check/ownership.h"
#include "control/running/rights.h"
#include "control/views/carry_view.h"

#include "base/clock.h"
#include "base/process.h"
#include "messages/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is new here is carried meanwhile: a large mailbox at an APPEND each. */
#define PATIENCE_MS (24u * 3600 * 1000)
#define TELL_AFTER_MS 2000 /* what takes longer than usual */
#define JOURNAL_LINES 10   /* the newest; ours is the last or next to it */
#define EXIT_NO_PROGRAM 127

bool is_returning(const struct account *a)
{
	return a->route == ROUTE_BUSY && a->stage == STAGE_DONE;
}

/* ---- asking the transfer ---- */

struct waiting {
	uint64_t since; /* monotonic */
	bool is_dry;
	bool is_told;
};

static int tick(void *context)
{
	struct waiting *w = context;

	if (w->is_told || w->is_dry || clock_monotonic_ms() - w->since < TELL_AFTER_MS)
		return 0;
	w->is_told = true;
	(void)fputs(
		"going back to the source; interrupting this command changes nothing\n",
		stderr);
	return 0;
}

static int ask_transfer(struct control *c, const struct account *a, struct waiting *w)
{
	struct message m = {
		.type = MESSAGE_RETURN, .account = a->name, .number = w->is_dry
	};
	struct patience patience = { .ms = PATIENCE_MS, .tick = tick, .context = w };

	return transfer_ask(c, &m, MESSAGE_RETURNED, &patience);
}

/* ---- without a transfer that runs ---- */

/* Between fork() and exec(). Its own session: a terminal's signals do not reach it. */
static void become(const struct control *c, const char *program, const char *name)
{
	const char *const arguments[] = { program, "-c", c->config, "--account", name,
		"--return", NULL };
	char *copy[sizeof(arguments) / sizeof(arguments[0])];
	int null = open("/dev/null", O_RDWR);

	memcpy(copy, arguments, sizeof(copy));
	(void)setsid();
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)execv(program, copy);
	_exit(EXIT_NO_PROGRAM);
}

/* The unit that runs the dashboard's commands may become nobody else. */
static int refuse_where_shut_in(struct control *c, const struct account *a)
{
	struct error lacks = { 0 };

	if (rights_require(RIGHTS_OF_ANY | RIGHTS_OF_FILES, &lacks) == 0)
		return 0;
	return error_set(&c->err, -EPERM,
		"the transfer service, which carries back what is new here, does not run, "
		"and its work cannot be done from here; start it (mailferry-transfer), or "
		"run `mailferry route %.*s source` as root in a shell",
		STR_ARG(a->name));
}

static int run_alone(struct control *c, const struct account *a)
{
	char program[PATH_MAX], name[REGISTRY_NAME_MAX + 1];
	int code, status = 0;
	pid_t pid;

	(void)snprintf(name, sizeof(name), "%.*s", STR_ARG(a->name));
	code = refuse_where_shut_in(c, a);
	if (code == 0)
		code = ownership_of_directories(c);
	if (code == 0) /* no `up` may have been there yet */
		code = ownership_of_files(c);
	if (code == 0)
		code = process_sibling(
			"mailferry-transfer", program, sizeof(program), &c->err);
	if (code < 0)
		return code;
	pid = fork();
	if (pid == 0)
		become(c, program, name);
	if (pid < 0)
		return error_errno(&c->err, -errno, "cannot start %s", program);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_errno(
				&c->err, -errno, "cannot wait for %s", program);
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_PROGRAM
	               ? error_set(&c->err, -ENOENT, "cannot start %s", program)
	               : 0;
}

/* ---- what came of it ---- */

struct reason {
	uint64_t since; /* wall clock */
	char text[ERROR_TEXT_MAX];
};

static int take_reason(void *context, const struct journal_line *line)
{
	struct reason *reason = context;

	if (*reason->text || line->at < reason->since ||
		!str_eq(line->event, STR_LIT("stay")))
		return 0;
	(void)snprintf(reason->text, sizeof(reason->text), "%.*s", STR_ARG(line->detail));
	return 0;
}

/* Why it did not even leave. */
static int take_carried(struct control *c, struct registry *r, const struct account *a,
	struct reason *reason)
{
	json_t *carried = NULL;
	const char *text;
	int code = carry_view_json(r, a->id, false, reason->since, &carried, &c->err);

	if (code < 0)
		return code;
	text = json_string_value(json_object_get(carried, "reason"));
	if (text)
		(void)snprintf(reason->text, sizeof(reason->text), "%s", text);
	json_decref(carried);
	return 0;
}

/* The journal says why it stays. */
static int stays(
	struct control *c, struct registry *r, const struct account *a, uint64_t since)
{
	struct reason reason = { .since = since };
	int code = take_carried(c, r, a, &reason);

	if (code == 0)
		code = registry_journal(
			r, a->id, JOURNAL_LINES, take_reason, &reason, &c->err);
	if (code < 0)
		return code;
	if (!*reason.text)
		return error_set(&c->err, -EPERM,
			"\"%.*s\" was moved on by somebody else", STR_ARG(a->name));
	return error_set(&c->err, -EREMOTEIO, "%s", reason.text);
}

static int outcome(
	struct control *c, struct registry *r, const struct account *a, uint64_t since)
{
	struct account now;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = registry_find_id(r, a->id, &arena, &now, &c->err);
	if (code == 0 && is_returning(&now))
		code = error_set(&c->err, -EAGAIN,
			"\"%.*s\" is still on its way back; see mailferry account %.*s",
			STR_ARG(a->name), STR_ARG(a->name));
	else if (code == 0 && now.route != ROUTE_SOURCE)
		code = stays(c, r, a, since);
	arena_fini(&arena);
	return code;
}

int account_return(struct control *c, struct registry *r, const struct account *a)
{
	struct waiting w = { .since = clock_monotonic_ms() };
	uint64_t since = clock_wall_ms();
	int code = ask_transfer(c, a, &w);

	if (code == -ECONNREFUSED)
		code = run_alone(c, a);
	return code < 0 && code != -ETIMEDOUT ? code : outcome(c, r, a, since);
}

int account_foretell(struct control *c, const struct account *a)
{
	struct waiting w = { .is_dry = true };
	int code = ask_transfer(c, a, &w);

	return code == -ECONNREFUSED
	               ? error_set(&c->err, code,
				 "what is new here is compared with the source by the "
				 "transfer service, which does not run")
	               : code;
}
