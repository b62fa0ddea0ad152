/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_STREAM_TLS_H
#define TLS_STREAM_TLS_H
/*
 * TLS over another stream, either end, as a row of net/stream.h.
 *
 *   owner      SSL_read, SSL_write          what OpenSSL wants to send and the stream
 *     │             │   ▲                   below does not take waits in `out`, so that
 *   stream_tls ── OpenSSL ── BIO ── below   a write never has to be said again
 *
 * An owner that reads or writes more than a record at once (bulk) gets up to four with
 * one call of the stream below. What it did not read of them stays with OpenSSL.
 *
 * The handshake goes on by itself while the stream is in a loop; until it is over
 * stream_connected() is -EINPROGRESS and reads and writes are -EAGAIN. It may wait for a
 * private key in another process (tls/remote_key.h). Renegotiation is refused. The end of
 * the connection without close_notify is -ECONNRESET, not an end: something may be
 * missing (RFC 8446, 6.1). An idle connection holds no record buffers. Tickets of a
 * server of TLS 1.3 go with what it says first. What a client says is overwritten in
 * OpenSSL's memory when it is read, since it may be a password, until
 * stream_tls_offload() is tried.
 */
#include "net/stream.h"
#include "tls/signature.h"

#include <openssl/ssl.h>

/* Takes `below` on success: its owner is then the new stream. early: bytes that were read
   from it already, from the client's first on; copied. 0 or -errno. */
int stream_tls_accept(
	struct stream *below, SSL_CTX *context, struct str early, struct stream **ret);
/* name: of the server, for SNI; NULL: none. Whether its certificate is right is the
   context's matter (tls/client.h). */
int stream_tls_connect(
	struct stream *below, SSL_CTX *context, const char *name, struct stream **ret);

/* The login is over. From here on the kernel does its TLS (net/stream_ktls.h): *s is
   freed, and another stream with the same owner, of which nothing is wanted yet. -EIO:
   the connection is lost, only to be freed; another -errno: it goes on as it is:
   something is under way, the cipher is another, it is not over a socket,
   tls_traffic_enable() was not called. */
int stream_tls_offload(struct stream **s);

/* Its SSL, or that of a stream below: to ask what was agreed upon. NULL: none. */
SSL *stream_tls_ssl(struct stream *s);
/* Why the connection broke, as OpenSSL says it; "" while it has not. */
const char *stream_tls_error(const struct stream *s);

#endif
