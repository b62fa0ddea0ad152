/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_RECENT_H
#define REGISTRY_RECENT_H
/*
 * Logins that taught nothing a moment ago, or have something to teach that is not
 * written yet, where names and addresses lead, and facts that each SMTP session asks for
 * (has anybody moved?). Each login is looked at twice, when it comes and when the source
 * has said OK, a mail client opens several connections at once, and each recipient's
 * account is looked at with RCPT, DATA and the end of the message. As long as nobody has
 * committed anything since (database_version()), the answer is the same; for ten seconds
 * at the most, since the time makes some things new as well. In a transaction nothing is
 * answered from here.
 *
 * Names, clients' addresses and numbers of rows are kept, no passwords.
 */
#include "database/database.h"
#include "registry/registry.h"

#include <stdbool.h>

#define RECENT_QUESTION_MAX 96 /* longer ones are asked each time */

struct recent_question {
	char text[RECENT_QUESTION_MAX];
	size_t len;
	struct database_version version; /* before it is asked */
};

struct recent_answer {
	struct account_route route;
	int64_t password; /* the row that was shown, of a login; a fact's number */
	bool is_news;     /* there is something to learn: password says nothing */
};

struct recent; /* opaque */

struct recent *recent_new(void); /* for free(); NULL without memory */

/* The answer that is still good; NULL: *ret is to be asked, and its answer may be kept.
   The parts of a question hold no NUL. r may be NULL. */
const struct recent_answer *recent_find(struct recent *r, struct database *d,
	const struct str *parts, size_t n, struct recent_question *ret);
/* Unless somebody has committed while it was asked. */
void recent_keep(struct recent *r, struct database *d, const struct recent_question *q,
	const struct account_route *route, int64_t password);
/* Likewise, of a login that has something to teach. Anybody can try names that nobody
   has: it takes the place of no other answer that is good. */
void recent_keep_news(struct recent *r, struct database *d,
	const struct recent_question *q, const struct account_route *route);

/* What the whole registry has one of, as a number. true: *ret_number is still good. */
bool recent_fact(struct recent *r, struct database *d, const char *name,
	struct recent_question *ret, uint64_t *ret_number);
void recent_keep_fact(struct recent *r, struct database *d,
	const struct recent_question *q, uint64_t number);

#endif
