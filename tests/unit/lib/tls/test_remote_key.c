/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Handshakes whose key is elsewhere: the signature comes later, at once, never, or wrong.
 */
#include "tls/remote_key.h"

#include "lib/tls/tls_fixture.h"
#include "lib/wire/wire_test.h"

#include <errno.h>
#include <openssl/ssl.h>

struct waiter {
	struct tls_waiter waiter; /* first */
	unsigned woken;
};

static void wake(struct tls_waiter *waiter)
{
	((struct waiter *)waiter)->woken++;
}

static int on_async(SSL *ssl, void *context)
{
	(void)ssl;
	(void)context;
	return 1;
}

struct pair {
	struct fake_vault vault;
	struct tls_library *library;
	SSL_CTX *server_ctx, *client_ctx;
	SSL *server, *client;
	struct waiter waiter;
};

static void begin(struct pair *p, EVP_PKEY *key, int version)
{
	X509 *x = fake_certificate(key);
	EVP_PKEY *remote;

	memset(p, 0, sizeof(*p));
	fake_vault_init(&p->vault, key);
	p->library = tls_library_new(&p->vault.signer);
	assert_non_null(p->library);
	p->server_ctx = SSL_CTX_new_ex(
		tls_library_context(p->library), NULL, TLS_server_method());
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(p->client_ctx, version);
	remote = tls_remote_key_new(p->library, X509_get0_pubkey(x), FAKE_KEY_NUMBER);
	assert_non_null(remote);
	assert_int_equal(SSL_CTX_use_certificate(p->server_ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->server_ctx, remote), 1);
	assert_int_equal(SSL_CTX_check_private_key(p->server_ctx), 1);
	EVP_PKEY_free(remote);
	X509_free(x);
	p->server = SSL_new(p->server_ctx);
	p->client = SSL_new(p->client_ctx);
	p->waiter.waiter.wake = wake;
	SSL_set_mode(p->server, SSL_MODE_ASYNC);
	SSL_set_app_data(p->server, &p->waiter.waiter);
	SSL_set_async_callback(p->server, on_async);
	fake_connect(p->client, p->server);
}

static void end(struct pair *p)
{
	SSL_free(p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->server_ctx);
	SSL_CTX_free(p->client_ctx);
	tls_library_free(p->library);
	EVP_PKEY_free(p->vault.key);
}

static int turns(struct pair *p)
{
	return fake_turns(p->client, p->server);
}

static const struct {
	const char *name;
	EVP_PKEY *(*make)(void);
	int version;
} rows[] = {
	{ "RSA, 1.2", fake_rsa_key, TLS1_2_VERSION },
	{ "RSA, 1.3", fake_rsa_key, TLS1_3_VERSION },
	{ "EC, 1.2", fake_ec_key, TLS1_2_VERSION },
	{ "EC, 1.3", fake_ec_key, TLS1_3_VERSION },
	{ "EC 384, 1.3", fake_ec384_key, TLS1_3_VERSION },
};

static void test_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct pair p;

		begin(&p, rows[i].make(), rows[i].version);
		assert_int_equal(turns(&p), -EAGAIN);
		assert_non_null(p.vault.asked);
		assert_ptr_equal(p.waiter.waiter.pending, p.vault.asked);
		assert_int_equal(turns(&p), -EAGAIN); /* asking again changes nothing */
		assert_int_equal(p.vault.questions, 1);
		fake_vault_answer(&p.vault);
		assert_int_equal(p.waiter.woken, 1);
		if (turns(&p) != 0)
			fail_msg("%s: no handshake", rows[i].name);
		assert_null(p.waiter.waiter.pending);
		assert_int_equal(SSL_version(p.server), rows[i].version);
		end(&p);
	}
}

static void test_at_once(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, fake_rsa_key(), TLS1_3_VERSION);
	p.vault.at_once = true;
	assert_int_equal(turns(&p), 0);
	end(&p);
}

static void test_refused(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, fake_ec_key(), TLS1_3_VERSION);
	p.vault.refuses = true;
	assert_int_equal(turns(&p), -EAGAIN);
	fake_vault_answer(&p.vault);
	assert_int_equal(turns(&p), -EPROTO);
	end(&p);
}

/* The connection ends while the key is being asked: the job ends, nothing is left. */
static void test_cancelled(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, fake_ec_key(), TLS1_3_VERSION);
	assert_int_equal(turns(&p), -EAGAIN);
	tls_signature_cancel(p.waiter.waiter.pending);
	assert_int_equal(p.vault.forgotten, 1);
	assert_int_equal(turns(&p), -EPROTO);
	assert_null(p.waiter.waiter.pending);
	end(&p);
}

/* Nothing could be paused: it fails instead of waiting. */
static void test_outside_a_job(void **state)
{
	struct pair p;

	(void)state;
	begin(&p, fake_ec_key(), TLS1_3_VERSION);
	SSL_clear_mode(p.server, SSL_MODE_ASYNC);
	assert_int_equal(turns(&p), -EPROTO);
	assert_int_equal(p.vault.forgotten, 1);
	end(&p);
}

static void test_sign(void **state)
{
	EVP_PKEY *rsa = fake_rsa_key(), *ec = fake_ec_key();
	unsigned char out[TLS_SIGNATURE_MAX];
	char digest[TLS_DIGEST_MAX] = { 0 };
	size_t len;

	(void)state;
	assert_int_equal(
		tls_sign(rsa, TLS_RSA_PSS_SHA256, str_of(digest, 32), out, &len), 0);
	assert_int_equal(len, 256);
	assert_int_equal(tls_sign(rsa, TLS_RSA_PSS_SHA256, str_of(digest, 31), out, &len),
		-EINVAL);
	assert_int_equal(
		tls_sign(rsa, TLS_ECDSA_SHA256, str_of(digest, 32), out, &len), -EINVAL);
	assert_int_equal(
		tls_sign(ec, TLS_RSA_PKCS1_SHA256, str_of(digest, 32), out, &len),
		-EINVAL);
	assert_int_equal(tls_sign(rsa, 0x0201, str_of(digest, 20), out, &len), -EINVAL);
	assert_false(tls_scheme_is_known(0x0201));
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_outside_a_job),
		cmocka_unit_test(test_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
