/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/client.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* Old servers: what OpenSSL keeps back below security level 1. */
#define OLD_CIPHERS "DEFAULT:@SECLEVEL=0"

bool tls_certificate_pin(X509 *certificate, unsigned char ret[static TLS_PIN_SIZE])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	bool ok = len > 0 &&
	          EVP_Digest(der, (size_t)len, ret, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return ok;
}

bool tls_peer_pin(SSL *ssl, unsigned char ret[static TLS_PIN_SIZE])
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);

	return certificate && tls_certificate_pin(certificate, ret);
}

/* The pin alone counts: an old certificate may have expired, or be anybody's. */
static int check_pin(X509_STORE_CTX *store, void *context)
{
	const unsigned char *pin = context;
	unsigned char shown[TLS_PIN_SIZE];
	X509 *certificate = X509_STORE_CTX_get0_cert(store);

	if (certificate && tls_certificate_pin(certificate, shown) &&
		CRYPTO_memcmp(shown, pin, TLS_PIN_SIZE) == 0)
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static void free_pin(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index,
	long number, void *context)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)number;
	(void)context;
	free(pointer);
}

/* OpenSSL gives out indexes once in a process. */
static int pin_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_pin);
	return index;
}

static bool verify_pin(SSL_CTX *ctx, const struct tls_client_policy *policy)
{
	unsigned char *pin = malloc(TLS_PIN_SIZE);

	if (!pin)
		return false;
	memcpy(pin, policy->pin, TLS_PIN_SIZE);
	if (!SSL_CTX_set_ex_data(ctx, pin_index(), pin)) {
		free(pin);
		return false;
	}
	SSL_CTX_set_cert_verify_callback(ctx, check_pin, pin);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return true;
}

/* OpenSSL's own folder of authorities is looked at during a handshake, which is too late
   here. The same are in one file: that of the environment, of OpenSSL, of Debian, of Red
   Hat. */
X509_STORE *tls_authorities(void)
{
	const char *named = getenv(X509_get_default_cert_file_env());
	const char *const files[] = { named ? named : X509_get_default_cert_file(),
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt" };
	X509_STORE *store = X509_STORE_new();
	bool found = false;

	for (size_t i = 0;
		store && !found && i < (named ? 1 : sizeof(files) / sizeof(files[0]));
		i++)
		found = X509_STORE_load_file(store, files[i]);
	ERR_clear_error();
	if (found)
		return store;
	X509_STORE_free(store);
	return NULL;
}

static bool verify_ca(SSL_CTX *ctx, const struct tls_client_policy *policy)
{
	X509_STORE *known = policy->authorities ? policy->authorities : tls_authorities();
	bool ok = known && policy->name && *policy->name &&
	          X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx), policy->name, 0);

	if (ok)
		SSL_CTX_set1_cert_store(ctx, known);
	if (!policy->authorities)
		X509_STORE_free(known);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ok;
}

static bool verify_nothing(SSL_CTX *ctx, const struct tls_client_policy *policy)
{
	(void)policy;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return true;
}

static bool (*const verifiers[TLS_VERIFY_COUNT])(
	SSL_CTX *ctx, const struct tls_client_policy *policy) = {
	[TLS_VERIFY_PIN] = verify_pin,
	[TLS_VERIFY_CA] = verify_ca,
	[TLS_VERIFY_NONE] = verify_nothing,
};

static bool set_versions(SSL_CTX *ctx, int min_version)
{
	if (!SSL_CTX_set_min_proto_version(ctx, min_version))
		return false;
	if (min_version >= TLS1_2_VERSION)
		return true;
	/* RFC 5746 came in 2010: what is older knows no other renegotiation */
	SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	return SSL_CTX_set_cipher_list(ctx, OLD_CIPHERS);
}

int tls_client_context(
	const struct tls_client_policy *policy, SSL_CTX **ret, struct error *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return error_set(err, -ENOMEM, "no memory for TLS");
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	if (!set_versions(ctx, policy->min_version) ||
		!verifiers[policy->verify](ctx, policy)) {
		SSL_CTX_free(ctx);
		ERR_clear_error();
		return error_set(err, -EINVAL, "TLS to the source cannot be set up: %s",
			policy->verify == TLS_VERIFY_CA
				? "source_verify = \"ca\" needs the source by its name "
				  "and the package ca-certificates"
				: "unknown version");
	}
	*ret = ctx;
	return 0;
}
