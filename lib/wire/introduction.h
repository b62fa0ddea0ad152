/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_INTRODUCTION_H
#define WIRE_INTRODUCTION_H
/*
 * The first words on a connection that we make from our own address, for a client: whose
 * it is, as servers let a trusted proxy say it. Bytes in, bytes out; when it is over,
 * what is left in from_server begins with the greeting of the client's session.
 *
 *   XCLIENT   S: 220       C: EHLO    S: 250-XCLIENT …   C: XCLIENT ADDR=…   S: 220
 *   ID        S: * OK      C: x ID ("x-originating-ip" "192.0.2.1" …)         S: x OK
 *
 * XCLIENT (Postfix) must be taken: the server relays for us, but not for that client. ID
 * (Dovecot's login_trusted_networks) is only information: it is said where the greeting
 * offers it, and its answer does not matter.
 */
#include "base/buf.h"

enum introduction_kind { INTRODUCTION_NONE, INTRODUCTION_XCLIENT, INTRODUCTION_ID };
enum introduction_is { INTRODUCTION_MORE, INTRODUCTION_OVER, INTRODUCTION_FAILED };

#define INTRODUCTION_ADDRESS_MAX 46    /* INET6_ADDRSTRLEN */
#define INTRODUCTION_GREETING_MAX 2048 /* a longer one of IMAP gets no ID */

struct introduction {
	enum introduction_kind kind;
	unsigned step;
	char address[INTRODUCTION_ADDRESS_MAX];
	unsigned port;
	size_t greeting_len;
	char greeting[INTRODUCTION_GREETING_MAX];
};

/* address: the client's, as text. */
void introduction_begin(struct introduction *i, enum introduction_kind kind,
	const char *address, unsigned port);
enum introduction_is introduction_feed(
	struct introduction *i, struct buf *from_server, struct buf *to_server);

#endif
