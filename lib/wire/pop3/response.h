/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_POP3_RESPONSE_H
#define WIRE_POP3_RESPONSE_H
/*
 * The client's side of POP3: answers of a server (RFC 1939, 3), read as they come.
 *
 *   pop3_reader_expect(&r, what was asked for), for each answer in the order of the
 *   questions; then pop3_reader_next() until it says ERR, END, or (ONE_LINE) OK.
 *
 * With EXPECT_BYTES a message comes in pieces, dots removed, line ends as the server sent
 * them; nothing is collected. Its last CRLF is the protocol's when the message had none:
 * the size of LIST tells, where the server counts truly.
 */
#include "base/str.h"
#include "wire/dots.h"

#define POP3_RESPONSE_MAX                                                                \
	16384 /* RFC 1939 says 512; a SASL challenge has up to 12288 (RFC 4954, 4) */

enum pop3_status {
	POP3_STATUS_NONE, /* no answer at all */
	POP3_STATUS_OK,
	POP3_STATUS_ERR,
	POP3_STATUS_CONTINUE /* "+ ..." (RFC 5034) */
};
enum pop3_status pop3_status(struct str line);
/* "IN-USE" of "-ERR [IN-USE] ..." (RFC 2449, 8); false: none. */
bool pop3_response_code(struct str line, struct str *ret_code);
/* Whether a login was refused because another session has the maildrop: [IN-USE] (RFC
   2449, 8.1.2), or in the words of servers without response codes. */
bool pop3_is_in_use(struct str line);
/* That, [LOGIN-DELAY] or [SYS/...]: the password is not what is wrong. */
bool pop3_refused_for_now(struct str line);

enum pop3_expect {
	POP3_EXPECT_ONE_LINE, /* USER, STAT, LIST n, DELE, QUIT ... */
	POP3_EXPECT_LINES,    /* LIST, UIDL, CAPA: whole lines */
	POP3_EXPECT_BYTES     /* RETR, TOP */
};

enum pop3_read {
	POP3_READ_NEED_MORE,
	POP3_READ_OK,    /* the first line; with its text, without its end */
	POP3_READ_ERR,   /* the same, and the answer is over */
	POP3_READ_BYTES, /* a line without its end, or bytes of the message */
	POP3_READ_END,   /* of an answer of several lines */
	POP3_READ_BROKEN /* not what POP3 says: nothing more can be read */
};

enum pop3_reader_state {
	POP3_READER_FIRST_LINE,
	POP3_READER_LINES,
	POP3_READER_BYTES,
	POP3_READER_BROKEN,
	POP3_READER_STATE_COUNT
};

struct pop3_reader {
	enum pop3_reader_state state;
	enum pop3_expect expect;
	struct undot undot;
};

void pop3_reader_expect(struct pop3_reader *r, enum pop3_expect expect);
const char *pop3_reader_state_name(enum pop3_reader_state s);
/* One step a call; *ret_bytes is a view into input (or a constant). */
enum pop3_read pop3_reader_next(
	struct pop3_reader *r, struct str input, struct str *ret_bytes, size_t *ret_used);

/* "+OK 2 320 ..." */
bool pop3_stat_parse(struct str line, uint32_t *ret_count, uint64_t *ret_octets);
/* A line of LIST "1 120 ..."; with "+OK " before it, the answer to LIST n. */
bool pop3_list_parse(struct str line, uint32_t *ret_number, uint64_t *ret_octets);
/* A line of UIDL "1 whqtswO00WBw418f9t5JxYwZ", or the answer to UIDL n. RFC 1939 allows
   70 bytes of 0x21..0x7e; longer ones and spaces inside are kept as they are. */
bool pop3_uidl_parse(struct str line, uint32_t *ret_number, struct str *ret_uidl);

#endif
