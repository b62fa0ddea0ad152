/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SASL_USER_H
#define WIRE_SASL_USER_H
/*
 * Whose login it is, for mechanisms that do not show the password but the name: CRAM-MD5
 * (RFC 2195), DIGEST-MD5 (RFC 2831), SCRAM-* (RFC 5802), XOAUTH2 (Google), OAUTHBEARER
 * (RFC 7628), EXTERNAL (RFC 4422). GSSAPI and NTLM do not show it in a readable way.
 */
#include "base/arena.h"

/* line: the client's answer as sent (base64, "=" for empty). false: no name in it. */
bool sasl_user(
	struct str mechanism, struct str line, struct arena *arena, struct str *ret_user);

/* Whose proof it is, when the mechanism tells it apart from the user who is acted as
   (authcid and authzid): SCRAM-*, DIGEST-MD5. false: it does not. */
bool sasl_prover(struct str mechanism, struct str line, struct arena *arena,
	struct str *ret_prover);

/* Whom the client's answers of one exchange name. */
struct sasl_names {
	struct str user, prover; /* ptr NULL: nobody; prover: only when it is another */
	bool has_answered;
};

/* The next of them. The first that is not empty names the user, or none does: at the end
   of DIGEST-MD5 servers do not look at what they get. Behind it only SCRAM has more to
   say; else the server may have heard another answer than we have, and it is nobody's. */
void sasl_names_add(
	struct sasl_names *n, struct str mechanism, struct str line, struct arena *arena);

#endif
