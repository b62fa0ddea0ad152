/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_SEARCH_OPTIONS_H
#define WIRE_IMAP_SEARCH_OPTIONS_H
/*
 * How the answer of SEARCH, SORT and THREAD is wanted: RETURN options (RFC 4731 ESEARCH,
 * RFC 5182 SEARCHRES, RFC 5267 CONTEXT, RFC 9394 PARTIAL), the keys of SORT and the
 * algorithms of THREAD (RFC 5256, RFC 5957).
 */
#include "wire/imap/cursor.h"

enum imap_return { /* bits */
	IMAP_RETURN_MIN = 1 << 0,
	IMAP_RETURN_MAX = 1 << 1,
	IMAP_RETURN_ALL = 1 << 2,
	IMAP_RETURN_COUNT = 1 << 3,
	IMAP_RETURN_SAVE = 1 << 4,
	IMAP_RETURN_PARTIAL = 1 << 5,
	IMAP_RETURN_UPDATE = 1 << 6,
	IMAP_RETURN_CONTEXT = 1 << 7, /* a hint: nothing comes of it */
};

/* The results number `first` to `last`, from 1; from_end: counted from the last one
   back, so that 1 is the newest. */
struct imap_partial {
	uint32_t first, last;
	bool from_end;
};

struct imap_returns {
	bool given; /* RETURN was there: the answer is an ESEARCH */
	unsigned options;
	struct imap_partial partial;
	struct str update_items; /* of UPDATE (RFC 5465, 7): "(UID …)", or "" */
};

/* "RETURN (…) " when it is there. false: it is wrong. */
bool imap_returns(struct imap_cursor *c, struct imap_returns *ret);
/* "1:100", "-1:-100": what PARTIAL takes. */
bool imap_partial(struct imap_cursor *c, struct imap_partial *ret);

enum imap_sort_kind {
	IMAP_SORT_ARRIVAL,
	IMAP_SORT_CC,
	IMAP_SORT_DATE,
	IMAP_SORT_FROM,
	IMAP_SORT_SIZE,
	IMAP_SORT_SUBJECT,
	IMAP_SORT_TO,
	IMAP_SORT_DISPLAYFROM,
	IMAP_SORT_DISPLAYTO,
};
#define IMAP_SORT_KEYS_MAX 9 /* a second one of a kind changes nothing: left out */

struct imap_sort {
	struct {
		enum imap_sort_kind kind;
		bool reverse;
	} keys[IMAP_SORT_KEYS_MAX];
	size_t count;
};

/* "(REVERSE DATE SUBJECT)" */
bool imap_sort(struct imap_cursor *c, struct imap_sort *ret);

enum imap_thread {
	IMAP_THREAD_ORDEREDSUBJECT,
	IMAP_THREAD_REFERENCES,
	IMAP_THREAD_REFS,
};
bool imap_thread(struct imap_cursor *c, enum imap_thread *ret);

#endif
