/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/challenge.h"

#include "base/hex.h"
#include "wire/sasl.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define DIGEST_SIZE 16 /* of MD5 */
#define HEX_SIZE 32    /* two digits a byte */

/* ---- the proof ---- */

/* "name digest": the name may hold spaces, the digest does not. */
static struct str last_word(struct str message)
{
	size_t at = message.len;

	while (at > 0 && message.ptr[at - 1] != ' ')
		at--;
	return str_skip(message, at);
}

struct challenge_proof challenge_answer(struct str mechanism, struct str challenge,
	struct str answer, struct arena *arena)
{
	struct challenge_proof none = { .kind = CHALLENGE_NONE }, proof = none;
	struct str said;

	if (!str_ieq(mechanism, STR_LIT("CRAM-MD5")) ||
		!str_starts(challenge, STR_LIT("+ ")) ||
		!base64_decode(
			str_trim(str_skip(challenge, 2)), arena, &proof.challenge) ||
		!base64_decode(str_trim(answer), arena, &said))
		return none;
	proof.kind = CHALLENGE_CRAM_MD5;
	proof.digest = last_word(said);
	return proof;
}

/* ---- the digest ---- */

static struct str not_null(struct str s)
{
	return s.len ? s : STR_LIT("");
}

static bool apop(struct str challenge, struct str password, unsigned char *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new(); /* wipes what it held */
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
	          EVP_DigestUpdate(ctx, challenge.ptr, challenge.len) == 1 &&
	          EVP_DigestUpdate(ctx, password.ptr, password.len) == 1 &&
	          EVP_DigestFinal_ex(ctx, ret, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool cram_md5(struct str challenge, struct str password, unsigned char *ret)
{
	unsigned n;

	return password.len <= INT_MAX && HMAC(EVP_md5(), password.ptr, (int)password.len,
						  (const unsigned char *)challenge.ptr,
						  challenge.len, ret, &n) != NULL;
}

static bool compute(
	const struct challenge_proof *proof, struct str password, unsigned char *ret)
{
	switch (proof->kind) {
	case CHALLENGE_APOP:
		return apop(not_null(proof->challenge), not_null(password), ret);
	case CHALLENGE_CRAM_MD5:
		return cram_md5(not_null(proof->challenge), not_null(password), ret);
	case CHALLENGE_NONE:
		break;
	}
	return false;
}

/* RFC 1939 wants lower case; servers have always taken both. */
static bool is_hex_of(const unsigned char *digest, struct str hex)
{
	char wanted[HEX_SIZE + 1], given[HEX_SIZE];
	bool same;

	if (hex.len != HEX_SIZE)
		return false;
	hex_write(digest, DIGEST_SIZE, wanted);
	for (size_t i = 0; i < HEX_SIZE; i++) {
		given[i] = hex.ptr[i];
		if (given[i] >= 'A' && given[i] <= 'F')
			given[i] |= 0x20;
	}
	same = CRYPTO_memcmp(wanted, given, HEX_SIZE) == 0;
	explicit_bzero(wanted, sizeof(wanted));
	return same;
}

int challenge_check(const struct challenge_proof *proof, struct str password)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	int r = -EIO;

	if (compute(proof, password, digest))
		r = is_hex_of(digest, proof->digest) ? 0 : -EACCES;
	explicit_bzero(digest, sizeof(digest));
	return r;
}
