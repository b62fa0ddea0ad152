/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* below PIPE_BUF: a line is written whole or not at all */

static struct {
	const char *program;
	enum log_level most;
} log_state = { "mailferry", LOG_LEVEL_INFO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_init(const char *program, enum log_level most)
{
	log_state.program = program;
	log_state.most = most;
}

enum log_level log_level_from_environment(void)
{
	const char *wanted = getenv("MAILFERRY_LOG");

	for (int i = 0; wanted && i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(wanted, level_names[i]) == 0)
			return (enum log_level)i;
	return LOG_LEVEL_INFO;
}

static size_t put_head(char *line, size_t size, enum log_level level, const char *session,
	const char *event)
{
	uint64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm utc;
	char stamp[32];
	int n;

	gmtime_r(&seconds, &utc);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	n = snprintf(line, size, "%s.%03uZ %s %s %s %s ", stamp, (unsigned)(now % 1000),
		log_state.program, level_names[level], session ? session : "-", event);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

void log_event(enum log_level level, const char *session, const char *event,
	const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;
	size_t len;

	if (level > log_state.most)
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
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nowhere left to complain */
}
