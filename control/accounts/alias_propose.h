/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ALIAS_PROPOSE_H
#define CONTROL_ACCOUNTS_ALIAS_PROPOSE_H
/*
 * Addresses that an account seems to have, from where mail for them went: what the source
 * accepted from clients for an address that nobody is known to have (recipients.h),
 * beside what then came into the old mailbox of an account that has moved (delivered.h).
 *
 * It is proposed and never taken: a list of several members looks the same from one of
 * them, and an owner who can write to the old mailbox (webmail there) can write evidence.
 * So nothing is proposed of which a part went elsewhere, nor what several accounts have,
 * and the person who says yes is told to look at the source's own table.
 */
#include "control/terminal/control.h"

#include "base/arena.h"
#include "base/buf.h"

enum proposal_verdict {
	PROPOSAL_LIKELY,    /* command is not empty */
	PROPOSAL_TOO_FEW,   /* one message may be chance */
	PROPOSAL_ELSEWHERE, /* more mail went to that address than came */
	PROPOSAL_SHARED,    /* it came to other accounts, too */
	PROPOSAL_NAMESAKE,  /* another account's name is its local part */
	PROPOSAL_MANY,      /* an account with too many of them: a whole domain's? */
	PROPOSAL_VERDICT_COUNT
};
const char *proposal_verdict_name(enum proposal_verdict v);

struct proposal {
	struct str address; /* PROPOSAL_MANY: "*" */
	struct str account; /* SHARED: all of them, with commas */
	uint64_t messages;  /* that came into its old mailbox by that address */
	uint64_t asked;     /* that the source accepted for it since, from clients */
	uint64_t first_at, last_at;
	enum proposal_verdict verdict;
	struct str verdict_name, why, command;

	int64_t account_id;
};

struct proposals {
	struct arena arena;
	struct buf all; /* of struct proposal; likely ones first, by messages */
};

void proposals_init(struct proposals *p);
void proposals_fini(struct proposals *p);
int proposals_gather(struct control *c, struct registry *r, struct proposals *p);
size_t proposals_count(const struct proposals *p);
const struct proposal *proposals_at(const struct proposals *p, size_t i);

/* A word for a shell, in quotes where it needs them. false: not as one line. */
bool proposal_quote(struct str word, struct buf *out);

#endif
