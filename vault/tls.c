/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vault/tls.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAPLE_MAX ((size_t)16384) /* real ones have 2 KiB */
#define FILE_MAX ((off_t)65536)    /* a chain has some KiB, and it must fit a message */

static int refuse(struct error *err, const char *file, const char *why)
{
	char text[128] = "";
	unsigned long first = ERR_get_error();

	if (first)
		ERR_error_string_n(first, text, sizeof(text));
	ERR_clear_error();
	return error_set(err, -EINVAL, "%s: %s%s%s", file, why, *text ? ": " : "", text);
}

/* Appended. */
static int read_file(int fd, const char *file, struct buf *out, struct error *err)
{
	struct stat about;
	char *space;
	int r;

	if (fstat(fd, &about) < 0)
		return error_errno(err, -errno, "cannot read %s", file);
	if (!S_ISREG(about.st_mode) || about.st_size > FILE_MAX)
		return error_set(err, -EINVAL, "%s is no file of at most 64 KiB", file);
	r = buf_reserve(out, (size_t)about.st_size, &space);
	if (r == 0)
		r = fd_read_all(fd, space, (size_t)about.st_size);
	if (r < 0)
		return error_errno(err, r, "cannot read %s", file);
	buf_commit(out, (size_t)about.st_size);
	return 0;
}

static BIO *bio_of(const struct buf *b)
{
	struct str bytes = buf_view(b);

	return BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
}

/* ---- PKCS#12: key and certificates in one file ---- */

struct bundle {
	EVP_PKEY *key;
	X509 *certificate;
	STACK_OF(X509) * chain;
};

static void bundle_free(struct bundle *b)
{
	EVP_PKEY_free(b->key);
	X509_free(b->certificate);
	sk_X509_pop_free(b->chain, X509_free);
}

static bool read_bundle(const struct buf *file, struct bundle *ret)
{
	BIO *bio = bio_of(file);
	PKCS12 *p = bio ? d2i_PKCS12_bio(bio, NULL) : NULL;
	bool ok;

	*ret = (struct bundle){ 0 };
	ok = p && PKCS12_parse(p, "", &ret->key, &ret->certificate, &ret->chain) == 1;
	PKCS12_free(p);
	BIO_free(bio);
	return ok;
}

static bool append_pem(X509 *certificate, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;
	bool ok = bio && PEM_write_bio_X509(bio, certificate) == 1;
	long len = ok ? BIO_get_mem_data(bio, &bytes) : 0;

	ok = ok && buf_append(out, str_of(bytes, (size_t)len)) == 0;
	BIO_free(bio);
	return ok;
}

/* A bundle becomes the PEM that everybody else reads. */
static bool chain_from_bundle(const struct buf *file, struct buf *out)
{
	struct bundle b;
	bool ok =
		read_bundle(file, &b) && b.certificate && append_pem(b.certificate, out);

	for (int i = 0; ok && i < sk_X509_num(b.chain); i++)
		ok = append_pem(sk_X509_value(b.chain, i), out);
	bundle_free(&b);
	return ok;
}

static EVP_PKEY *key_from_bundle(const struct buf *file)
{
	struct bundle b;
	EVP_PKEY *key = read_bundle(file, &b) ? b.key : NULL;

	if (key)
		b.key = NULL;
	bundle_free(&b);
	return key;
}

/* ---- one identity ---- */

