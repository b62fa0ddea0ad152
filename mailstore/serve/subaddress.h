/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SUBADDRESS_H
#define MAILSTORE_SERVE_SUBADDRESS_H
/*
 * The mailbox that a sub-address names: alice+Lists@example.com is for Lists. Whoever
 * sends mail chooses the word, so it reaches little:
 *
 * - a mailbox that is there and can hold mail; none is ever made;
 * - directly below the namespace's prefix: the word holds no separator;
 * - none with a special use (Trash, Junk, Sent, ...): there it would not be seen.
 *
 * The word is compared as it stands and in modified UTF-7, as mailboxes are spelt in the
 * store; when none has just that name, without regard to case (ASCII), if only one fits.
 */
#include "mailstore/store/store.h"

/* 1 and its id, 0: INBOX is meant, or -errno. */
int subaddress_mailbox(
	struct store *s, struct str word, int64_t *ret_id, struct error *err);

#endif
