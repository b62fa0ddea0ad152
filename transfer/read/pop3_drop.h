/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_POP3_DROP_H
#define TRANSFER_POP3_DROP_H
/*
 * A maildrop as its LIST and UIDL show it, and the UID that each message has here. Pure.
 *
 *   add, name (all of them) ─► settle ─► know (what is here already) ─► number the rest
 *
 * A unique-id may name several messages (RFC 1939, 7 allows it for equal ones; servers
 * do it by mistake, too): they are told apart by size, then by order.
 */
#include "base/buf.h"

#include <stdint.h>

struct pop3_drop_message {
	uint64_t size;   /* as LIST says it, right or not */
	uint32_t number; /* RFC 1939: of this session */
	uint32_t uid;    /* here; 0: not known yet */
	uint32_t name;   /* where its unique-id begins in `names` */
	uint32_t name_len;
};

struct pop3_drop {
	struct pop3_drop_message *at; /* in the order of LIST */
	size_t count, cap;
	struct buf names;
	uint32_t *by_name, *by_uid; /* indices into `at` */
};

void pop3_drop_init(struct pop3_drop *d);
void pop3_drop_fini(struct pop3_drop *d); /* empty again; may be called twice */

/* -ENOMEM, -EOVERFLOW. */
int pop3_drop_add(struct pop3_drop *d, uint32_t number, uint64_t size);
/* -ENOENT: LIST has no such number. -EEXIST: it has a name. */
int pop3_drop_name(struct pop3_drop *d, uint32_t number, struct str name);
struct str pop3_drop_name_of(
	const struct pop3_drop *d, const struct pop3_drop_message *m);
/* -ENODATA: one has no name. */
int pop3_drop_settle(struct pop3_drop *d);
/* Settled: a second one of a name becomes name.2, and so on. For names that are ours. */
int pop3_drop_make_unique(struct pop3_drop *d);

/* The message that has `uid` here, or NULL: it is there no more. */
struct pop3_drop_message *pop3_drop_know(
	struct pop3_drop *d, struct str name, uint64_t size, uint32_t uid);
/* UIDs from `next` on for those that are not here, in order. -EOVERFLOW: none is left. */
int pop3_drop_number(struct pop3_drop *d, uint32_t next);
/* Numbered: NULL when there is none. */
const struct pop3_drop_message *pop3_drop_by_uid(const struct pop3_drop *d, uint32_t uid);

#endif
