/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_VAULT_H
#define CONTROL_RUNNING_VAULT_H
/*
 * Commands that concern passwords ask the vault: the one that runs, or else one that is
 * started for the command. No command reads the key.
 */
#include "control/terminal/control.h"

#include "messages/message.h"

#include <sys/types.h>

/* Has mailferry-vault do a task ("check", "make") and end. Its sentence is c->err. */
int vault_task(struct control *c, const char *task);

struct vault_call {
	int fd;
	pid_t pid; /* of the one that was started for us; 0: none */
};
int vault_call_open(struct control *c, struct vault_call *ret);
/* A question whose answer is DONE. */
int vault_call_ask(
	struct control *c, const struct vault_call *t, const struct message *m);
/* The same; *ret: the number that comes with it. */
int vault_call_number(struct control *c, const struct vault_call *t,
	const struct message *m, uint64_t *ret);
void vault_call_close(struct vault_call *t);

/* Another name for an account that lives here (registry/rename.h); drop "": the old one
   stays. */
int vault_rename(struct control *c, int64_t account, struct str from, struct str to,
	struct str drop);

/* What the account's mail folder is to say of where it lives (registry/residence.h); the
   arena's. */
int vault_residence(
	struct control *c, int64_t account, struct arena *arena, struct str *ret);

/* A new password for logins here; c->only: no other one opens the mailbox any more. */
int vault_set_password(struct control *c, int64_t account, struct str password);

#endif
