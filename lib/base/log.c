/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include "base/clock.h"
#include "base/journal.h"
#include "base/log_line.h"
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* below PIPE_BUF: a line is written whole or not at all */
_Static_assert(LINE_MAX_BYTES <= PIPE_BUF, "a line fits among those that are kept");

static struct {
	const char *program;
	enum log_level most;
	int journal; /* a socket; 0: lines go to stderr */
	uint64_t strangers_since, strangers, left_out;
	bool gathers;
	size_t kept;
	char lines[PIPE_BUF]; /* written whole, like a single one */
} log_state = { .program = "mailferry", .most = LOG_LEVEL_INFO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_init(const char *program, enum log_level most)
{
	log_state.program = program;
	log_state.most = most;
}

void log_set_level(enum log_level most)
{
	log_state.most = most;
}

bool log_set_target(enum log_target target)
{
	bool wanted = target == LOG_TARGET_JOURNAL ||
	              (target == LOG_TARGET_AUTO && journal_is_stderr());
	int fd = wanted ? journal_open() : -ENOENT;

	if (log_state.journal > 0)
		(void)close(log_state.journal);
	log_state.journal = fd > 0 ? fd : 0;
	return fd > 0 || !wanted;
}

bool log_shows(enum log_level level)
{
	return level <= log_state.most;
}

enum log_level log_level_from_environment(enum log_level otherwise)
{
	const char *wanted = getenv("MAILFERRY_LOG");

	for (int i = 0; wanted && i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(wanted, level_names[i]) == 0)
			return (enum log_level)i;
	return otherwise;
}

static size_t put_head(char *line, size_t size, enum log_level level, const char *session,
	const char *event)
{
	char time[LOG_TIME_MAX];
	const struct str words[] = { log_time_text(clock_wall_ms(), time),
		str_from(log_state.program), str_from(level_names[level]),
		str_from(session), str_from(event) };
	size_t len = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct str word = str_take(words[i], size - len - 1);

		memcpy(line + len, word.ptr, word.len);
		len += word.len;
		if (len + 1 < size)
			line[len++] = ' ';
	}
	line[len] = '\0';
	return len;
}

void log_gather(void)
{
	log_state.gathers = true;
}

bool log_flush(void)
{
	size_t kept = log_state.kept;

	log_state.kept = 0;
	/* when it fails there is nowhere left to complain */
	return kept && write(STDERR_FILENO, log_state.lines, kept) != 0;
}

static void keep(struct str line)
{
	if (line.len > sizeof(log_state.lines) - log_state.kept)
		(void)log_flush();
	memcpy(log_state.lines + log_state.kept, line.ptr, line.len);
	log_state.kept += line.len;
}

static bool put_journal(
	enum log_level level, const char *session, const char *event, struct str text)
{
	static const int priorities[] = { 3, 4, 6, 7 }; /* <syslog.h> */
	const struct journal_entry e = { priorities[level], log_state.program, session,
		event, text };

	return log_state.journal > 0 && journal_put(log_state.journal, &e);
}

static void put_event(enum log_level level, const char *session, const char *event,
	const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	size_t head =
		put_head(line, sizeof(line) - 1, level, session ? session : "-", event);
	size_t len;

	(void)vsnprintf(line + head, sizeof(line) - 1 - head, format, args);
	len = strlen(line);
	utf8_make_harmless(line, len);
	if (put_journal(level, session, event, str_of(line + head, len - head)))
		return;
	line[len++] = '\n';
	keep(str_of(line, len));
	if (!log_state.gathers || level <= LOG_LEVEL_WARNING)
		(void)log_flush();
}

void log_event(enum log_level level, const char *session, const char *event,
	const char *format, ...)
{
	va_list args;

	if (!log_shows(level))
		return;
	va_start(args, format);
	put_event(level, session, event, format, args);
	va_end(args);
}

/* ---- what strangers cause ---- */

static void begin_second(uint64_t now)
{
	uint64_t left_out = log_state.left_out;

	log_state.strangers_since = now;
	log_state.strangers = 0;
	log_state.left_out = 0;
	if (left_out)
		log_event(LOG_LEVEL_WARNING, NULL, "log",
			"lines_left_out=%llu: of connections without a login",
			(unsigned long long)left_out);
}

void log_stranger(const char *session, const char *event, const char *format, ...)
{
	uint64_t now = clock_monotonic_ms();
	va_list args;

	if (!log_shows(LOG_LEVEL_INFO))
		return;
	if (now - log_state.strangers_since >= LOG_STRANGERS_MS)
		begin_second(now);
	if (log_state.strangers++ >= LOG_STRANGERS_MOST) {
		log_state.left_out++;
		return;
	}
	va_start(args, format);
	put_event(LOG_LEVEL_INFO, session, event, format, args);
	va_end(args);
}
