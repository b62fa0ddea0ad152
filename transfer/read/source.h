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

#define SOURCE_CONNECTIONS_MAX 8 /* limits.source_connections ends there, too */

/* ---- mail, at either end ---- */

enum folder_attribute { /* bits */
	FOLDER_NOSELECT = 1 << 0,
	FOLDER_NOINFERIORS = 1 << 1,
	FOLDER_NONEXISTENT = 1 << 2,
};

struct mail_folder {
	struct str name;
	char separator;         /* 0: flat */
	unsigned attributes;    /* enum folder_attribute */
	struct str special_use; /* "\\Sent", "" */
};

enum mail_flag { /* bits; everything else is a keyword */
	MAIL_SEEN = 1 << 0,
	MAIL_ANSWERED = 1 << 1,
	MAIL_FLAGGED = 1 << 2,
	MAIL_DELETED = 1 << 3,
	MAIL_DRAFT = 1 << 4,
	MAIL_RECENT = 1 << 5, /* the server's own bookkeeping: no difference */
};
#define MAIL_POP3_HIDDEN UINT32_MAX /* in INBOX, and not shown in the maildrop */

#define MAIL_SIZE_UNKNOWN UINT64_MAX /* the source does not say it */

struct mail {
	uint32_t uid;
	unsigned flags;      /* enum mail_flag */
	struct str keywords; /* separated by single spaces, sorted */
	int64_t date;
	int16_t zone;
	uint64_t size;     /* as the source says it, right or not; MAIL_SIZE_UNKNOWN */
	uint64_t body_len; /* of a destination's: bytes that are really there */
	/* The unique-id, with its body; "": the reader knows none. */
	struct str uidl;
	/* In the maildrop, from 1; 0: not known. */
	uint32_t pop3_order;
};

/* ---- reading ---- */

struct source_status {
	uint32_t uidvalidity, uidnext, messages;
	uint32_t unseen;        /* from status alone; 0: unknown, too */
	uint64_t highestmodseq; /* 0: unknown */
};

/* What a caller knows of a folder that was read before, in the same session. */
struct source_known {
	uint64_t modseq; /* its HIGHESTMODSEQ then */
	/* The UIDs are asked for in n_cuts parts and one: each but the first begins
	   with one of these. */
	const uint32_t *cuts;
	size_t n_cuts;
};

/* A maildrop as it was left: new mail comes behind the last of its messages. */
struct source_tail {
	uint32_t uidvalidity;
	uint32_t uidnext; /* of the first new one */
	uint32_t count;   /* messages before it */
	struct str last;  /* the unique-id of the last of them; "": there was none */
};

struct source_proof {
	uint64_t count;
	bool is_ours;    /* the unique-ids are: the source has none */
	struct str last; /* the last of them; "" */
};

/* A message to fetch. */
struct wanted {
	uint32_t uid;
	uint32_t size;   /* for planning only; at most 4 GiB */
	bool joined;     /* no other message lies between it and the one before */
	bool came;       /* the caller's notes */
	bool alone;      /* asked for once more, by itself */
	bool empty;      /* it came without a byte, and has a size */
	uint64_t listed; /* what its row said */
};

/* How a list or a fetch ended. */
enum source_end {
	SOURCE_DONE,     /* what did not come is not there; text, if any, says why */
	SOURCE_REFUSED,  /* text says why */
	SOURCE_NO_RIGHT, /* to read the folder: refused, and no word says "for now" */
	SOURCE_CHANGED,  /* the folder is another one now (UIDVALIDITY): look again */
};

struct source_events {
	void *context;

	/* From folders: each one (it may come again, with its special use), and each
	   subscription (may name a missing one). */
	int (*folder)(void *context, const struct mail_folder *f);
	int (*subscription)(void *context, struct str name);
	/* What the source says of its name spaces, in its own form; may never come. */
	int (*namespaces)(void *context, struct str text);

	/* From list and fetch: the folder was opened, and looks like that. From status:
	   it looks like that (`listed` when that is refused). */
	int (*opened)(void *context, size_t folder, const struct source_status *s);
	/* Words that the folder that was just opened shows in FLAGS; may never come. */
	int (*keywords)(void *context, size_t folder, struct str words);
	/* From list: its messages in any order (one may come again, the last one counts),
	   those that are there and cannot be understood (uid 0: not known), the end.
	   Lists come one after the other; a folder that is opened again begins anew. */
	int (*row)(void *context, size_t folder, const struct mail *m);
	/* From list_changed: the folder has these UIDs; ascending, before its end. */
	int (*uids)(void *context, size_t folder, uint32_t first, uint32_t last);
	int (*unreadable)(void *context, size_t folder, uint32_t uid, struct str text);
	int (*listed)(void *context, size_t folder, enum source_end end, struct str text);

	/* From fetch: a body of `len` bytes begins on this connection, its bytes in
	   pieces, and then the message it belongs to. On another connection others may
	   come meanwhile. */
	int (*body)(void *context, unsigned connection, uint64_t len);
	int (*bytes)(void *context, unsigned connection, struct str bytes);
	int (*message)(
		void *context, unsigned connection, size_t folder, const struct mail *m);
	/* The end for n of the messages asked for, from `first` on. */
	int (*fetched)(void *context, size_t folder, const struct wanted *first, size_t n,
		enum source_end end, struct str text);

