/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_STATUS_H
#define CONTROL_WATCH_STATUS_H
/* Everything that one screen shows, gathered before anything is printed. */
#include "control/terminal/control.h"
#include "control/terminal/output.h"

enum status_rules {
	STATUS_RULES_UNKNOWN, /* no right to look */
	STATUS_RULES_ABSENT,
	STATUS_RULES_DIFFER,
	STATUS_RULES_IN_PLACE,
	STATUS_RULES_COUNT
};

enum status_program {
	STATUS_VAULT,
	STATUS_INTERCEPTOR,
	STATUS_MAILSTORE,
	STATUS_TRANSFER,
	STATUS_ADMISSION,
	STATUS_PROGRAM_COUNT
};

struct status {
	bool runs[STATUS_PROGRAM_COUNT];
	enum status_rules rules;
	enum fail_mode fail; /* as it is in effect */
	uint64_t retired_at; /* the source; 0: it is not */
	struct registry_counts counts;
	uint64_t flows[ROUTE_COUNT + 1]; /* the last: before login */
	json_t *certificates;            /* array of objects: ours */
	json_t *unseen;                  /* array of objects: what passed unseen lately */
	json_t *old_programs;     /* of before the last upgrade: array of objects */
	uint64_t old_connections; /* that go on in them */
	json_t *admission; /* what was judged (clients.c there); NULL: it does not run */
	json_t *attention; /* array of sentences */
	json_t *ports;     /* array of objects: what the source's ports answered */
	uint64_t ports_ms; /* all of them */
};

const char *status_rules_name(enum status_rules r);
const char *status_program_name(enum status_program p);
bool status_program_runs(const struct settings *s, enum status_program p);

int status_gather(struct control *c, struct status *ret);
void status_fini(struct status *s);
/* One line of what needs attention. */
void status_attend(struct status *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
