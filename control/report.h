/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H
/*
 * What still needs the source, gathered before anything is printed, and what follows
 * from it: a list of reasons why it cannot be retired, empty when it can.
 *
 *   report.c ─► report_addresses.c   recipients that went to the source
 *            ─► report_accounts.c    accounts, aliases, special rules
 *            ─► report_users.c       users that the admin has named; what passes unseen
 */
#include "control/control.h"
#include "control/output.h"
#include "registry/alias.h"
#include "registry/recipients.h"

#define REPORT_DAYS 7 /* a week has all of its regular mail */

struct report_address {
	struct str address;
	uint64_t count, clients, first_at, last_at;
	struct str client;  /* the busiest */
	struct str days;    /* "2026-03-01 12, 2026-03-02 3" */
	json_t *days_json;  /* [{day, count}] */
	struct str account; /* where it leads now; empty: to nobody here */
	struct str route;
	struct str why; /* why it goes to the source; empty: it does no more */
};

struct report_account {
	struct str name, route, stage, why;
};

/* An alias whose user has never logged in; a special rule. */
struct report_rule {
	struct str address, rule, source;
};

struct report {
	struct arena arena; /* all strings */
	uint64_t days, since_day, watched_ms, retired_at;
	struct buf addresses; /* of struct report_address, … */
	struct buf accounts, unseen, specials;
	struct buf swept;   /* of struct report_swept (sweep_view.h) */
	struct buf flows;   /* of struct unseen: connections, not aliases */
	struct buf missing; /* of struct str: known to be at the source, unknown here */
	uint64_t n_accounts, n_local, n_moving, n_without_password;
	uint64_t n_swept;    /* accounts that got mail there in these days */
	uint64_t n_changed;  /* accounts whose old mailboxes others changed */
	uint64_t n_open;     /* addresses that still go there */
	uint64_t refused;    /* recipients that the source refused */
	uint64_t more;       /* recipients beyond the most that are kept apart */
	bool is_unfiltered;  /* mail for those who live here, check_filters.h */
	json_t *not_watched; /* sentences */
	json_t *reasons;     /* likewise; empty: safe to retire */
};

/* c->days as typed; -EINVAL: not a number of days (wrong use). */
int report_days(struct control *c, uint64_t *ret_days);

int report_gather(
	struct control *c, struct registry *r, uint64_t days, struct report *ret);
void report_fini(struct report *p);
bool report_is_safe(const struct report *p);
/* All reasons in one sentence. */
void report_print_reasons(const struct report *p, FILE *to);

/* The parts, for report.c. */
int report_addresses(struct control *c, struct registry *r, struct report *p);
int report_accounts(struct control *c, struct registry *r, struct report *p);
int report_users(struct control *c, struct registry *r, struct report *p);
/* Whether the admin has named that user (--users). */
int report_knows_user(
	struct control *c, struct registry *r, struct str name, bool *ret_known);
/* Ports of the source that answer and are not intercepted, as names in text[size]. */
void report_unseen_services(struct control *c, char *text, size_t size);

#endif
