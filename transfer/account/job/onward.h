/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ONWARD_H
#define TRANSFER_ONWARD_H
/*
 * An account that moves on to another server (`destination`): what was copied here goes
 * on to it, as that user and with the password that the source takes; or into the Maildir
 * that it serves (onward_maildir.h), where UIDs stay as they are.
 *
 *   source ─► our store, equal and proven ─► destination
 *
 * So the source is read as for our own store, each message once. The store keeps which
 * UID is which there (mailstore/store/source_side.h), and how far it came: who is killed
 * anywhere goes on. Nothing is ever written to the source by it.
 */
#include "settings/settings.h"
#include "source/tls.h"
#include "transfer/account/job/onward_maildir.h"
#include "transfer/account/job/onward_proof.h"
#include "transfer/back/carry.h"

struct job;

struct onward {
	struct source_tls tls;
	struct source there;
	struct writer writer;
	struct carry carry;
	bool is_open, is_connected;
	struct onward_maildir maildir;
	struct onward_proof proof; /* of a Maildir: what that server has shown */
	bool is_proven;
	char home[ADDRESS_TEXT_MAX];  /* as account.home */
	char where[ADDRESS_TEXT_MAX]; /* with its port */
	struct error err; /* why the last connection failed, where TLS knows it */
	/* On the way home: non-zero ends it. NULL: nothing does. */
	int (*tick)(void *context);
	void *context;
};

/* Whether the account moves on; nothing else here may be called where it does not. */
bool onward_is_wanted(const struct job *j);
/* That server gives UIDs and unique-ids of its own; a Maildir has those of the source. */
bool onward_renumbers(const struct job *j);
/* Before a pass: what can be known. */
int onward_check(struct job *j);
/* Before the sandbox. */
void onward_prepare(struct job *j);
/* `destination` is where the account lives, or is to live: the same server as before. */
bool onward_is_home(const struct job *j);
/* The registry hears where it moves to, before it switches. -EREMOTEIO: it is on its way
   to somewhere else. */
int onward_set_home(struct job *j);
/* After a pass that was committed: until all of it is there, and proven. */
int onward_pass(struct job *j);
/* After the unique-ids: a Maildir is brought up to date, and the server asked what it
   shows. Nothing where it gives UIDs: its pass has proven them. */
int onward_prove(struct job *j);
/* What came here since the switch. -EACCES: the password is refused there. */
int onward_late(struct job *j, struct store *s);
/* What its user has done at that server since the switch: the store follows it. The
   passwords are read. -EACCES as above; -ENODATA: it is not known how. */
int onward_home(struct job *j, struct store *s);
void onward_disconnect(struct job *j);
void onward_close(struct job *j); /* may be called twice */

#endif
