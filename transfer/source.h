/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SOURCE_H
#define TRANSFER_SOURCE_H
/*
 * Where mail comes from: a reader of one account at the old server.
 *
 * A reader never changes what it reads. Work is queued (folders, list, fetch) and done by
 * run(), which calls back in `source_events` as answers come: how much is in flight, over
 * how many connections, is the reader's own business. Every callback returns 0 to go on;
 * anything else ends run() and is returned. Strings and messages in a callback live until
 * it returns.
 *
 *   connect ─► folders ─► run ─► list, list … ─► run ─► fetch, fetch … ─► run ─► close
 *
 * After an error of run() or connect(), close() and connect() begin anew; what was queued
 * is forgotten. imap_source.c is the one for IMAP, pop3_source.c for a source without it;
 * tests have one in memory.
 */
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_LANES_MAX 8 /* limits.source_connections ends there, too */

struct source_folder {
	struct str name;
	char separator;         /* 0: flat */
	unsigned attributes;    /* enum mailbox_attribute */
	struct str special_use; /* "\\Sent", "" */
};

struct source_status {
	uint32_t uidvalidity, uidnext, messages;
	uint64_t highestmodseq; /* 0: unknown */
};

struct source_message {
	uint32_t uid;
	unsigned flags; /* enum message_flag */
	struct str keywords;
	int64_t date;
	int16_t zone;
	uint64_t size;       /* as the source says it, right or not */
	struct str uidl;     /* with its body; "": the reader knows none */
	uint32_t pop3_order; /* in the maildrop, from 1; 0: not known */
};

/* A message to fetch. */
struct wanted {
	uint32_t uid;
	uint32_t size; /* for planning only; at most 4 GiB */
	bool joined;   /* no other message lies between it and the one before */
	bool came;     /* the caller's notes */
	bool alone;    /* asked for once more, by itself */
};

/* How a list or a fetch ended. */
enum source_end {
	SOURCE_DONE,    /* what did not come is not there */
	SOURCE_REFUSED, /* text says why */
	SOURCE_CHANGED, /* the folder is another one now (UIDVALIDITY): look again */
};

struct source_events {
	void *context;

	/* From folders: each one (it may come again, with its special use), and each
	   subscription (may name a missing one). */
	int (*folder)(void *context, const struct source_folder *f);
	int (*subscription)(void *context, struct str name);
	/* What the source says of its name spaces, in its own form; may never come. */
	int (*namespaces)(void *context, struct str text);

	/* From list and fetch: the folder was opened, and looks like that. */
	int (*opened)(void *context, size_t folder, const struct source_status *s);
	/* From list: its messages in any order (one may come again, the last one counts),
	   the end. Lists come one after the other. */
	int (*row)(void *context, size_t folder, const struct source_message *m);
	int (*listed)(void *context, size_t folder, enum source_end end, struct str text);

	/* From fetch: a body of `len` bytes begins on this lane, its bytes in pieces, and
	   then the message it belongs to. On another lane others may come meanwhile. */
	int (*body)(void *context, unsigned lane, uint64_t len);
	int (*bytes)(void *context, unsigned lane, struct str bytes);
	int (*message)(void *context, unsigned lane, size_t folder,
		const struct source_message *m);
	/* The end for n of the messages asked for, from `first` on. */
	int (*fetched)(void *context, size_t folder, const struct wanted *first, size_t n,
		enum source_end end, struct str text);

	/* Between answers, several times a second: progress, second thoughts. */
	int (*tick)(void *context);
};

/* The states of an attempt that connect() distinguishes by its result:
   -EACCES   the password is refused
   -EAGAIN   not now (too many connections, in use, unavailable): try again soon
   -EPERM    logged in, but nothing works (Exchange does so), or no login is possible
   other     the connection failed */
struct source_ops {
	const char *name; /* "imap" */
	int (*connect)(void *self, struct error *err);
	int (*folders)(void *self, struct error *err);
	/* name: lives until run() returns, as do the wanted ones. */
	int (*list)(void *self, size_t folder, struct str name, struct error *err);
	int (*fetch)(void *self, size_t folder, struct str name, uint32_t uidvalidity,
		const struct wanted *wanted, size_t n, struct error *err);
	int (*run)(void *self, const struct source_events *events, struct error *err);
	/* The longest silence that is waited for; shorter while somebody is held. */
	void (*patience)(void *self, unsigned milliseconds);
	void (*close)(void *self);
	void (*free)(void *self); /* closes; NULL is fine */
};

struct source {
	const struct source_ops *ops;
	void *self;
};

#endif
