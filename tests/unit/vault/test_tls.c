/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates and keys that take the place of others. */
#include "vault/tls.h"

#include "lib/tls/tls_fixture.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int file_of(struct str bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.ptr, bytes.len), (ssize_t)bytes.len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int add(struct vault_tls *t, enum renewal_file kind, struct str bytes)
{
	struct error err;

	return vault_tls_add(t, kind, file_of(bytes), "a.pem", &err);
}

static int add_certificate(struct vault_tls *t, EVP_PKEY *key)
{
	X509 *x = fake_certificate(key);
	struct buf pem;
	int r;

	buf_init(&pem, 0);
	fake_pem(x, &pem);
	r = add(t, RENEWAL_CERTIFICATE, buf_view(&pem));
	buf_fini(&pem);
	X509_free(x);
	return r;
}

static int add_key(struct vault_tls *t, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;
	int r;

	assert_int_equal(
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &bytes);
	r = add(t, RENEWAL_KEY, str_of(bytes, (size_t)len));
	BIO_free(bio);
	return r;
}

/* With that key as number `number`. */
static int sign_with(const struct vault_tls *t, uint64_t number)
{
	unsigned char out[TLS_SIGNATURE_MAX];
	char digest[32] = "";
	size_t len;
	EVP_PKEY *key = vault_tls_key(t, number);

	return key ? tls_sign(key, 0x0403 /* ecdsa_secp256r1_sha256 */,
			     str_of(digest, sizeof(digest)), out, &len)
	           : -ENOENT;
}

static void test_renewal(void **state)
{
	struct vault_tls t = { .secret = "secret" }, before = { 0 }, next = { 0 };
	EVP_PKEY *key = fake_ec_key(), *other = fake_ec_key();
	struct error err;

	(void)state;
	assert_int_equal(add_certificate(&t, key), 0);
	assert_int_equal(add_key(&t, key), 0);
	assert_int_equal(sign_with(&t, 0), 0);
	assert_int_equal(sign_with(&t, 1), -ENOENT);

	assert_int_equal(add_certificate(&next, other), 0);
	assert_int_equal(add_key(&next, other), 0);
	assert_int_equal(vault_tls_renew(&t, &before, &next, &err), 0);
	assert_int_equal(t.first, SETTINGS_FILES_MAX);
	assert_memory_equal(t.secret, "secret", 6); /* tickets are good for them, too */
	assert_int_equal(sign_with(&t, t.first), 0);
	assert_int_equal(sign_with(&t, 0), -ENOENT);
	assert_int_equal(sign_with(&before, 0), 0); /* a handshake that had begun */

	vault_tls_close(&t);
	vault_tls_close(&before);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void test_nothing_new(void **state)
{
	struct vault_tls t = { 0 }, before = { 0 }, next = { 0 };
	EVP_PKEY *key = fake_ec_key();
	X509 *x = fake_certificate(key);
	struct buf pem;
	struct error err;

	(void)state;
	buf_init(&pem, 0);
	fake_pem(x, &pem);
	for (struct vault_tls *each = &t; each; each = each == &t ? &next : NULL) {
		assert_int_equal(add(each, RENEWAL_CERTIFICATE, buf_view(&pem)), 0);
		assert_int_equal(add_key(each, key), 0);
		assert_int_equal(add(each, RENEWAL_STAPLE, STR_LIT("staple")), 0);
	}
	assert_int_equal(vault_tls_renew(&t, &before, &next, &err), 0);
	assert_int_equal(t.first, 0);
	/* another staple is news */
	assert_int_equal(add(&next, RENEWAL_CERTIFICATE, buf_view(&pem)), 0);
	assert_int_equal(add_key(&next, key), 0);
	assert_int_equal(add(&next, RENEWAL_STAPLE, STR_LIT("younger")), 0);
	assert_int_equal(vault_tls_renew(&t, &before, &next, &err), 0);
	assert_int_equal(t.first, SETTINGS_FILES_MAX);

	vault_tls_close(&t);
	vault_tls_close(&before);
	X509_free(x);
	buf_fini(&pem);
	EVP_PKEY_free(key);
}

static void test_refused(void **state)
{
	struct vault_tls t = { 0 }, before = { 0 }, next = { 0 };
	EVP_PKEY *key = fake_ec_key(), *other = fake_ec_key();
	struct error err;

	(void)state;
	assert_int_equal(add_key(&next, key), -EINVAL); /* without a certificate */
	assert_int_equal(add_certificate(&next, key), 0);
	assert_int_equal(add_key(&next, other), -EINVAL); /* of another certificate */
	vault_tls_close(&next);
	assert_int_equal(add(&next, RENEWAL_CERTIFICATE, STR_LIT("hello")), -EINVAL);
	vault_tls_close(&next);
	assert_int_equal(add_certificate(&next, key), 0);
	assert_int_equal(vault_tls_renew(&t, &before, &next, &err), -EINVAL);
	assert_non_null(strstr(err.text, "its key is missing"));
	assert_int_equal(t.n, 0);
	assert_int_equal(next.n, 0);
	for (int i = 0; i < SETTINGS_FILES_MAX; i++)
		assert_int_equal(add_certificate(&next, key), 0);
	assert_int_equal(add_certificate(&next, key), -EINVAL);
	vault_tls_close(&next);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_nothing_new),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
