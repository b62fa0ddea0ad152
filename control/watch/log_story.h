/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_LOG_STORY_H
#define CONTROL_WATCH_LOG_STORY_H
/*
 * What the log tells about one user or one session, in order. A user's story is made of
 * the lines that name the account and of all lines of the sessions that do; so the log is
 * read twice:
 *
 *   log ──► log_story_look() ──► sessions ──► log ──► log_story_tells()
 */
#include "base/log_line.h"

#include <stddef.h>

struct log_story {
	struct str wanted; /* a user or a session; not owned */
	char **sessions;   /* owned, and each; sorted by log_story_looked() */
	size_t n_sessions, size;
};

void log_story_init(struct log_story *s, const char *wanted);
void log_story_fini(struct log_story *s);

/* Remembers the line's session when it is about the wanted one. 0 or -ENOMEM. */
int log_story_look(struct log_story *s, const struct log_line *line);
/* All lines were looked at. */
void log_story_looked(struct log_story *s);
bool log_story_tells(const struct log_story *s, const struct log_line *line);

#endif
