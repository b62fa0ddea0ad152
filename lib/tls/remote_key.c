/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/remote_key.h"

#include <openssl/async.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER_NAME "mailferry-remote"
#define PROPERTIES "provider=" PROVIDER_NAME
#define PARAM_KEY "mailferry-key" /* a struct key *, as bytes */
#define DIGEST_NAME_MAX 32

struct tls_library {
	OSSL_LIB_CTX *context;
	OSSL_PROVIDER *standard, *remote;
	struct tls_signer *signer;
};

/* What an EVP_PKEY of ours points to. */
struct key {
	unsigned references;
	struct tls_library *library;
	uint32_t number;
	EVP_PKEY *public; /* of the default provider: answers all that is no secret */
};

/* ---- key management (provider-keymgmt(7)) ---- */

static void *key_new(void *provider)
{
	struct key *key = calloc(1, sizeof(*key));

	(void)provider;
	if (key)
		key->references = 1;
	return key;
}

static void key_free(void *data)
{
	struct key *key = data;

	if (!key || --key->references)
		return;
	EVP_PKEY_free(key->public);
	free(key);
}

static void *key_dup(const void *data, int selection)
{
	struct key *key = (struct key *)(uintptr_t)data;

	(void)selection;
	key->references++;
	return key;
}

/* A private key is there as far as OpenSSL is concerned: it can sign. */
static int key_has(const void *data, int selection)
{
	const struct key *key = data;

	(void)selection;
	return key && key->public;
}

static int key_match(const void *a, const void *b, int selection)
{
	const struct key *one = a, *two = b;

	(void)selection;
	return one->public && two->public && EVP_PKEY_eq(one->public, two->public) == 1;
}

static int key_import(void *data, int selection, const OSSL_PARAM params[])
{
	struct key *key = data;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_KEY);
	const struct key *given;

	(void)selection;
	if (!p || p->data_size != sizeof(given))
		return 0;
	memcpy(&given, p->data, sizeof(given));
	if (!EVP_PKEY_up_ref(given->public))
		return 0;
	key->library = given->library;
	key->number = given->number;
	key->public = given->public;
	return 1;
}

