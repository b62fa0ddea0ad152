/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_MEMORY_WRITER_H
#define TEST_MEMORY_WRITER_H
/*
 * Changes the old server of memory_source.h, as IMAP would; and dies, or loses its
 * connection, at any of its steps, before it has done it or after.
 */
#include "transfer/back/writer.h"
#include "transfer/read/memory_source.h"

enum writer_end { END_BEFORE, END_AFTER };

struct memory_writer {
	struct memory_source *source;
	char *(*keep)(struct str bytes); /* where the server keeps what it gets */
	bool no_uids;                    /* no UIDPLUS */
	bool adds_line_end;              /* to bodies, as Courier */
	bool alters;                     /* bodies, so that nobody knows them */
	bool forgets_dates;
	uint32_t says_uid;      /* of whatever it takes; 0: the right one */
	const char *no_keyword; /* is not taken; NULL: all are */
	const char *refuses;    /* a body that begins so */
	unsigned steps;         /* so far */
	unsigned end_at;        /* at this one; 0: never */
	enum writer_end end;
	bool goes_on; /* takes what was sent with the message that it ended at, too */
	size_t most_at_once; /* messages of one append so far */
	void (*die)(void);   /* NULL: the connection is lost */

	struct memory_folder *open;
};

struct writer memory_writer(struct memory_writer *w);

#endif
