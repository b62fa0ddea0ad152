/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_KTLS_FIXTURE_H
#define TEST_KTLS_FIXTURE_H
/* A client and a server that have shaken hands over sockets, with a kernel that has TLS
   below: the stand-in (support/kernel_tls.h), or the machine's own. */
#include "lib/tls/tls_fixture.h"
#include "lib/wire/wire_test.h"
#include "net/stream_ktls.h"
#include "support/kernel_tls.h"
#include "tls/stream_tls.h"
#include "tls/traffic.h"

struct kind {
	const char *name;
	int version;
	const char *suites; /* of TLS 1.3 */
	const char *ciphers;
};
/* All that the kernel takes; the first is of TLS 1.3, that at KIND_12 of 1.2. */
#define KINDS 6
#define KIND_12 3
extern const struct kind kinds[KINDS];

struct pair {
	SSL_CTX *server_ctx, *client_ctx;
	SSL_SESSION *ticket; /* the client's */
	struct stream *server, *client;
};

void pair_contexts(struct pair *p, const struct kind *k);
void pair_shake(struct pair *p);
/* With the ticket, if there is one; both have said something, as in a login. */
void pair_connect(struct pair *p);
void pair_disconnect(struct pair *p);
/* Contexts and connection, with what the kernel needs being watched. */
void pair_begin(struct pair *p, const struct kind *k);
void pair_end(struct pair *p);

struct stream *pair_plain(int fd);
/* stream_read(), once something has come; -EAGAIN: nothing does. */
ssize_t pair_read(struct stream *s, void *space, size_t size);
void pair_say(struct stream *from, struct stream *to, const char *words);
void pair_offload(struct stream **s, const char *name);
/* One record of this end, by the kernel; type: RFC 8446, 5.1. */
void pair_send_record(struct stream *s, int type, const void *bytes, size_t len);
/* The server's socket, as another process gets it. */
void pair_give_away(struct pair *p);

#endif
