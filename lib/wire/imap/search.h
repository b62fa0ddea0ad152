/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_SEARCH_H
#define WIRE_IMAP_SEARCH_H
/* What a SEARCH asks for (RFC 3501, 6.4.4), parsed into a tree; with the keys of WITHIN
   (RFC 5032), CONDSTORE (RFC 7162), SEARCHRES (RFC 5182), OBJECTID (RFC 8474), SAVEDATE
   (RFC 8514) and FUZZY (RFC 6203, which finds what is found without it). */
#include "wire/imap/set.h"

#define IMAP_SEARCH_DEPTH_MAX 32   /* of NOT, OR and parentheses */
#define IMAP_SEARCH_KEYS_MAX 10000 /* a client that names thousands of Message-IDs */

enum imap_search_kind {
	IMAP_SEARCH_AND, /* all of the list `first` */
	IMAP_SEARCH_OR,  /* any of it */
	IMAP_SEARCH_NOT, /* not the one in it */
	IMAP_SEARCH_ALL,
	IMAP_SEARCH_SEQUENCE,
	IMAP_SEARCH_UID,     /* also "$": a set that is saved */
	IMAP_SEARCH_MODSEQ,  /* at least `number` */
	IMAP_SEARCH_FLAG,    /* any of the bits `flags` */
	IMAP_SEARCH_NO_FLAG, /* none of them */
	IMAP_SEARCH_NEW,     /* \Recent and not \Seen */
	IMAP_SEARCH_KEYWORD,
	IMAP_SEARCH_UNKEYWORD,
	IMAP_SEARCH_LARGER,
	IMAP_SEARCH_SMALLER,
	IMAP_SEARCH_OLDER, /* seconds before now: `number` */
	IMAP_SEARCH_YOUNGER,
	IMAP_SEARCH_BEFORE,
	IMAP_SEARCH_ON,
	IMAP_SEARCH_SINCE,
	IMAP_SEARCH_SAVEDBEFORE,
	IMAP_SEARCH_SAVEDON,
	IMAP_SEARCH_SAVEDSINCE,
	IMAP_SEARCH_EMAILID,
	IMAP_SEARCH_THREADID,
	IMAP_SEARCH_SENTBEFORE,
	IMAP_SEARCH_SENTON,
	IMAP_SEARCH_SENTSINCE,
	IMAP_SEARCH_HEADER, /* `text` in the fields `name` */
	IMAP_SEARCH_BODY,
	IMAP_SEARCH_TEXT,
};

struct imap_search_key {
	enum imap_search_kind kind;
	struct imap_search_key *first; /* of the keys inside */
	struct imap_search_key *next;  /* beside */
	struct imap_set set;
	unsigned flags;
	struct str name, text; /* KEYWORD: text */
	uint64_t number;
	int64_t day; /* midnight as if in UTC */
};

struct imap_search {
	struct str charset;              /* of the texts; "": none was named */
	struct imap_search_key *program; /* an AND */
	bool has_modseq;                 /* one of its keys is MODSEQ */
	bool has_sequence;               /* one of its keys names sequence numbers */
};

/* "[CHARSET name ]key key …" to the end. */
bool imap_search(struct imap_cursor *c, struct arena *arena, struct imap_search *ret);
/* The keys alone, as they follow the charset of SORT and THREAD. */
bool imap_search_keys(
	struct imap_cursor *c, struct arena *arena, struct imap_search *ret);

#endif
