/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SASL_H
#define WIRE_SASL_H
/* SASL as mail protocols carry it: base64 lines (RFC 4648), PLAIN (RFC 4616), and LOGIN
   (no RFC; two base64 answers). Decoded secrets lie in the arena, which wipes. */
#include "base/arena.h"
#include "base/buf.h"

/* Longest line of base64 that is passed between a client and a server: Courier, for one,
   reads lines into 8192 bytes, and takes what is beyond for the next command. */
#define SASL_LINE_MAX 8000

/* Strict: no white space, padding required. "" decodes to "". false: not base64. */
bool base64_decode(struct str text, struct arena *arena, struct str *ret_bytes);
int base64_encode(struct buf *out, struct str bytes);

struct sasl_plain {
	struct str authzid; /* whom to act as; usually empty */
	struct str authcid; /* whose password it is */
	struct str password;
};

/* authzid NUL authcid NUL password, the base64 already off. */
bool sasl_plain_parse(struct str message, struct sasl_plain *ret);
/* The base64 of it. */
int sasl_plain_put(struct buf *out, const struct sasl_plain *plain);

/* The account that a login is for: authzid when given, else authcid. */
struct str sasl_plain_account(const struct sasl_plain *plain);

#endif
