/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_FINDINGS_H
#define CONTROL_CHECK_FINDINGS_H
/* What `mailferry check` found: one line each, collected first and printed by one
   printer. */
#include "control/terminal/output.h"

enum finding_level {
	FINDING_OK,
	FINDING_NOTE,    /* works, but the admin should know */
	FINDING_PROBLEM, /* would not work: exit 1 */
	FINDING_LEVEL_COUNT
};

struct findings {
	json_t *all; /* array of {area, name, level, text} */
	size_t problems;
};

int findings_init(struct findings *f);
void findings_fini(struct findings *f);
void finding(struct findings *f, enum finding_level level, const char *area,
	const char *name, const char *format, ...) __attribute__((format(printf, 5, 6)));
void findings_print(const struct findings *f, FILE *to);

#endif
