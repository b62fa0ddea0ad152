/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_VOUCH_H
#define TRANSFER_VOUCH_H
/*
 * Whose mailbox was it that a master user's login opened? A server may take that login
 * and open another one: Courier looks at no authzid and opens the master user's own.
 * Names, namespaces and sizes cannot tell.
 *
 * So a copy that was made by a master user says so of itself (a note in it), and whether
 * it was whole. The first login with the user's own password compares it with what the
 * user has, before anything of it is believed:
 *
 *   bodies    of all messages of up to 64 KiB, or of 256 of them by chance; and of each
 *             folder the newest and some others, byte for byte
 *   rows      the first pass after that: of every message UID, date and size, of every
 *             folder UIDVALIDITY and UIDNEXT (sync.h: doubts)
 *
 *   no note ─────────────────────► nothing to do
 *   all that is there agrees ────► the note goes
 *   of a folder nothing is there ► that folder is copied anew
 *   one differs ─────────────────► all of it is thrown away and copied anew
 *
 * As long as the note is there the account does not switch. What is not seen: another
 * one's mailbox with the same UIDVALIDITY and UIDs, where each message has the same
 * second and size, of more than 256, and few have other bytes (one in fifty: seen with
 * 99.4 %).
 */
struct job;

/* Behind the opening of the destination and the reader. */
int vouch_open(struct job *j);
/* Behind each login: leaves the note, or compares bodies. As source_ops.run. */
int vouch(struct job *j);
/* Behind a pass: it was whole, by whoever it was. */
int vouch_passed(struct job *j);
/* Behind one that ended with -ESTALE: all of it goes. */
int vouch_failed(struct job *j);

#endif
