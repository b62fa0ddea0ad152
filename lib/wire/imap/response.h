/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_RESPONSE_H
#define WIRE_IMAP_RESPONSE_H
/*
 * What an IMAP server says to a client that reads mail (RFC 3501, 7): bytes in, responses
 * and pieces of big literals out.
 *
 *   * 12 FETCH (UID 5 FLAGS (\Seen) BODY[] {3000000}    LITERAL   a view of this line
 *   ……………………                                            BYTES     views, as they come
 *    INTERNALDATE "…")                                  COMPLETE  the rest
 *
 * A small literal stays in the response (COMPLETE holds it all); one of more than
 * IMAP_KEEP_MAX bytes is never collected. The caller keeps the unread bytes and asks
 * again whenever more came; each answer says how many of them it took.
 */
#include "base/arena.h"
#include "wire/imap/cursor.h"
#include "wire/imap/date.h"
#include "wire/imap/frame.h"

#define IMAP_KEEP_MAX                                                                    \
	4096 /* names and small bodies: a copy costs less than three calls */
#define IMAP_SERVER_LINE_MAX                                                             \
	262144 /* a response without streamed literals; keyword lists come to some KB */

enum imap_response_event {
	IMAP_RESPONSE_NEED_MORE,
	IMAP_RESPONSE_COMPLETE,
	IMAP_RESPONSE_LITERAL,
	IMAP_RESPONSE_BYTES,
	IMAP_RESPONSE_TOO_LONG,
	IMAP_RESPONSE_BAD /* a literal's size that is no 63-bit number */
};

struct imap_response_reader {
	struct imap_framer framer;
	uint64_t left; /* of the literal that is being streamed */
	bool is_rest;  /* what comes is the rest of a response */
};

void imap_response_init(struct imap_response_reader *r);
/* *ret_part is a view into input; *ret_used bytes of input are done with. */
enum imap_response_event imap_response_next(struct imap_response_reader *r,
	struct str input, struct str *ret_part, size_t *ret_used);

/* ---- what a response says ---- */

enum imap_response_kind {
	IMAP_IS_CONTINUATION, /* "+ text" */
	IMAP_IS_STATUS, /* "* OK [CODE args] text", and without '*' the tagged end */
	IMAP_IS_DATA    /* "* name …", "* number name …" */
};
enum imap_status {
	IMAP_STATUS_OK,
	IMAP_STATUS_NO,
	IMAP_STATUS_BAD,
	IMAP_STATUS_PREAUTH,
	IMAP_STATUS_BYE
};

struct imap_response {
	enum imap_response_kind kind;
	struct str tag; /* empty: untagged */
	enum imap_status status;
	struct str code;         /* "UIDVALIDITY"; empty: none */
	struct str code_value;   /* what follows it before the ']' */
	struct str text;         /* for people */
	struct str name;         /* of data: "LIST", "FETCH", "EXISTS" */
	uint32_t number;         /* before the name, else 0 */
	struct imap_cursor rest; /* behind the name, at its first value */
};

/* line: what COMPLETE or LITERAL gave for a response's beginning. Views into it. */
bool imap_response_parse(struct str line, struct imap_response *ret);
/* An empty line: some servers send them where nothing belongs. */
bool imap_response_is_blank(struct str part);

enum imap_list_attribute { /* bits; the first three as in mailstore/store/store.h */
	IMAP_LIST_NOSELECT = 1 << 0,
	IMAP_LIST_NOINFERIORS = 1 << 1,
	IMAP_LIST_NONEXISTENT = 1 << 2,
	IMAP_LIST_SUBSCRIBED = 1 << 3,
};
struct imap_list {
	unsigned attributes;
	struct str special_use; /* "\\Sent", several separated by spaces; in arena */
	char separator;         /* 0: NIL */
	struct str name;        /* may lie in the line */
};
/* LIST and LSUB (RFC 3501, 7.2.2; RFC 6154 for special use). A name without its quotes
   goes up to the line's end, blanks there left out. */
bool imap_response_list(
	struct imap_cursor rest, struct arena *arena, struct imap_list *ret);

enum imap_fetched_item { /* bits */
	IMAP_FETCHED_UID = 1 << 0,
	IMAP_FETCHED_FLAGS = 1 << 1,
	IMAP_FETCHED_DATE = 1 << 2,
	IMAP_FETCHED_SIZE = 1 << 3,
	IMAP_FETCHED_BODY = 1 << 4, /* BODY[] or RFC822 */
	IMAP_FETCHED_MODSEQ = 1 << 5
};
struct imap_fetched {
	unsigned has; /* which items came */
	uint32_t uid;
	unsigned flags; /* enum imap_flag */
	struct str keywords;
	struct imap_date date;
	bool date_is_odd; /* it came, and is no date: some servers show such ones */
	uint64_t size, modseq;
	struct str body; /* when it was kept in the response; NIL is none */
	bool is_begun;   /* the list is open */
};
enum imap_fetch_end {
	IMAP_FETCH_IS_COMPLETE,
	IMAP_FETCH_IS_IN_BODY,    /* the body is the literal that is streamed next */
	IMAP_FETCH_IS_IN_LITERAL, /* some other item is: not wanted */
	IMAP_FETCH_IS_OPEN,       /* the line ends before the list: the rest may follow */
	IMAP_FETCH_IS_BAD
};
/* Reads on from *rest, which is behind "FETCH " (*f zeroed) or at the rest of a response.
   Strings lie in the line or in arena. What a value cannot be read of is as if it had not
   come: the caller asks has. */
enum imap_fetch_end imap_response_fetch(
	struct imap_cursor *rest, struct arena *arena, struct imap_fetched *f);

#endif
