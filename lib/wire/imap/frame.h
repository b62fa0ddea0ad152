/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_FRAME_H
#define WIRE_IMAP_FRAME_H
/*
 * Where a client's IMAP command ends (RFC 3501, 4.3; RFC 7888 for {n+}; RFC 3516 for
 * ~{n}).
 *
 * A command is a line, but each {n} at a line's end announces n bytes and then another
 * line. The caller keeps the unread bytes from the command's start on and asks again
 * whenever more came:
 *
 *   NEED_MORE   read on
 *   LITERAL     the line so far announces a literal. Decide: imap_frame_keep() leaves it
 * in the buffer as part of the command; or consume everything up to literal.offset,
 * stream literal.size bytes, then imap_frame_reset() and go on with the command's rest as
 * a new line. When literal.synchronizing, the client waits for "+ ..." first; a refusal
 * is answered instead of it (and when not synchronizing, the bytes come anyway). COMMAND
 * complete: literal.offset is its length, CRLF (or bare LF) included TOO_LONG    no line
 * end within the limit BAD         a literal's size that is no 63-bit number
 */
#include "base/str.h"

enum imap_frame {
	IMAP_FRAME_NEED_MORE,
	IMAP_FRAME_LITERAL,
	IMAP_FRAME_COMMAND,
	IMAP_FRAME_TOO_LONG,
	IMAP_FRAME_BAD
};

struct imap_framer {
	size_t scanned;    /* how far the command is known to go on */
	size_t line_start; /* of the line being looked at */
	size_t line_max;   /* longest line without its end */
	uint64_t pending;  /* the literal that LITERAL announced, until the decision */
};

struct imap_literal {
	size_t offset; /* of its first byte in input (COMMAND: the command's length) */
	uint64_t size;
	bool synchronizing;
};

void imap_frame_init(struct imap_framer *f, size_t line_max);
/* For the next command; keeps line_max. */
void imap_frame_reset(struct imap_framer *f);
enum imap_frame imap_frame_next(
	struct imap_framer *f, struct str input, struct imap_literal *ret);
void imap_frame_keep(struct imap_framer *f);

/* Whether a line (without CRLF) ends in a literal's announcement. *ret_before is what
   stands before it. BAD sizes give IMAP_FRAME_BAD, none gives IMAP_FRAME_COMMAND. */
enum imap_frame imap_literal_announced(
	struct str line, struct imap_literal *ret, struct str *ret_before);

#endif
