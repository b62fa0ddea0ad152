/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NET_STREAM_KTLS_H
#define NET_STREAM_KTLS_H
/*
 * A socket whose TLS records the kernel writes and reads (CONFIG_TLS; the kernel's
 * Documentation/networking/tls.rst). Its bytes can be spliced and sent from a file, and
 * the descriptor can be given to another process: the keys are in the socket.
 *
 *   stream_tls ── handshake, login ──► stream_tls_offload() ──► stream_ktls
 *        └────────────── over the same plain stream ──────────────────┘
 *
 * A record that is no data comes by itself, with its type beside it: close_notify is the
 * end; another alert breaks the connection, and so does TCP's end without close_notify
 * (-ECONNRESET), as with stream_tls. Messages of the handshake (KeyUpdate, a new
 * handshake) are refused with an alert: the kernel has no keys for what would follow. But
 * a server of TLS 1.3 may send tickets at any time, which its client passes over.
 */
#include "net/stream.h"

#include <linux/tls.h>

/* For one direction: the first member says which. */
union stream_ktls_key {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes_gcm_128;
	struct tls12_crypto_info_aes_gcm_256 aes_gcm_256;
	struct tls12_crypto_info_chacha20_poly1305 chacha20_poly1305;
};

struct stream_ktls_keys {
	union stream_ktls_key send, receive;
	size_t len;         /* of what is used of each */
	bool takes_tickets; /* as a client of TLS 1.3: it cannot be given away */
};

/* 0: this kernel can; else -errno: -ENOENT: it knows no TLS. */
int stream_ktls_probe(void);

/* Takes `below`, a plain stream, on success: its socket has the keys. -EIO: it has one of
   them, and the connection is of no use any more; another -errno: it has none, and goes
   on as it was. */
int stream_ktls_new(
	struct stream *below, const struct stream_ktls_keys *keys, struct stream **ret);

/* For a socket that another process of ours has given: plain, or with its keys. Takes fd
   on success, as stream_plain_new() does. */
int stream_socket_new(struct loop *loop, int fd, struct stream **ret);

#endif
