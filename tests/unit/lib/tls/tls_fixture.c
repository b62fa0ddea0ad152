/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lib/tls/tls_fixture.h"

#include "lib/wire/wire_test.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

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

static void add_names(X509 *x, const char *names)
{
	X509_EXTENSION *extension =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

X509 *fake_certificate_for(EVP_PKEY *key, const char *names)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				 (const unsigned char *)"mail.example.com", -1, -1, 0),
		1);
	X509_set_version(x, X509_VERSION_3);
	X509_set_issuer_name(x, name);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	if (names)
		add_names(x, names);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

X509 *fake_certificate(EVP_PKEY *key)
{
	return fake_certificate_for(key, NULL);
}

void fake_pem(X509 *certificate, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	len = BIO_get_mem_data(bio, &bytes);
	assert_int_equal(buf_append(out, str_of(bytes, (size_t)len)), 0);
	BIO_free(bio);
}

void fake_connect(SSL *client, SSL *server)
{
	BIO *one, *two;

	assert_int_equal(BIO_new_bio_pair(&one, 0, &two, 0), 1);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, two, two);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
}

int fake_turns(SSL *client, SSL *server)
{
	for (int i = 0; i < 20; i++) {
		int c = SSL_do_handshake(client), s = SSL_do_handshake(server);

		if (s == 1 && c == 1)
			return 0;
		if (s != 1 && SSL_get_error(server, s) == SSL_ERROR_WANT_ASYNC) {
			struct tls_waiter *waiter = SSL_get_app_data(server);

			tls_waiter_ask(waiter);
			if (!waiter->pending->is_done)
				return -EAGAIN;
			continue;
		}
		if ((s != 1 && SSL_get_error(server, s) == SSL_ERROR_SSL) ||
			(c != 1 && SSL_get_error(client, c) == SSL_ERROR_SSL))
			return -EPROTO;
	}
	return -ETIMEDOUT;
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
