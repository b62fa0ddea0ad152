/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_DATA_H
#define WIRE_SMTP_DATA_H
/*
 * What follows DATA (RFC 5321, 4.5.2), streamed twice: as it came, for the other server,
 * and with its dots taken off, for a copy.
 *
 * Only CRLF "." CRLF ends it. Another server may see an end where we see none (a dot
 * alone between other line ends: LF "." LF, LF "." CRLF, CRLF "." CR, with NULs, ...),
 * and take what follows for commands that nobody has looked at: "SMTP smuggling"
 * (CVE-2023-51764, 51765, 51766). Such a message is SUSPECT: nothing of it has been
 * relayed from the dot's line on, and nothing may be. Bare CRs and LFs elsewhere are not
 * touched: they make no end anywhere, and the source has always had them.
 */
#include "base/buf.h"

enum smtp_data_state {
	SMTP_DATA_LINE_START,
	SMTP_DATA_TEXT,
	SMTP_DATA_CR,
	SMTP_DATA_BARE, /* behind a bare LF, CR or NUL that some take for a line end */
	SMTP_DATA_BARE_DOT, /* a dot there: the next byte decides */
	SMTP_DATA_DOT,      /* held back: the first byte of a line */
	SMTP_DATA_DOT_CR,   /* held back */
	SMTP_DATA_ENDED,
	SMTP_DATA_SUSPECT_SEEN,
	SMTP_DATA_STATE_COUNT
};
const char *smtp_data_state_name(enum smtp_data_state s);

struct smtp_data {
	enum smtp_data_state state;
};

enum smtp_data_is {
	SMTP_DATA_NEED_MORE,
	SMTP_DATA_BYTES,
	SMTP_DATA_END,
	SMTP_DATA_SUSPECT
};

void smtp_data_init(struct smtp_data *d);
/* The other way round: text as DATA carries it, and its end. A dot alone between other
   line ends gets no further: -EILSEQ. Else 0 or as buf_append(). */
int smtp_data_put(struct smtp_data *d, struct str text, struct buf *out);
int smtp_data_put_end(struct smtp_data *d, struct buf *out);
/* One piece a call: views into input or constants, one of both may be empty. END: the
   line "." was taken; it is in neither. */
enum smtp_data_is smtp_data_next(struct smtp_data *d, struct str input,
	struct str *ret_raw, struct str *ret_text, size_t *ret_used);

#endif
