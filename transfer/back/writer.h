/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_WRITER_H
#define TRANSFER_WRITER_H
/*
 * Where an account goes back to: what may be changed at the source, and nothing else is.
 * The admin has named the account (`mailferry route USER source`); nobody but carry.c
 * holds a writer.
 *
 * imap_writer.c is the one for IMAP; tests have one in memory. Functions return 0 or
 * -errno with the sentence. -EREMOTEIO: the source refuses it; it will tomorrow, too.
 * Anything else but -EBUSY: whether it was done is not known, and the connection is over.
 */
#include "transfer/read/source.h"

/* A folder that is open for changes: what its messages can keep. */
struct writer_folder {
	uint32_t uidvalidity;
	unsigned flags;      /* enum mail_flag */
	struct str keywords; /* until the next call */
	bool any_keyword;
};

/* Of one call, so that what is in flight has a bound: whichever comes first. One message
   that is longer goes alone. */
#define WRITER_APPEND_MAX 32
#define WRITER_APPEND_BYTES ((size_t)1 << 20)

enum append_end {
	APPEND_UNKNOWN, /* not sent, or sent and not answered */
	APPEND_TAKEN,
	APPEND_REFUSED, /* `why` */
};

/* One to be appended, with flags and date of `mail`, and what the source answered. */
struct writer_message {
	struct mail mail;
	struct str body;
	enum append_end end;
	uint32_t uidvalidity, uid; /* APPEND_TAKEN; 0: the source does not say them */
	char why[160];
};

struct writer_ops {
	int (*connect)(void *self, struct error *err); /* as source_ops.connect */
	int (*create)(void *self, struct str name, struct error *err);
	int (*rename)(void *self, struct str from, struct str to, struct error *err);
	int (*subscribe)(void *self, struct str name, bool subscribed, struct error *err);
	int (*open)(void *self, struct str name, struct writer_folder *ret,
		struct error *err);
	/* In this order; their ends are APPEND_UNKNOWN before. 0: each has its
	   answer, and a refused one has cost no other. An error: those that had one
	   have it. */
	int (*append)(void *self, struct str name, struct writer_message *messages,
		size_t n, struct error *err);
	/* Of the folder that is open. Adds or takes flags and keywords. */
	int (*flag)(void *self, const uint32_t *uids, size_t n, bool add, unsigned flags,
		struct str keywords, struct error *err);
	/* Of the folder that is open, exactly these. -EBUSY: others there are marked as
	   deleted, and the source cannot tell them apart: nothing was done. */
	int (*expunge)(void *self, const uint32_t *uids, size_t n, struct error *err);
	void (*close)(void *self);
	void (*free)(void *self); /* closes; NULL is fine */
};

struct writer {
	const struct writer_ops *ops; /* NULL: nothing may be changed */
	void *self;
};

#endif
