/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_TLS_HELLO_H
#define WIRE_TLS_HELLO_H
/*
 * The first message of a TLS client (RFC 8446, 4.1.2 and 5.1; RFC 5246, 7.4.1.2), read
 * without taking part in the handshake: which name it asks for decides whether we hold a
 * key for it, and a connection that we hold none for goes on to the source unchanged.
 *
 * Bytes in, facts out; no socket, no OpenSSL. The caller keeps the bytes: they belong to
 * whoever does the handshake afterwards. A message may be cut into records of any size,
 * and records into reads of any size; each byte is looked at once.
 */
#include "base/buf.h"
#include "base/str.h"

/* A hello with two post-quantum key shares has 3 KiB, with a session ticket 5; OpenSSL
   itself takes 128 KiB. */
#define TLS_HELLO_MAX ((size_t)16384)
#define TLS_RECORD_HEADER 5
#define TLS_NAME_MAX 255 /* a host name (RFC 1035, 2.3.4) */

enum tls_hello_result {
	TLS_HELLO_NEED_MORE,
	TLS_HELLO_DONE,
	TLS_HELLO_NOT_TLS, /* the first bytes are not those of a TLS client */
	TLS_HELLO_BAD,     /* they are, and then the message contradicts itself */
	TLS_HELLO_TOO_BIG,
};

struct tls_hello {
	char name[TLS_NAME_MAX + 1]; /* lower case, ends in NUL; "": it asks for none */
	uint16_t version;            /* the highest it offers: 0x0304 is TLS 1.3 */
	bool has_alpn;
	bool has_early_data; /* it sends 0-RTT data (RFC 8446, 4.2.10) */
};

struct tls_hello_reader {
	unsigned char header[TLS_RECORD_HEADER];
	size_t n_header;
	size_t record_left;
	struct buf message; /* the handshake message, records taken off */
};

void tls_hello_init(struct tls_hello_reader *r);
void tls_hello_fini(struct tls_hello_reader *r); /* may be called twice */

/* bytes: what has come since the last call. *ret is filled with TLS_HELLO_DONE. After any
   other result than NEED_MORE the reader is not to be used any more. */
enum tls_hello_result tls_hello_read(
	struct tls_hello_reader *r, struct str bytes, struct tls_hello *ret);

#endif
