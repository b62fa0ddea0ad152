/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_TRAFFIC_H
#define TLS_TRAFFIC_H
/*
 * What the kernel must know to go on with a connection whose handshake OpenSSL has done:
 * the keys of both directions, and how many records went with them. OpenSSL 3.0 would set
 * up the receiving side for TLS 1.2 only, and only on its own kind of socket; so it is
 * asked for the secrets (as for a key log, which is never written) and watched.
 */
#include "net/stream_ktls.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* For all connections that begin from now on; stream_ktls_probe() has said that the
   kernel takes them. Without it nothing is kept nor watched. */
void tls_traffic_enable(bool enabled);
/* Before the handshake; what it keeps is freed, wiped, with the SSL. 0 or -ENOMEM. */
int tls_traffic_attach(SSL *ssl);
/* Between two records on both sides, with a cipher that the kernel knows: 0. Else
   -EAGAIN or -EOPNOTSUPP. */
int tls_traffic_keys(SSL *ssl, struct stream_ktls_keys *ret);

/* After the handshake. OpenSSL keeps both keys of the exchange as long as the connection,
   for whoever asks what they were: half a KiB, and a secret. */
void tls_traffic_forget_exchange(SSL *ssl);

#endif
