/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_STREAM_TLS_STATE_H
#define TLS_STREAM_TLS_STATE_H
/* What a stream of TLS is made of, and its sizes: for stream_tls.c alone. */
#include "tls/stream_tls.h"

#include <stddef.h>

#define RECORD 16384     /* bytes in a record, at the most */
#define RECORD_EXTRA 261 /* its header, and what a cipher may add (RFC 5246, 6.2.3) */
#define BATCH (4 * (RECORD + RECORD_EXTRA)) /* what goes to or comes from below at once */
#define OUT_MAX 262144 /* a flight of the handshake with long chains */
#define ERROR_MAX 128
#define OWN_WORDS_MAX 64 /* in a row: new keys, tickets, alerts */

enum tls_state { TLS_SHAKING, TLS_OPEN, TLS_ENDED, TLS_BROKEN };

struct stream_tls {
	struct stream stream; /* first: it is one */
	struct tls_waiter waiter;
	SSL *ssl;
	enum tls_state state;
	bool at_end;      /* of the stream below */
	bool has_shut;    /* close_notify is said; the end follows when `out` is empty */
	bool read_rests;  /* what has come is less than a record */
	bool write_rests; /* the peer has to end its message before we can say anything */
	unsigned own_words; /* of TLS itself since the last bytes for the owner */
	bool is_dry;        /* inside a call: below has no more, and is not asked again */
	size_t take;        /* inside a call: bytes to ask below for at once */
	size_t left;      /* inside a call: bytes to take from below, then others' turn */
	bool more;        /* inside a call: another record follows, so this one waits */
	bool has_tickets; /* `out` is that, and goes with the first words */
	int code;         /* why it is broken, or -errno of the stream below */
	struct buf early; /* read before TLS began, not given to OpenSSL yet */
	struct buf out;   /* not taken by below yet */
	char *error;      /* NULL: none */
};

static inline struct stream_tls *stream_tls_of_waiter(struct tls_waiter *waiter)
{
	return (struct stream_tls *)((char *)waiter -
				     offsetof(struct stream_tls, waiter));
}

#endif
