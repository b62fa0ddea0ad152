/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * Log lines are data: time, program, level, session, event, then key=value.
 *
 *   2026-03-01T10:11:12.345Z interceptor info 5f2c01 login account=alice route=source
 *
 * One grep for a session id tells that session's story. They go to stderr (the supervisor
 * or systemd keeps them). Control characters are printed as '?', so that no peer writes a
 * line of their own. Passwords are never arguments: what holds one is not printed at all.
 * Libraries do not log; the program that decides does, once.
 */
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_init(const char *program, enum log_level most);
bool log_shows(enum log_level level);
/* MAILFERRY_LOG=error|warning|info|debug, else info. */
enum log_level log_level_from_environment(void);

/* From now on lines of info and debug may wait for log_flush(), some 4 KiB of them: for a
   loop that calls it before it sleeps. A warning or an error goes out at once, and all
   that came before it. */
void log_gather(void);
void log_flush(void);

/* session: an id, or NULL for "-". */
void log_event(enum log_level level, const char *session, const char *event,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_error(session, event, ...)                                                   \
	log_event(LOG_LEVEL_ERROR, session, event, __VA_ARGS__)
#define log_warning(session, event, ...)                                                 \
	log_event(LOG_LEVEL_WARNING, session, event, __VA_ARGS__)
#define log_info(session, event, ...)                                                    \
	log_event(LOG_LEVEL_INFO, session, event, __VA_ARGS__)
/* Its arguments cost nothing when nobody wants to see it: they are not looked at. */
#define log_debug(session, event, ...)                                                   \
	do {                                                                             \
		if (log_shows(LOG_LEVEL_DEBUG))                                          \
			log_event(LOG_LEVEL_DEBUG, session, event, __VA_ARGS__);         \
	} while (0)

#endif
