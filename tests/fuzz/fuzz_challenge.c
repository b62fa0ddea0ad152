/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client's answer to a challenge proves: a right digest of the very challenge is
   right, also in upper case, and nothing else is. Input: mechanism's kind, password,
   challenge, answer, cut at LF. */
#include "fuzz.h"

#include "wire/challenge.h"
#include "wire/sasl.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define HEX_LEN 32u

static void must(bool promise)
{
	if (!promise)
		abort();
}

/* Both by other calls than challenge.c makes. */
static void digest(enum challenge_kind kind, struct str challenge, struct str password,
	const char *digits, char hex[static HEX_LEN])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	struct buf both;
	struct str text;
	size_t len = 0;

	buf_init(&both, 0);
	must(buf_append(&both, challenge) == 0 && buf_append(&both, password) == 0);
	text = buf_view(&both);
	if (kind == CHALLENGE_APOP)
		must(EVP_Digest(text.len ? text.ptr : "", text.len, md, &n, EVP_md5(),
			     NULL) == 1);
	else
		must(EVP_Q_mac(NULL, "HMAC", NULL, "MD5", NULL,
			     password.len ? password.ptr : "", password.len,
			     (const unsigned char *)(challenge.len ? challenge.ptr : ""),
			     challenge.len, md, sizeof(md), &len) != NULL);
	for (unsigned i = 0; i < HEX_LEN / 2; i++) {
		hex[2 * i] = digits[md[i] >> 4];
		hex[2 * i + 1] = digits[md[i] & 15];
	}
	buf_fini(&both);
}

static void right_and_wrong(
	enum challenge_kind kind, struct str challenge, struct str password)
{
	char hex[HEX_LEN], upper[HEX_LEN];
	struct challenge_proof proof = { .kind = kind, .challenge = challenge };

	digest(kind, challenge, password, "0123456789abcdef", hex);
	digest(kind, challenge, password, "0123456789ABCDEF", upper);
	proof.digest = str_of(hex, HEX_LEN);
	must(challenge_check(&proof, password) == 0);
	proof.digest = str_of(upper, HEX_LEN);
	must(challenge_check(&proof, password) == 0);
	for (size_t i = 0; i < HEX_LEN; i += 7) {
		char was = hex[i];

		hex[i] = was == '0' ? '1' : '0';
		proof.digest = str_of(hex, HEX_LEN);
		must(challenge_check(&proof, password) == -EACCES);
		hex[i] = was;
	}
	proof.digest = str_of(hex, HEX_LEN - 1);
	must(challenge_check(&proof, password) == -EACCES);
}

static void answer(struct str challenge, struct str line, struct str password)
{
	struct arena arena;
	struct challenge_proof proof;

	arena_init(&arena);
	proof = challenge_answer(STR_LIT("cram-md5"), challenge, line, &arena);
	if (proof.kind != CHALLENGE_NONE) {
		must(proof.kind == CHALLENGE_CRAM_MD5);
		must(str_index(proof.digest, ' ') == proof.digest.len);
		(void)challenge_check(&proof, password);
	}
	proof = challenge_answer(STR_LIT("XOAUTH2"), challenge, line, &arena);
	must(proof.kind == CHALLENGE_NONE);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size), password = str_split(&rest, '\n'),
		   challenge = str_split(&rest, '\n');

	right_and_wrong(CHALLENGE_APOP, challenge, password);
	right_and_wrong(CHALLENGE_CRAM_MD5, challenge, password);
	answer(challenge, rest, password);
	return 0;
}