/* A key with a passphrase cannot be read: there is nobody to ask. */
static int no_passphrase(char *space, int size, int writing, void *context)
{
	(void)space;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static int read_key(int fd, const char *file, EVP_PKEY **ret, struct error *err)
{
	struct buf bytes;
	BIO *bio;
	EVP_PKEY *key;
	int r;

	buf_init(&bytes, 0);
	r = read_file(fd, file, &bytes, err);
	if (r == 0) {
		bio = bio_of(&bytes);
		key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
		          : NULL;
		BIO_free(bio);
		*ret = key ? key : key_from_bundle(&bytes);
		if (!*ret)
			r = refuse(err, file,
				"no private key (PEM or PKCS#12, without a passphrase)");
		ERR_clear_error();
	}
	buf_wipe(&bytes);
	buf_fini(&bytes);
	return r;
}

static X509 *first_certificate(const struct buf *pem)
{
	BIO *bio = bio_of(pem);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return x;
}

static int read_chain(int fd, const char *file, struct buf *out, struct error *err)
{
	struct buf bytes;
	X509 *x;
	int r;

	buf_init(&bytes, 0);
	r = read_file(fd, file, &bytes, err);
	x = r == 0 ? first_certificate(&bytes) : NULL;
	if (x)
		r = buf_append(out, buf_view(&bytes));
	else if (r == 0 && !chain_from_bundle(&bytes, out))
		r = refuse(err, file, "no certificate (PEM or PKCS#12)");
	X509_free(x);
	ERR_clear_error();
	buf_wipe(&bytes); /* a bundle holds the key, too */
	buf_fini(&bytes);
	return r;
}

static int check_fit(
	const struct tls_identity *i, const char *key_file, struct error *err)
{
	X509 *x = first_certificate(&i->chain);
	bool fits = x && X509_check_private_key(x, i->key) == 1;

	X509_free(x);
	ERR_clear_error();
	return fits ? 0
	            : error_set(err, -EINVAL,
			      "%s is not the key of the certificate in %s", key_file,
			      i->file);
}

static int add_certificate(
	struct vault_tls *t, int fd, const char *file, struct error *err)
{
	struct tls_identity *i = &t->identities[t->n];

	if (t->n == SETTINGS_FILES_MAX)
		return error_set(
			err, -EINVAL, "more than %d certificates", SETTINGS_FILES_MAX);
	t->n++;
	buf_init(&i->chain, 0);
	buf_init(&i->staple, 0);
	i->file = strdup(file);
	return i->file ? read_chain(fd, file, &i->chain, err)
	               : error_set(err, -ENOMEM, "no memory");
}

static int add_key(struct vault_tls *t, int fd, const char *file, struct error *err)
{
	struct tls_identity *i = t->n ? &t->identities[t->n - 1] : NULL;
	int r;

	if (!i || i->key)
		return error_set(err, -EINVAL, "%s: a key without a certificate", file);
	r = read_key(fd, file, &i->key, err);
	return r == 0 ? check_fit(i, file, err) : r;
}

/* One that is too long is left out. */
static int add_staple(struct vault_tls *t, int fd, const char *file, struct error *err)
{
	struct tls_identity *i = t->n ? &t->identities[t->n - 1] : NULL;
	int r = i ? read_file(fd, file, &i->staple, err) : 0;

	if (i && buf_len(&i->staple) > STAPLE_MAX)
		buf_clear(&i->staple);
	return r;
}

int vault_tls_add(struct vault_tls *t, enum renewal_file kind, int fd, const char *file,
	struct error *err)
{
	static int (*const adds[RENEWAL_FILE_COUNT])(
		struct vault_tls * t, int fd, const char *file, struct error *err) = {
		[RENEWAL_CERTIFICATE] = add_certificate,
		[RENEWAL_KEY] = add_key,
		[RENEWAL_STAPLE] = add_staple,
	};
	int r = adds[kind](t, fd, file, err);

	close(fd);
	return r;
}

static int add_path(
	struct vault_tls *t, enum renewal_file kind, const char *file, struct error *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, -errno, "cannot read %s", file)
	              : vault_tls_add(t, kind, fd, file, err);
}

/* What certbot's and other hooks write beside the certificate. */
static void add_staple_of(struct vault_tls *t, const char *certificate)
{
	char path[1100];
	struct error ignored;

	if (snprintf(path, sizeof(path), "%s.ocsp", certificate) < (int)sizeof(path) &&
		access(path, R_OK) == 0)
		(void)add_path(t, RENEWAL_STAPLE, path, &ignored);
}

int vault_tls_open(const struct settings *s, struct vault_tls *ret, struct error *err)
{
	int r = 0;

	*ret = (struct vault_tls){ .secret_at_s = clock_wall_ms() / 1000 };
	if (RAND_bytes(ret->secret, sizeof(ret->secret)) != 1)
		return error_set(err, -EIO, "no randomness for TLS");
	for (size_t i = 0; r == 0 && i < s->tls.certificates.n; i++) {
		r = add_path(ret, RENEWAL_CERTIFICATE, s->tls.certificates.paths[i], err);
		if (r == 0)
			r = add_path(ret, RENEWAL_KEY, s->tls.keys.paths[i], err);
		if (r == 0)
			add_staple_of(ret, s->tls.certificates.paths[i]);
	}
	return r;
}

static bool is_same(const struct vault_tls *a, const struct vault_tls *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++) {
		const struct tls_identity *x = &a->identities[i], *y = &b->identities[i];

		same = strcmp(x->file, y->file) == 0 &&
		       str_eq(buf_view(&x->chain), buf_view(&y->chain)) &&
		       str_eq(buf_view(&x->staple), buf_view(&y->staple)) &&
		       EVP_PKEY_eq(x->key, y->key) == 1;
	}
	return same;
}

int vault_tls_renew(struct vault_tls *t, struct vault_tls *before, struct vault_tls *next,
	struct error *err)
{
	for (size_t i = 0; i < next->n; i++)
		if (!next->identities[i].key) {
			error_set(err, -EINVAL, "%s: its key is missing",
				next->identities[i].file);
			vault_tls_close(next);
			return -EINVAL;
		}
	if (is_same(t, next)) {
		vault_tls_close(next);
		return 0;
	}
	next->first = t->first + SETTINGS_FILES_MAX;
	memcpy(next->secret, t->secret, sizeof(next->secret));
	next->secret_at_s = t->secret_at_s;
	OPENSSL_cleanse(t->secret, sizeof(t->secret));
	vault_tls_close(before);
	*before = *t;
	*t = *next;
	OPENSSL_cleanse(next, sizeof(*next));
	return 0;
}

void vault_tls_close(struct vault_tls *t)
{
	for (size_t i = 0; i < t->n; i++) {
		EVP_PKEY_free(t->identities[i].key); /* OpenSSL wipes it */
		buf_fini(&t->identities[i].chain);
		buf_fini(&t->identities[i].staple);
		free(t->identities[i].file);
	}
	OPENSSL_cleanse(t, sizeof(*t));
}

EVP_PKEY *vault_tls_key(const struct vault_tls *t, uint64_t number)
{
	number -= t->first; /* below it: far above n */
	return number < t->n ? t->identities[number].key : NULL;
}
