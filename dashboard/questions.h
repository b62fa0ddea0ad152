/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_QUESTIONS_H
#define DASHBOARD_QUESTIONS_H
/*
 * All that the dashboard can ask and do: a row for each, which is a command line of
 * `mailferry`. The process that browsers talk to names a row and perhaps a user or a
 * session; nothing else reaches the process that runs it.
 */
#include "base/str.h"

#define QUESTION_WORDS_MAX 5
#define QUESTION_UNFINISHED 255   /* instead of an exit code: nobody waited for its end */
#define QUESTION_ARGUMENT_MAX 512 /* bytes; the longest user names have some 300 */

enum question {
	/* of the whole */
	QUESTION_STATUS,
	QUESTION_ACCOUNTS,
	QUESTION_TRANSFERS,
	QUESTION_FLOWS,
	QUESTION_COUNTERS,
	QUESTION_REPORT,
	QUESTION_WHOLE_COUNT,
	/* of one user */
	QUESTION_ACCOUNT = QUESTION_WHOLE_COUNT,
	/* actions: only with `admin` */
	QUESTION_ROUTE_AUTO,
	QUESTION_ROUTE_SOURCE,
	QUESTION_ROUTE_LOCAL,
	QUESTION_TRANSFER,
	QUESTION_KICK,
	QUESTION_COUNT,
	/* for `mailferry metrics http`, not for browsers */
	QUESTION_METRICS = QUESTION_COUNT,
	QUESTION_ROWS
};

struct question_row {
	const char *name; /* in URLs */
	/* What stands after `mailferry -c FILE`; "" is the place of the argument. */
	const char *words[QUESTION_WORDS_MAX + 1];
	bool is_action;
	bool is_slow;      /* a page is shown before it, and again with it */
	const char *says;  /* of an action, before the argument: "Move", … */
	uint64_t waits_ms; /* in which it only waits: two looks make a rate */
};
extern const struct question_row question_rows[QUESTION_ROWS];

/* QUESTION_COUNT: there is none of that name. */
enum question question_by_name(struct str name);
bool question_has_argument(enum question q);
/* Whether it is one of the questions, with an argument that it can have, and allowed. */
bool question_is_allowed(uint64_t number, struct str argument, bool admin);

#endif
