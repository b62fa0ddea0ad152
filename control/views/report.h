/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_REPORT_H
#define CONTROL_VIEWS_REPORT_H
/*
 * What still needs the source, gathered before anything is printed, and what follows
 * from it: a list of reasons why it cannot be retired, empty when it can.
 *
 *   report.c ─► report_addresses.c   recipients that went to the source
 *            ─► report_accounts.c    accounts, aliases, special rules
 *            ─► report_users.c       users that the admin has named; what passes unseen
 *            ─► report_found.c       what does not move: shared folders, quotas, rules
 */
#include "control/terminal/control.h"
#include "control/terminal/output.h"
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

/* A folder of somebody else, and which accounts see it. */
struct report_shared {
	struct str folder, kind, rights; /* the most rights of them */
	struct str users;                /* some of them */
	uint64_t n_users;
	uint64_t n_barred; /* of them, who may not read it */
	bool is_copied;    /* into each of theirs who may */
};

/* Folders of an account that others see. */
struct report_share {
	struct str account;
	uint64_t folders;
	struct str folder, who; /* the first; some of them */
};

/* A limit that the source has, for so many accounts. */
struct report_quota {
	uint64_t bytes, messages; /* one of them is 0 */
	uint64_t accounts;
	struct str fullest;
	uint64_t percent; /* of the fullest */
};

/* How much the looks at the source tell. */
struct report_looks {
	uint64_t none, failed; /* accounts that were not looked at, or in vain */
	/* whose source shows no such thing */
	uint64_t no_namespace, no_acl, no_quota;
	uint64_t withheld; /* folders whose ACL is not shown, or was not asked for */
	uint64_t more;     /* folders that are counted and not kept */
};

/* Whether an account that lives here has a quota of its own. 0 or -errno. */
typedef int report_own_quota_fn(struct control *c, struct str account, bool *ret);

struct report {
	struct arena arena; /* all strings */
	uint64_t days, since_day, watched_ms, retired_at;
	struct buf addresses; /* of struct report_address, … */
	struct buf accounts, unseen, specials;
	struct buf swept;   /* of struct report_swept (sweep_view.h) */
	struct buf flows;   /* of struct unseen: connections, not aliases */
	struct buf missing; /* of struct str: known to be at the source, unknown here */
	uint64_t n_accounts, n_local, n_moving, n_without_password;
	uint64_t n_swept;   /* accounts that got mail there in these days */
	uint64_t n_changed; /* accounts whose old mailboxes others changed */
	uint64_t n_open;    /* addresses that still go there */
	uint64_t refused;   /* recipients that the source refused */
	uint64_t more;      /* recipients beyond the most that are kept apart */
	bool is_unfiltered; /* mail for those who live here, check_filters.h */
	struct buf shared;  /* of struct report_shared, … */
	struct buf shares, quotas;
	struct buf limited; /* of struct str: accounts here that the source limits */
	uint64_t n_limited; /* with those that are not here */
	report_own_quota_fn *own_quota;
	struct report_looks looks;
	json_t *not_watched; /* sentences */
	json_t *remarks;     /* likewise: what does not move, and what helps */
	json_t *reasons;     /* likewise; empty: safe to retire */
};

/* c->days as typed; -EINVAL: not a number of days (wrong use). */
int report_days(struct control *c, uint64_t *ret_days);

int report_gather(struct control *c, struct registry *r, uint64_t days,
	report_own_quota_fn *own_quota, struct report *ret);
void report_fini(struct report *p);
bool report_is_safe(const struct report *p);
/* All reasons in one sentence. */
void report_print_reasons(const struct report *p, FILE *to);
/* What does not move, a line each. */
void report_print_remarks(const struct report *p, FILE *to);

/* The parts, for report.c. */
int report_addresses(struct control *c, struct registry *r, struct report *p);
int report_accounts(struct control *c, struct registry *r, struct report *p);
int report_users(struct control *c, struct registry *r, struct report *p);
/* One account's; then all of it, when no account is left. */
int report_found_add(
	struct registry *r, const struct account *a, struct report *p, struct error *err);
int report_found_finish(struct control *c, struct report *p);
/* A sentence more. */
void report_say(json_t *to, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* That string of an object, kept as long as the report; NULL without memory. */
struct str report_text(struct report *p, const json_t *object, const char *key);
/* Whether the admin has named that user (--users). */
int report_knows_user(
	struct control *c, struct registry *r, struct str name, bool *ret_known);
/* Ports of the source that answer and are not intercepted, as names in text[size]. */
void report_unseen_services(struct control *c, char *text, size_t size);

#endif