	/* Between answers, several times a second: progress, second thoughts. */
	int (*tick)(void *context);
};

/* ---- what the source shows besides mail ---- */

enum source_look_kind {
	LOOK_FOLDERS, /* whose names begin with `name` */
	LOOK_QUOTA,   /* of the mailbox `name`: limits, and what is used */
	LOOK_ACL,     /* who may do what with it */
	LOOK_RIGHTS,  /* what the user may do with it */
	LOOK_COUNT
};
enum source_look_answer {
	LOOK_NOT_OFFERED, /* so it was not asked */
	LOOK_ASKED,       /* and not answered yet */
	LOOK_ANSWERED,
	LOOK_REFUSED,
};

struct source_question {
	enum source_look_kind kind;
	struct str name;                /* the caller's */
	enum source_look_answer answer; /* written */
};

/* Which question an answer is to is said by its name alone, and the source may say
   anything, any number of times: the caller compares and counts. */
struct source_look_events {
	void *context;
	int (*folder)(void *context, const struct mail_folder *f);
	int (*quota)(void *context, struct str root, struct str resource, uint64_t used,
		uint64_t limit);
	int (*acl)(void *context, struct str folder, struct str who, struct str rights);
	int (*rights)(void *context, struct str folder, struct str rights);
};

/* The states of an attempt that connect() distinguishes by its result:
   -EACCES   the password is refused
   -EAGAIN   not now (too many connections, in use, unavailable): try again soon
   -EPERM    logged in, but nothing works (Exchange does so), or no login is possible
   other     the connection failed */
struct source_ops {
	const char *name; /* "imap" */
	/* The UIDs are the source's own: they can be kept. */
	bool has_uids;
	/* One session at a time: while we are in, the owner is not. */
	bool is_exclusive;
	/* What a pass without a difference has compared, and what this reader cannot
	   see ("": nothing). */
	const char *compares, *cannot_see;
	/* Where connecting takes the account from its owner: all of it that does not. A
	   slow greeting is then heard before. NULL: there is no need. */
	int (*prepare)(void *self, struct error *err);
	int (*connect)(void *self, struct error *err);
	/* As whom the next connect() logs in; copied, wiped at the end. */
	int (*use)(void *self, struct str login, struct str password, struct error *err);
	/* Likewise, by a master user's password: `user` is whom to act as ("": that is in
	   the login). Once connect() has returned 0 the password is wiped, so there is
	   one connection, and no other one when it is lost. NULL: it cannot. */
	int (*use_master)(void *self, struct str login, struct str user,
		struct str password, struct error *err);
	/* Logs in and out again, on a connection of its own. As connect(). */
	int (*test)(void *self, struct str login, struct str password, struct error *err);
	int (*folders)(void *self, struct error *err);
	/* name: lives until run() returns, as do the wanted ones. */
	int (*list)(void *self, size_t folder, struct str name, struct error *err);
	/* status: how the folder looks, without its
	   messages; it is not opened. list_from: as list, of the UIDs from `first`
	   on (the last one may come, too, though it lies below). */
	int (*status)(void *self, size_t folder, struct str name, struct error *err);
	int (*list_from)(void *self, size_t folder, struct str name, uint32_t first,
		struct error *err);
	/* Where messages have no UIDs, before status and list_from, which then are about
	   what came since; the session lasts until close(). NULL elsewhere. */
	int (*set_tail)(void *self, const struct source_tail *tail, struct error *err);
	/* The session in which HIGHESTMODSEQ and CHANGEDSINCE (RFC 7162) mean something;
	   0: not in this one. NULL: never. */
	uint64_t (*changes_session)(void *self);
	/* Opens the folder whose list_changed comes next, so that it takes a moment.
	   NULL: it makes no difference. */
	int (*open)(void *self, size_t folder, struct str name, struct error *err);
	/* As list: the UIDs of all messages, and the rows of those that are new or
	   changed since. *known lives until run() returns. SOURCE_REFUSED: it has to be
	   listed as a whole. */
	int (*list_changed)(void *self, size_t folder, struct str name,
		const struct source_known *known, struct error *err);
	int (*fetch)(void *self, size_t folder, struct str name, uint32_t uidvalidity,
		const struct wanted *wanted, size_t n, struct error *err);
	int (*run)(void *self, const struct source_events *events, struct error *err);
	/* Whose unique-ids come with the messages, else NULL. After run(), reads the
	   destination again: it shows as many messages as the source, in the same order,
	   with the same unique-ids and sizes. -EREMOTEIO with the first difference. */
	int (*prove)(void *self, struct source_proof *ret, struct error *err);
	/* Asks all n, ahead of their answers, while nothing is queued; changes nothing.
	   What is not understood is passed over; what comes without end, or too slowly,
	   ends it: then the connection is of no use any more, as after any error.
	   NULL: it shows none of it. */
	int (*look)(void *self, struct source_question *questions, size_t n,
		const struct source_look_events *events, struct error *err);
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
