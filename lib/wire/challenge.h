/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_CHALLENGE_H
#define WIRE_CHALLENGE_H
/*
 * Logins that prove a password without showing it, by a digest of it and of something
 * that the server said: APOP (RFC 1939, 7) and CRAM-MD5 (RFC 2195).
 *
 * A proof is worth as much as its challenge is new: who checks it must know that this
 * very connection was given that challenge, and that no other was or will be.
 */
#include "base/arena.h"

enum challenge_kind {
	CHALLENGE_NONE,
	CHALLENGE_APOP,    /* MD5 of the greeting's timestamp, then the password */
	CHALLENGE_CRAM_MD5 /* HMAC-MD5 of the challenge, keyed with the password */
};

struct challenge_proof {
	enum challenge_kind kind; /* NONE: there is no proof, the rest is empty */
	struct str challenge;     /* decoded */
	struct str digest;        /* as the client gave it: 32 hexadecimal digits */
};

/* What the client's answer in an exchange proves. challenge: the server's line, "+ " and
   base64; answer: the client's, base64. NONE when the mechanism is none of these. */
struct challenge_proof challenge_answer(struct str mechanism, struct str challenge,
	struct str answer, struct arena *arena);

/* 0 right, -EACCES wrong; -EIO: it cannot be computed here (no MD5). */
int challenge_check(const struct challenge_proof *proof, struct str password);

#endif
