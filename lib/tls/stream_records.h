/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_STREAM_RECORDS_H
#define TLS_STREAM_RECORDS_H
/*
 * The records of a TLS connection whose handshake is over, where the kernel does not do
 * them: OpenSSL's ciphers without its connection, which takes 14 KiB for as long as it
 * lasts. Here it is half a KiB, and bytes are ciphered from the reader's space to the
 * writer's without a copy between.
 *
 *   stream_tls ── handshake, login ──► stream_tls_offload() ──► stream_records
 *        └────────────── over the same stream below ──────────────────┘
 *
 * TLS 1.2 and 1.3 with AES-GCM or ChaCha20. What OpenSSL would do is done: close_notify
 * is the end, the connection's end without it is -ECONNRESET; another alert, and a record
 * that is not right, break it, with an alert. KeyUpdate is followed and answered, tickets
 * are dropped; a new handshake (TLS 1.2) is refused with a warning.
 */
#include "net/stream.h"
#include "tls/traffic.h"

/* Takes `below` on success; copies the keys. 0 or -errno. */
int stream_records_new(
	struct stream *below, const struct tls_traffic_keys *keys, struct stream **ret);

#endif
