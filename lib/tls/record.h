/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TLS_RECORD_H
#define TLS_RECORD_H
/*
 * One record of TLS 1.2 or 1.3, ciphered and deciphered by OpenSSL's ciphers: what
 * stream_records.c does for each, without a stream.
 */
#include "base/str.h"
#include "tls/traffic.h"

#define RECORD_CONTENT_MAX 16384 /* bytes of data (RFC 8446, 5.1) */
#define RECORD_HEAD 5
#define RECORD_NUMBER 8 /* TLS 1.2 with GCM shows it in the record */
#define RECORD_TAG 16
/* Behind the head (RFC 8446, 5.2; RFC 5246, 6.2.3 with these ciphers) */
#define RECORD_BODY_MAX (RECORD_CONTENT_MAX + 256)
#define RECORD_BODY_MAX_12 (RECORD_CONTENT_MAX + RECORD_NUMBER + RECORD_TAG)
#define RECORD_MAX (RECORD_HEAD + RECORD_BODY_MAX)
/* One of ours, whole. */
#define RECORD_SEALED_MAX                                                                \
	(RECORD_HEAD + RECORD_NUMBER + RECORD_CONTENT_MAX + 1 + RECORD_TAG)

/* RFC 8446, 5.1 and 6 */
enum record_type { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };
enum alert {
	ALERT_CLOSE_NOTIFY = 0,
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_RECORD_OVERFLOW = 22,
	ALERT_DECODE_ERROR = 50,
	ALERT_INTERNAL_ERROR = 80,
	ALERT_USER_CANCELED = 90,
	ALERT_NO_RENEGOTIATION = 100,
};

struct record_keys {
	struct tls_traffic_keys traffic;
	uint64_t send_serial, receive_serial; /* of the keys, in this process */
};

/* False: OpenSSL has no memory; fini is due all the same, which wipes. */
bool record_keys_init(struct record_keys *k, const struct tls_traffic_keys *traffic);
void record_keys_fini(struct record_keys *k);
/* KeyUpdate of one direction. */
bool record_next_keys(struct record_keys *k, bool sends);

/* Bytes of the nonce that stand behind the head: 0 or RECORD_NUMBER. */
size_t record_shown(const struct record_keys *k);
/* To space, which has RECORD_SEALED_MAX, or what the content takes. content: up to
   RECORD_CONTENT_MAX. Its length; 0: OpenSSL could not. */
size_t record_seal(
	struct record_keys *k, enum record_type type, struct str content, char *space);

/* One record's parts. */
struct record_sealed {
	const unsigned char *head, *shown, *body;
	unsigned char *tag;
	size_t len; /* of the body, TLS 1.3: with its type */
};

/* A whole one. False: it is too short to be one. */
bool record_take_apart(
	const struct record_keys *k, struct str record, struct record_sealed *ret);
/* Its type, or the alert that it calls for, negative. space has room for the body,
   without the type; *ret_len: content in it. */
int record_open(struct record_keys *k, const struct record_sealed *r,
	unsigned char *space, size_t *ret_len);

#endif
