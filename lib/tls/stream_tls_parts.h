/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_STREAM_TLS_PARTS_H
#define TLS_STREAM_TLS_PARTS_H
/* What the two halves of a stream of TLS share, for them alone. */
#include "base/buf.h"
#include "tls/stream_tls.h"

#include <openssl/ssl.h>
#include <stdbool.h>
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
	bool write_rests; /* the peer's message has to end before we can say anything */
	bool has_tickets; /* `out` is that, and goes with the first words */
	unsigned own_words; /* of TLS itself since the last bytes for the owner */
	int code;           /* why it is broken, or -errno of the stream below */
	char *error;        /* NULL: none */
	struct buf early;   /* read before TLS began, not given to OpenSSL yet */
	struct buf out;     /* not taken by below yet */

	/* Inside a call. */
	bool is_dry; /* below has no more, and is not asked again */
	bool more;   /* another record follows, so this one waits */
	size_t take; /* bytes to ask below for at once */
	size_t left; /* bytes to take from below; then it is others' turn */
};

static inline struct stream_tls *stream_tls_of_waiter(struct tls_waiter *waiter)
{
	return (struct stream_tls *)((char *)waiter -
				     offsetof(struct stream_tls, waiter));
}

/* ---- stream_tls_below.c ---- */

/* Its BIO, for its SSL. 0 or -ENOMEM. */
int tls_below_attach(struct stream_tls *t);
/* Before OpenSSL is called, for an owner that reads so many bytes. */
void tls_below_begin(struct stream_tls *t, size_t size);
/* As much of `out` as goes. */
void tls_below_flush(struct stream_tls *t);
/* Below has not taken all. */
bool tls_below_holds_back(const struct stream_tls *t);
/* What was gathered while there was `more`: it goes, or waits in `out`. 0, or -1: see
   `code`. */
int tls_below_write_batch(struct stream_tls *t);
void tls_below_drop_batch(void);
/* It waits for what is said next. false: there is none, or no room for it. */
bool tls_below_keep_tickets(struct stream_tls *t);

#endif
