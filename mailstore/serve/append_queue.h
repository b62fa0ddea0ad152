/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_APPEND_QUEUE_H
#define MAILSTORE_SERVE_APPEND_QUEUE_H
/*
 * APPENDs that came whole, and wait to be committed together. A commit waits for the
 * disk once, whatever is in it; so a client that sends one APPEND behind the other, or
 * several clients at once, need not wait for the disk with each.
 *
 *   the last byte came        append_queue_add()
 *   there is no more input    append_queue_commit(): into the store, on the disk; then
 *                             the tagged answers, in the order of the commands
 *
 * Nothing of them is in the store before: no transaction is open while they wait. A
 * commit that fails is no answer: each is then tried by itself, so that one that does
 * not fit costs no other. Messages wait in memory; one that lies in a pack waits for
 * nobody. The queue itself is part of struct serve (service.h).
 */
struct imap;
struct serve;

/* Then they are committed at once: a commit is to take a few milliseconds. Bytes are
   those of messages and of command lines, which are kept as long. */
#define APPENDS_TOGETHER_MAX 256
#define APPENDS_BYTES_MAX 1048576

/* Takes s->append, of which all came and nothing was refused; the session goes on with
   its next command. It may be answered at once. */
void append_queue_add(struct imap *s);
/* All that wait are answered. */
void append_queue_commit(struct serve *serve);
/* The same if one of them is this session's: what it is answered next comes behind. */
void append_queue_settle(struct imap *s);

#endif
