/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ACCOUNT_FOUND_H
#define TRANSFER_ACCOUNT_FOUND_H
/*
 * What the account has at the source besides its mail, for the admin: folders of others
 * that it sees, folders of its own that others see, its quota. Asked over the connection
 * that a copy or a sweep has made, behind its work, at most once a day:
 *
 *   LIST of others' name spaces, GETQUOTAROOT INBOX, GETACL of own folders  ─► one turn
 *   MYRIGHTS of what was found                                              ─► another
 *
 * Rules (Sieve, vacation, forwards) are not asked for. IMAP shows none; ManageSieve would
 * take one more login of each account and the password to one more service, and an admin
 * who has the source has all scripts in one command.
 */
#include "transfer/account/job/job.h"
#include "transfer/account/results/found_state.h"

struct found_name {
	struct str name;
	enum found_copy copy; /* of it, here */
};

struct found_names {
	struct str namespaces; /* what the source says of its name spaces; "" */
	struct found_name *at; /* mailboxes that its LIST shows */
	size_t n;
};

/* When it is time; the source is connected, and is not when it has failed: that is noted
   beside what the look before has found, and nobody's failure. */
void found_look(struct job *j, const struct found_names *names);
/* Of what the last pass has listed. */
void found_look_after_pass(struct job *j);
/* Of what the last round has listed. */
struct sweep;
void found_look_after_round(struct job *j, const struct sweep *s);

#endif
