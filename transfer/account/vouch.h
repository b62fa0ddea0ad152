/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_VOUCH_H
#define TRANSFER_VOUCH_H
/*
 * Whose mailbox was it that a master user's login opened? A server may take that login
 * and open another one: Courier looks at no authzid and opens the master user's own.
 * Names, namespaces and sizes cannot tell.
 *
 * So a copy that was made by a master user says so of itself (a note in it). The first
 * login with the user's own password compares it with what the user has, before anything
 * else: of each folder the newest messages and some others, byte for byte.
 *
 *   no note ──────────────► nothing to do
 *   all that is there agrees ──► the note goes, and the passes bring the rest
 *   of a folder nothing is there ──► that folder is copied anew
 *   one differs ──────────► all of it is thrown away and copied anew
 *
 * As long as the note is there the account does not switch. What the passes compare of
 * every message (UID, date, size, flags) they compare afterwards, as always.
 */
struct job;

/* Behind the opening of the destination and the reader. */
int vouch_open(struct job *j);
/* Behind each login: leaves the note, or compares. As source_ops.run. */
int vouch(struct job *j);

#endif
