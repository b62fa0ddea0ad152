/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* below PIPE_BUF: a line is written whole or not at all */
_Static_assert(LINE_MAX_BYTES <= PIPE_BUF, "a line fits among those that are kept");

static struct {
	const char *program;
	enum log_level most;
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

bool log_shows(enum log_level level)
{
	return level <= log_state.most;
}

enum log_level log_level_from_environment(void)
{
	const char *wanted = getenv("MAILFERRY_LOG");

	for (int i = 0; wanted && i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(wanted, level_names[i]) == 0)
			return (enum log_level)i;
	return LOG_LEVEL_INFO;
}

/* "2026-03-01T10:11:12": made once a second, since it costs more than the rest. */
static const char *second_text(time_t second)
{
	static time_t made_for = -1;
	static char text[32];
	struct tm utc;

	if (second != made_for && gmtime_r(&second, &utc)) {
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
		made_for = second;
	}
	return text;
}

static size_t put_head(char *line, size_t size, enum log_level level, const char *session,
	const char *event)
{
	uint64_t now = clock_wall_ms();
	int n = snprintf(line, size, "%s.%03uZ %s %s %s %s ",
		second_text((time_t)(now / 1000)), (unsigned)(now % 1000),
		log_state.program, level_names[level], session ? session : "-", event);

	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

void log_gather(void)
{
	log_state.gathers = true;
}

void log_flush(void)
{
	size_t kept = log_state.kept;

	log_state.kept = 0;
	if (kept && write(STDERR_FILENO, log_state.lines, kept) < 0)
		return; /* nowhere left to complain */
}

static void keep(struct str line)
{
	if (line.len > sizeof(log_state.lines) - log_state.kept)
		log_flush();
	memcpy(log_state.lines + log_state.kept, line.ptr, line.len);
	log_state.kept += line.len;
}

void log_event(enum log_level level, const char *session, const char *event,
	const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;
	size_t len;

	if (!log_shows(level))
		return;
	len = put_head(line, sizeof(line) - 1, level, session, event);
	va_start(args, format);
	(void)vsnprintf(line + len, sizeof(line) - 1 - len, format, args);
	va_end(args);
	len = strlen(line);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	keep(str_of(line, len));
	if (!log_state.gathers || level <= LOG_LEVEL_WARNING)
		log_flush();
}
