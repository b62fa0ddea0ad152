/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_STREAM_STARTTLS_H
#define TLS_STREAM_STARTTLS_H
/*
 * A connection to a server that begins in clear and goes on in TLS, so that whoever uses
 * it need not know: the first thing that is read is the server's greeting, and all that
 * is written goes inside TLS. Until TLS is there it is connecting (-EINPROGRESS).
 *
 * A server without STARTTLS is read to its greeting, then -EPROTONOSUPPORT: nothing is
 * ever sent in clear but the commands of wire/starttls.h.
 */
#include "tls/stream_tls.h"
#include "wire/starttls.h"

/* Takes below on success, and a reference to the context. name: for SNI, copied; NULL:
   none. 0 or -errno. */
int stream_starttls_connect(struct stream *below, SSL_CTX *context, const char *name,
	enum starttls_protocol protocol, struct stream **ret);

/* stream_tls_offload(), for a stream that began in clear, too. */
int stream_starttls_offload(struct stream **s);

#endif
