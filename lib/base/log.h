/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * Log lines are data: time, program, level, session, event, then key=value.
 *
 *   2026-03-01T10:11:12.345Z interceptor info 5f2c01 login account=alice route=source
 *
 * One grep for a session id tells that session's story. They go to stderr, or to
 * systemd's journal with each of these as a field of its own (journal.h). Control
 * characters are printed as '?', so that no peer writes a line of their own. Passwords
 * are never arguments: what holds one is not printed at all.
 * Libraries do not log; the program that decides does, once.
 */
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
/* AUTO: the journal when systemd has connected stderr with it. */
enum log_target { LOG_TARGET_AUTO, LOG_TARGET_JOURNAL, LOG_TARGET_STDERR };

/* `program` is not copied. */
void log_init(const char *program, enum log_level most);
/* Opens the journal when that is the target: before the process gives up its rights.
   False: it is not there, and stderr is used. */
bool log_set_target(enum log_target target);
void log_set_level(enum log_level most);
bool log_shows(enum log_level level);
/* MAILFERRY_LOG=error|warning|info|debug, else `otherwise`. */
enum log_level log_level_from_environment(enum log_level otherwise);

/* From now on lines of info and debug may wait for log_flush(), some 4 KiB of them: for a
   loop that calls it within some milliseconds. A warning or an error goes out at once,
   and all that came before it. */
void log_gather(void);
bool log_flush(void); /* false: none waited */

/* session: an id, or NULL for "-". */
void log_event(enum log_level level, const char *session, const char *event,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_error(session, event, ...)                                                   \
	log_event(LOG_LEVEL_ERROR, session, event, __VA_ARGS__)
#define log_warning(session, event, ...)                                                 \
	log_event(LOG_LEVEL_WARNING, session, event, __VA_ARGS__)
#define log_info(session, event, ...)                                                    \
	log_event(LOG_LEVEL_INFO, session, event, __VA_ARGS__)
/* What somebody who has not logged in can cause as often as they like: at the most
   LOG_STRANGERS_MOST lines in LOG_STRANGERS_MS, then one that tells how many are
   missing. */
#define LOG_STRANGERS_MOST 100
#define LOG_STRANGERS_MS 1000
void log_stranger(const char *session, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Its arguments cost nothing when nobody wants to see it: they are not looked at. */
#define log_debug(session, event, ...)                                                   \
	do {                                                                             \
		if (log_shows(LOG_LEVEL_DEBUG))                                          \
			log_event(LOG_LEVEL_DEBUG, session, event, __VA_ARGS__);         \
	} while (0)

#endif
