/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lib/tls/tls_fixture.h"

#include "lib/wire/wire_test.h"

#include <errno.h>

void fake_vault_answer(struct fake_vault *v)
{
	unsigned char bytes[TLS_SIGNATURE_MAX];
	struct tls_signature *s = v->asked;
	size_t len = 0;
	int r = tls_sign(v->key, s->scheme, str_of(s->digest, s->n_digest), bytes, &len);

	v->asked = NULL;
	tls_signature_done(s, v->refuses ? -EACCES : r, str_of(bytes, len));
}

static int ask(struct tls_signer *signer, struct tls_signature *s)
{
	struct fake_vault *v = (struct fake_vault *)signer;

	assert_int_equal(s->key, FAKE_KEY_NUMBER);
	v->questions++;
	v->asked = s;
	if (v->at_once)
		fake_vault_answer(v);
	return 0;
}

static void forget(struct tls_signer *signer, struct tls_signature *s)
{
	struct fake_vault *v = (struct fake_vault *)signer;

	assert_ptr_equal(v->asked, s);
	v->asked = NULL;
	v->forgotten++;
}

void fake_vault_init(struct fake_vault *v, EVP_PKEY *key)
{
	*v = (struct fake_vault){ .signer = { ask, forget }, .key = key };
}

X509 *fake_certificate(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				 (const unsigned char *)"mail.example.com", -1, -1, 0),
		1);
	X509_set_issuer_name(x, name);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

EVP_PKEY *fake_rsa_key(void)
{
	return EVP_RSA_gen(2048);
}

EVP_PKEY *fake_ec_key(void)
{
	return EVP_EC_gen("P-256");
}

EVP_PKEY *fake_ec384_key(void)
{
	return EVP_EC_gen("P-384");
}