static const OSSL_PARAM *key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(PARAM_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

/* To another provider: the public half, to compare with a certificate. Asked for the
   private one we have nothing, so that no other provider is taken to sign. */
static int key_export(void *data, int selection, OSSL_CALLBACK *callback, void *context)
{
	struct key *key = data;
	OSSL_PARAM *params = NULL;
	int ok;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	ok = EVP_PKEY_todata(key->public, selection, &params) == 1 &&
	     callback(params, context);
	OSSL_PARAM_free(params);
	return ok;
}

static const OSSL_PARAM *key_export_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : types;
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
	struct key *key = data;

	return EVP_PKEY_get_params(key->public, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(
			OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return types;
}

static const char *rsa_operation(int operation)
{
	(void)operation;
	return "RSA";
}

static const char *ec_operation(int operation)
{
	(void)operation;
	return "ECDSA";
}

typedef void (*dispatch_fn)(void);
#define SLOT(id, function)                                                               \
	{                                                                                \
		(id), (dispatch_fn)(function)                                            \
	}
#define KEY_SLOTS                                                                        \
	SLOT(OSSL_FUNC_KEYMGMT_NEW, key_new), SLOT(OSSL_FUNC_KEYMGMT_FREE, key_free),    \
		SLOT(OSSL_FUNC_KEYMGMT_DUP, key_dup),                                    \
		SLOT(OSSL_FUNC_KEYMGMT_HAS, key_has),                                    \
		SLOT(OSSL_FUNC_KEYMGMT_MATCH, key_match),                                \
		SLOT(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                              \
		SLOT(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types),                  \
		SLOT(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                              \
		SLOT(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_export_types),                  \
		SLOT(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),                      \
		SLOT(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH rsa_key[] = {
	KEY_SLOTS,
	SLOT(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, rsa_operation),
	{ 0, NULL },
};
static const OSSL_DISPATCH ec_key[] = {
	KEY_SLOTS,
	SLOT(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
	{ 0, NULL },
};

/* ---- signing (provider-signature(7)) ---- */

struct signing {
	struct key *key;
	int padding; /* of RSA; 0: ECDSA */
	char digest[DIGEST_NAME_MAX];
};

static struct signing *signing_new(int padding)
{
	struct signing *s = calloc(1, sizeof(*s));

	if (s)
		s->padding = padding;
	return s;
}

static void *rsa_signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return signing_new(RSA_PKCS1_PADDING);
}

static void *ec_signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return signing_new(0);
}

static void signing_free(void *data)
{
	struct signing *s = data;

	if (s)
		key_free(s->key);
	free(s);
}

/* A padding comes as a number or as a word. */
static bool padding_of(const OSSL_PARAM *p, int *ret)
{
	const char *word;

	if (p->data_type == OSSL_PARAM_INTEGER)
		return OSSL_PARAM_get_int(p, ret);
	if (!OSSL_PARAM_get_utf8_string_ptr(p, &word))
		return false;
	*ret = strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ? RSA_PKCS1_PSS_PADDING
	                                                     : RSA_PKCS1_PADDING;
	return true;
}

/* The salt's length and MGF1's digest are what TLS says; the key's side sets them. */
static int signing_set_params(void *data, const OSSL_PARAM params[])
{
	struct signing *s = data;
	const OSSL_PARAM *p;

	p = params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)
	           : NULL;
	if (!p || !s->padding)
		return 1;
	return padding_of(p, &s->padding) &&
	       (s->padding == RSA_PKCS1_PADDING || s->padding == RSA_PKCS1_PSS_PADDING);
}

static const OSSL_PARAM *signing_settable(void *data, void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)provider;
	return types;
}

static int signing_init(
	void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = data;

	if (!key || !digest || strlen(digest) >= sizeof(s->digest))
		return 0;
	key_free(s->key);
	s->key = key_dup(key, 0);
	memcpy(s->digest, digest, strlen(digest) + 1);
	return signing_set_params(s, params);
}

/* The handshake that this signature is for; NULL: not inside a job. */
static struct tls_waiter *waiter_of(ASYNC_JOB *job)
{
	ASYNC_callback_fn callback = NULL;
	void *ssl = NULL;

	if (!job ||
		!ASYNC_WAIT_CTX_get_callback(ASYNC_get_wait_ctx(job), &callback, &ssl) ||
		!ssl)
		return NULL;
	return SSL_get_app_data((SSL *)ssl);
}

/* OpenSSL keeps the SSL for waiter_of() only when there is such a function. */
static int on_async(SSL *ssl, void *context)
{
	(void)ssl;
	(void)context;
	return 1;
}

bool tls_remote_key_attach(SSL *ssl, struct tls_waiter *waiter)
{
	SSL_set_app_data(ssl, waiter);
	SSL_set_mode(ssl, SSL_MODE_ASYNC);
	return SSL_set_async_callback(ssl, on_async);
}

/* Nothing can be paused: it has to be there at once. */
static int ask_at_once(struct tls_signature *signature)
{
	int r = signature->signer->ask(signature->signer, signature);

	if (r == 0 && !signature->is_done) {
		signature->signer->forget(signature->signer, signature);
		r = -EAGAIN;
	}
	return r < 0 ? r : signature->code;
}

/* The driver of the handshake asks (tls_waiter_ask()) and goes on when it is woken. The
   waiter is taken once: the signature may be cancelled while it is waited for. */
static int wait_for(struct tls_signature *signature)
{
	struct tls_waiter *waiter = waiter_of(ASYNC_get_current_job());
	bool paused = true;

	if (!waiter)
		return ask_at_once(signature);
	signature->waiter = waiter;
	waiter->pending = signature;
	while (paused && !signature->is_done)
		paused = ASYNC_pause_job();
	waiter->pending = NULL;
	return paused ? signature->code : -EAGAIN;
}

static int signing_sign(void *data, unsigned char *out, size_t *len, size_t size,
	const unsigned char *bytes, size_t n_bytes)
{
	struct signing *s = data;
	struct tls_signature signature = { .key = s->key->number,
		.signer = s->key->library->signer };

	if (!out) {
		*len = (size_t)EVP_PKEY_get_size(s->key->public);
		return 1;
	}
	if (tls_scheme_of(s->padding, s->digest, &signature.scheme) < 0 ||
		!EVP_Q_digest(s->key->library->context, s->digest, NULL, bytes, n_bytes,
			signature.digest, &signature.n_digest) ||
		wait_for(&signature) < 0 || signature.n_bytes > size)
		return 0;
	memcpy(out, signature.bytes, signature.n_bytes);
	*len = signature.n_bytes;
	return 1;
}

#define SIGNING_SLOTS                                                                    \
	SLOT(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),                                 \
		SLOT(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),                \
		SLOT(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),                     \
		SLOT(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set_params),            \
		SLOT(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable)

static const OSSL_DISPATCH rsa_signing[] = {
	SLOT(OSSL_FUNC_SIGNATURE_NEWCTX, rsa_signing_new),
	SIGNING_SLOTS,
	{ 0, NULL },
};
static const OSSL_DISPATCH ec_signing[] = {
	SLOT(OSSL_FUNC_SIGNATURE_NEWCTX, ec_signing_new),
	SIGNING_SLOTS,
	{ 0, NULL },
};

/* ---- the provider (provider(7)) ---- */

static const OSSL_ALGORITHM keys[] = {
	{ "RSA:rsaEncryption", PROPERTIES, rsa_key, "keys in another process" },
	{ "EC:id-ecPublicKey", PROPERTIES, ec_key, "keys in another process" },
	{ NULL, NULL, NULL, NULL },
};
static const OSSL_ALGORITHM signings[] = {
	{ "RSA:rsaEncryption", PROPERTIES, rsa_signing, "signed by another process" },
	{ "ECDSA", PROPERTIES, ec_signing, "signed by another process" },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keys;
	return operation == OSSL_OP_SIGNATURE ? signings : NULL;
}

static const OSSL_DISPATCH provider_slots[] = {
	SLOT(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
	{ 0, NULL },
};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
	const OSSL_DISPATCH **out, void **context)
{
	(void)handle;
	(void)in;
	*out = provider_slots;
	*context = NULL;
	return 1;
}

struct tls_library *tls_library_new(struct tls_signer *signer)
{
	struct tls_library *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->signer = signer;
	l->context = OSSL_LIB_CTX_new();
	if (l->context &&
		OSSL_PROVIDER_add_builtin(l->context, PROVIDER_NAME, provider_init)) {
		l->standard = OSSL_PROVIDER_load(l->context, "default");
		l->remote = OSSL_PROVIDER_load(l->context, PROVIDER_NAME);
	}
	if (l->standard && l->remote)
		return l;
	tls_library_free(l);
	return NULL;
}

void tls_library_free(struct tls_library *l)
{
	if (!l)
		return;
	if (l->remote)
		(void)OSSL_PROVIDER_unload(l->remote);
	if (l->standard)
		(void)OSSL_PROVIDER_unload(l->standard);
	OSSL_LIB_CTX_free(l->context);
	free(l);
}

OSSL_LIB_CTX *tls_library_context(struct tls_library *l)
{
	return l->context;
}

EVP_PKEY *tls_remote_key_new(struct tls_library *l, EVP_PKEY *public_key, uint32_t number)
{
	const char *type = EVP_PKEY_is_a(public_key, "RSA")  ? "RSA"
	                   : EVP_PKEY_is_a(public_key, "EC") ? "EC"
	                                                     : NULL;
	struct key given = { .library = l, .number = number, .public = public_key };
	const struct key *pointer = &given;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(PARAM_KEY, &pointer, sizeof(pointer)),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;

	if (!type)
		return NULL;
	ctx = EVP_PKEY_CTX_new_from_name(l->context, type, PROPERTIES);
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}
