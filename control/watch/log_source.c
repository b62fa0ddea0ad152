/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/log_source.h"

#include "control/watch/status.h"

#include "base/buf.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define IDENTIFIER "mailferry-" /* and the program */
#define SESSIONS_MAX 2000       /* of one question: a command line has an end */

/* ---- a file ---- */

int log_read_file(const char *path, log_each_fn *each, void *context, struct error *err)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	if (!file)
		return error_errno(err, -errno, "%s", path);
	while (r == 0 && (n = getline(&line, &size, file)) >= 0) {
		struct log_line l;

		if (log_line_read(str_of(line, (size_t)n), &l))
			r = each(context, &l);
	}
	if (r == 0 && ferror(file))
		r = -EIO;
	free(line);
	(void)fclose(file);
	return r < 0 ? error_errno(err, r, "%s", path) : 0;
}

/* ---- the journal ---- */

/* An entry without that field, or one that is no text: "". */
static struct str field(const json_t *entry, const char *name)
{
	return str_from(json_string_value(json_object_get(entry, name)));
}

static struct str time_of(const json_t *entry, char text[static LOG_TIME_MAX])
{
	uint64_t us = 0;

	(void)str_to_u64(field(entry, "__REALTIME_TIMESTAMP"), &us);
	return log_time_text(us / 1000, text);
}

static struct str level_of(struct str priority)
{
	static const char *const names[] = { "error", "error", "error", "error",
		"warning", "info", "info", "debug" };
	uint64_t number = 7;

	(void)str_to_u64(priority, &number);
	return str_from(names[number < 8 ? number : 7]);
}

/* Whether the journal (_UID is its own word) had it from one of our programs. */
static bool is_ours(const json_t *entry, const struct users *u)
{
	uint64_t uid;

	if (!str_to_u64(field(entry, "_UID"), &uid))
		return false;
	for (size_t i = 0; i < USER_COUNT; i++)
		if (uid == u->of[i].uid)
			return true;
	return uid == 0 || uid == geteuid() || (uid >= u->first && uid <= u->last);
}

/* MESSAGE is "session event key=value …" (base/journal.h). */
static int take_entry(
	const json_t *entry, const struct users *users, log_each_fn *each, void *context)
{
	struct str message = field(entry, "MESSAGE"), program;
	char time[LOG_TIME_MAX];
	struct log_line l = { .time = time_of(entry, time),
		.level = level_of(field(entry, "PRIORITY")) };

	program = field(entry, "SYSLOG_IDENTIFIER");
	if (!field(entry, "EVENT").len || !str_starts(program, STR_LIT(IDENTIFIER)) ||
		!is_ours(entry, users))
		return 0;
	l.program = str_skip(program, sizeof(IDENTIFIER) - 1);
	l.session = str_split(&message, ' ');
	l.event = str_split(&message, ' ');
	l.text = message;
	return each(context, &l);
}

static int read_entries(
	int fd, const struct users *users, log_each_fn *each, void *context)
{
	FILE *file = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	if (!file) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (n = getline(&line, &size, file)) >= 0) {
		json_t *entry = json_loadb(line, (size_t)n, 0, NULL);

		if (entry)
			r = take_entry(entry, users, each, context);
		json_decref(entry);
	}
	free(line);
	(void)fclose(file);
	return r;
}

struct question {
	struct buf words; /* each with a NUL behind it */
	char **argv;      /* views of words; NULL at the end */
	size_t n;
};

static void question_fini(struct question *q)
{
	buf_fini(&q->words);
	free(q->argv);
}

static int add(struct question *q, const char *name, const char *value)
{
	q->n++;
	return buf_append(&q->words, str_from(name)) < 0 ||
	                       buf_append(&q->words, str_from(value)) < 0 ||
	                       buf_byte(&q->words, '\0') < 0
	               ? -ENOMEM
	               : 0;
}

static int add_sessions(struct question *q, char *const *sessions, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add(q, "SESSION=", sessions[i]);
	return r;
}

static int add_programs(struct question *q)
{
	int r = add(q, "SYSLOG_IDENTIFIER=" IDENTIFIER, "mailferry");

	for (int i = 0; i < STATUS_PROGRAM_COUNT && r == 0; i++)
		r = add(q, "SYSLOG_IDENTIFIER=" IDENTIFIER,
			status_program_name((enum status_program)i));
	return r;
}

/* Alternatives of one field stand side by side, those of two fields around a "+". */
static int ask(struct question *q, const char *wanted, char *const *sessions, size_t n,
	uint64_t since)
{
	bool all = n > SESSIONS_MAX;
	char from[32];
	int r = 0;

	(void)snprintf(from, sizeof(from), "@%llu", (unsigned long long)(since / 1000));

	buf_init(&q->words, 0);
	r = r ? r : add(q, "journalctl", "");
	r = r ? r : add(q, "--quiet", "");
	r = r ? r : add(q, "--no-pager", "");
	r = r ? r : add(q, "--output=json", "");
	r = r ? r : add(q, "--since=", from);
	if (!all) {
		r = r ? r : add(q, "ACCOUNT=", wanted);
		r = r ? r : add(q, "+", "");
		r = r ? r : add(q, "SESSION=", wanted);
	}
	r = r ? r : all ? add_programs(q) : add_sessions(q, sessions, n);
	q->argv = r < 0 ? NULL : calloc(q->n + 1, sizeof(*q->argv));
	if (!q->argv)
		return -ENOMEM;
	for (size_t i = 0, at = 0; i < q->n; i++) {
		q->argv[i] = q->words.data + q->words.start + at;
		at += strlen(q->argv[i]) + 1;
	}
	return 0;
}

static int start(const struct question *q, pid_t *ret_pid, int *ret_fd)
{
	extern char **environ;
	posix_spawn_file_actions_t actions;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = -posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = -posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
		if (r == 0)
			r = -posix_spawnp(
				ret_pid, q->argv[0], &actions, NULL, q->argv, environ);
		(void)posix_spawn_file_actions_destroy(&actions);
	}
	(void)close(ends[1]);
	if (r < 0)
		(void)close(ends[0]);
	else
		*ret_fd = ends[0];
	return r;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int log_read_journal(const struct users *users, const char *wanted, char *const *sessions,
	size_t n_sessions, uint64_t since, log_each_fn *each, void *context,
	struct error *err)
{
	struct question q = { .argv = NULL };
	pid_t pid;
	int fd = -1, read, ended;
	int r = ask(&q, wanted, sessions, n_sessions, since);

	if (r == 0)
		r = start(&q, &pid, &fd);
	question_fini(&q);
	if (r == -ENOENT)
		return error_set(err, r,
			"no journalctl here; --file FILE reads what `mailferry up` wrote");
	if (r < 0)
		return error_errno(err, r, "journalctl");
	read = read_entries(fd, users, each, context);
	ended = wait_for(pid);
	if (read < 0)
		return error_errno(err, read, "the journal");
	return ended < 0 ? error_set(err, ended, "journalctl could not read the journal")
	                 : 0;
}
