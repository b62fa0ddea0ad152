/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ACCOUNT_CARRY_H
#define TRANSFER_ACCOUNT_CARRY_H
/*
 * The two logins at the source by which an account's news are carried back (one reads,
 * the other one changes), with as many tries as a lost connection is worth. The only
 * place that makes a writer: invariant 4.
 */
#include "transfer/account/job/job.h"
#include "transfer/back/carry.h"

struct account_carry {
	struct job *job; /* the caller's: begun, its rights dropped */
	struct carry carry;
	struct writer writer;
	bool may_change; /* false: a dry run, with one login */
	bool has_passwords, is_connected;
	int (*tick)(void *context);
	void *context;
};

void account_carry_init(struct account_carry *a, struct job *j, bool may_change);
void account_carry_fini(struct account_carry *a);

/* Without a login: the passwords, and how the source is read. */
int account_carry_open(struct account_carry *a);
/* Logs in. -ENODATA with the sentence: it cannot be (POP3 alone, no password). */
int account_carry_connect(struct account_carry *a);
/* Until everything of the store is there. */
int account_carry_run(struct account_carry *a, struct store *s);
/* Writes down what came of it. */
int account_carry_note(struct account_carry *a, const char *result, const char *reason);

#endif
