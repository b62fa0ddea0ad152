/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_DIALOGUE_H
#define TRANSFER_IMAP_DIALOGUE_H
/*
 * One command at a time, or a few of one kind together: what is said up to the tagged
 * answer, and what has to be sent in between where the server says "+". The login, and
 * whoever changes a mailbox; the reader sends ahead instead (imap_commands.h).
 */
#include "transfer/read/imap_connection.h"

/* What a command is made of behind its first part, which is in net.out already. */
struct imap_dialogue {
	const struct str *steps;
	size_t n, next;
	/* Of each untagged line; NULL: nothing in them is wanted. -EPROTO: it makes no
	   sense; -ENOMEM. */
	int (*untagged)(void *context, const struct imap_response *is);
	/* Commands that were said before this one and are not answered yet: the dialogue
	   lasts until all are, in any order. */
	uint32_t ahead;
	/* Of each tagged answer, to the nth of them from 0; its views die with the call.
	   -EPROTO: it was answered before. NULL: only without any ahead. */
	int (*tagged)(void *context, uint32_t nth, const struct imap_response *is);
	void *context;
	/* Several times a second, however much the source says; non-zero ends it. NULL:
	   nobody asks. */
	int (*tick)(void *context);
	void *tick_context;
};

/* Reads to the last tagged answer (or BYE); its code, the code's value and its text are
   copied to the connection's arena. -EPROTO: no IMAP; else as the connection. */
int imap_dialogue(struct imap_connection *imap, struct imap_dialogue *d,
	unsigned patience_ms, struct imap_response *ret, struct error *err);

/* ---- for the greeting, too ---- */

/* Waits for a whole response; *ret_line lives until *ret_used bytes are consumed. d: who
   is to be asked meanwhile. */
int imap_dialogue_response(struct imap_connection *imap, const struct imap_dialogue *d,
	unsigned patience_ms, struct str *ret_line, size_t *ret_used, struct error *err);
int imap_dialogue_nonsense(struct str line, struct error *err);
/* Keeps the capabilities when the line has them. */
int imap_dialogue_learn(struct imap_connection *imap, struct str line);

#endif
