/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/traffic.h"

#include "base/str.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <string.h>

#define IV_SIZE 12  /* of all ciphers here */
#define SALT_SIZE 4 /* of it; the rest is counted (RFC 5288, 3) */
#define KEY_MAX 32
#define MASTER_MAX 48
#define RANDOM_SIZE 32
#define BLOCK_MAX (2 * (KEY_MAX + IV_SIZE))
#define SECRET_MAX 48 /* SHA-384 */

/* Belongs to an SSL. */
struct traffic {
	unsigned char client_secret[SECRET_MAX], server_secret[SECRET_MAX];
	size_t n_client, n_server; /* TLS 1.3; 0: not there yet */
	uint64_t sent, received;   /* records, with the keys of today */
	uint64_t begun;    /* bytes in records of which OpenSSL has seen the head */
	bool has_new_keys; /* that we do not know */
};

/* One direction's, as both versions give it. */
struct direction {
	unsigned char key[KEY_MAX], iv[IV_SIZE];
	uint64_t records;
};

static void put_gcm_128(union stream_ktls_key *k, const struct direction *d,
	const unsigned char *iv, const unsigned char *number)
{
	memcpy(k->aes_gcm_128.key, d->key, sizeof(k->aes_gcm_128.key));
	memcpy(k->aes_gcm_128.salt, d->iv, SALT_SIZE);
	memcpy(k->aes_gcm_128.iv, iv, sizeof(k->aes_gcm_128.iv));
	memcpy(k->aes_gcm_128.rec_seq, number, sizeof(k->aes_gcm_128.rec_seq));
}

static void put_gcm_256(union stream_ktls_key *k, const struct direction *d,
	const unsigned char *iv, const unsigned char *number)
{
	memcpy(k->aes_gcm_256.key, d->key, sizeof(k->aes_gcm_256.key));
	memcpy(k->aes_gcm_256.salt, d->iv, SALT_SIZE);
	memcpy(k->aes_gcm_256.iv, iv, sizeof(k->aes_gcm_256.iv));
	memcpy(k->aes_gcm_256.rec_seq, number, sizeof(k->aes_gcm_256.rec_seq));
}

static void put_chacha(union stream_ktls_key *k, const struct direction *d,
	const unsigned char *iv, const unsigned char *number)
{
	(void)iv;
	memcpy(k->chacha20_poly1305.key, d->key, sizeof(k->chacha20_poly1305.key));
	memcpy(k->chacha20_poly1305.iv, d->iv, IV_SIZE);
	memcpy(k->chacha20_poly1305.rec_seq, number,
		sizeof(k->chacha20_poly1305.rec_seq));
}

static const struct cipher {
	int nid;
	unsigned short number; /* the kernel's */
	size_t key, iv;        /* iv: of TLS 1.2's key block */
	size_t len;            /* of the kernel's struct */
	void (*put)(union stream_ktls_key *k, const struct direction *d,
		const unsigned char *iv, const unsigned char *number);
} ciphers[] = {
	{ NID_aes_128_gcm, TLS_CIPHER_AES_GCM_128, 16, SALT_SIZE,
		sizeof(struct tls12_crypto_info_aes_gcm_128), put_gcm_128 },
	{ NID_aes_256_gcm, TLS_CIPHER_AES_GCM_256, 32, SALT_SIZE,
		sizeof(struct tls12_crypto_info_aes_gcm_256), put_gcm_256 },
	{ NID_chacha20_poly1305, TLS_CIPHER_CHACHA20_POLY1305, 32, IV_SIZE,
		sizeof(struct tls12_crypto_info_chacha20_poly1305), put_chacha },
};

static const struct cipher *cipher_of(const SSL *ssl)
{
	int nid = SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl));

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (ciphers[i].nid == nid)
			return &ciphers[i];
	return NULL;
}

/* ---- what is seen ---- */

/* The first record with new keys has the number 0: TLS 1.2 says when they begin (what
   1.3 sends of that kind means nothing), of 1.3 the key log does. */
static void count_record(struct traffic *t, const SSL *ssl, bool is_sent,
	const unsigned char head[static SSL3_RT_HEADER_LENGTH])
{
	uint64_t *records = is_sent ? &t->sent : &t->received;

	if (!is_sent)
		t->begun += SSL3_RT_HEADER_LENGTH + ((unsigned)head[3] << 8 | head[4]);
	if (head[0] != SSL3_RT_CHANGE_CIPHER_SPEC)
		(*records)++;
	else if (SSL_version(ssl) != TLS1_3_VERSION)
		*records = 0;
}

static void on_message(int is_sent, int version, int type, const void *bytes, size_t len,
	SSL *ssl, void *context)
{
	struct traffic *t = context;
	const unsigned char *first = bytes;

	(void)version;
	if (type == SSL3_RT_HEADER && len == SSL3_RT_HEADER_LENGTH)
		count_record(t, ssl, is_sent, first);
	else if (type == SSL3_RT_HANDSHAKE && len && *first == SSL3_MT_KEY_UPDATE)
		t->has_new_keys = true;
}

static void free_traffic(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index,
	long number, void *context)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)number;
	(void)context;
	OPENSSL_clear_free(pointer, sizeof(struct traffic));
}

/* OpenSSL gives out indexes once in a process. */
static int traffic_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_traffic);
	return index;
}

static struct traffic *traffic_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, traffic_index());
}

static size_t unhex(struct str text, unsigned char ret[static SECRET_MAX])
{
	size_t n = 0;
	bool ok = text.len <= 2 * SECRET_MAX &&
	          OPENSSL_hexstr2buf_ex(ret, SECRET_MAX, &n, text.ptr, '\0');

	ERR_clear_error();
	return ok ? n : 0;
}

/* "CLIENT_TRAFFIC_SECRET_0 RANDOM SECRET": of the application's data. */
static void on_secret(const SSL *ssl, const char *line)
{
	struct traffic *t = traffic_of(ssl);
	struct str text = str_from(line), label = str_take(text, str_index(text, ' '));
	struct str rest = str_skip(text, label.len + 1);
	struct str secret = str_skip(rest, str_index(rest, ' ') + 1);
	bool is_server = SSL_is_server(ssl);

	if (t && str_eq(label, STR_LIT("CLIENT_TRAFFIC_SECRET_0"))) {
		t->n_client = unhex(secret, t->client_secret);
		*(is_server ? &t->received : &t->sent) = 0;
	} else if (t && str_eq(label, STR_LIT("SERVER_TRAFFIC_SECRET_0"))) {
		t->n_server = unhex(secret, t->server_secret);
		*(is_server ? &t->sent : &t->received) = 0;
	}
}

static bool is_enabled;

void tls_traffic_enable(bool enabled)
{
	is_enabled = enabled;
}

int tls_traffic_attach(SSL *ssl)
{
	struct traffic *t;

	if (!is_enabled)
		return 0;
	t = OPENSSL_zalloc(sizeof(*t));
	if (!t || !SSL_set_ex_data(ssl, traffic_index(), t)) {
		OPENSSL_free(t);
		return -ENOMEM;
	}
	SSL_CTX_set_keylog_callback(SSL_get_SSL_CTX(ssl), on_secret);
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, t);
	return 0;
}

/* ---- keys ---- */

static bool derive(
	const char *kdf_name, OSSL_PARAM *params, unsigned char *space, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok = context && EVP_KDF_derive(context, space, len, params) > 0;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return ok;
}

static OSSL_PARAM text_param(const char *key, const char *text)
{
	return OSSL_PARAM_construct_utf8_string(key, (char *)(uintptr_t)text, 0);
}

static OSSL_PARAM bytes_param(const char *key, const void *bytes, size_t len)
{
	return OSSL_PARAM_construct_octet_string(key, (void *)(uintptr_t)bytes, len);
}

/* HKDF-Expand-Label (RFC 8446, 7.3). */
static bool expand(const char *digest, const unsigned char *secret, size_t n,
	const char *label, unsigned char *space, size_t len)
{
	OSSL_PARAM params[] = {
		text_param(OSSL_KDF_PARAM_MODE, "EXPAND_ONLY"),
		text_param(OSSL_KDF_PARAM_DIGEST, digest),
		bytes_param(OSSL_KDF_PARAM_KEY, secret, n),
		bytes_param(OSSL_KDF_PARAM_PREFIX, "tls13 ", strlen("tls13 ")),
		bytes_param(OSSL_KDF_PARAM_LABEL, label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};

	return derive("TLS13-KDF", params, space, len);
}

static bool derive_13(const struct traffic *t, const struct cipher *cipher,
	const char *digest, struct direction *client, struct direction *server)
{
	return t->n_client && t->n_server &&
	       expand(digest, t->client_secret, t->n_client, "key", client->key,
		       cipher->key) &&
	       expand(digest, t->client_secret, t->n_client, "iv", client->iv, IV_SIZE) &&
	       expand(digest, t->server_secret, t->n_server, "key", server->key,
		       cipher->key) &&
	       expand(digest, t->server_secret, t->n_server, "iv", server->iv, IV_SIZE);
}

/* RFC 5246, 6.3: both keys, then both IVs. */
static void cut_block(const struct cipher *cipher, const unsigned char *block,
	struct direction *client, struct direction *server)
{
	memcpy(client->key, block, cipher->key);
	memcpy(server->key, block + cipher->key, cipher->key);
	block += 2 * cipher->key;
	memcpy(client->iv, block, cipher->iv);
	memcpy(server->iv, block + cipher->iv, cipher->iv);
}

static bool derive_12(const SSL *ssl, const struct cipher *cipher, const char *digest,
	struct direction *client, struct direction *server)
{
	static const char label[] = "key expansion";
	unsigned char master[MASTER_MAX], block[BLOCK_MAX];
	unsigned char seed[sizeof(label) - 1 + 2 * RANDOM_SIZE], *at = seed;
	size_t n =
		SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	bool ok;

	memcpy(at, label, sizeof(label) - 1);
	at += sizeof(label) - 1;
	at += SSL_get_server_random(ssl, at, RANDOM_SIZE);
	at += SSL_get_client_random(ssl, at, RANDOM_SIZE);
	OSSL_PARAM params[] = {
		text_param(OSSL_KDF_PARAM_DIGEST, digest),
		bytes_param(OSSL_KDF_PARAM_SECRET, master, n),
		bytes_param(OSSL_KDF_PARAM_SEED, seed, (size_t)(at - seed)),
		OSSL_PARAM_construct_end(),
	};
	ok = derive("TLS1-PRF", params, block, 2 * (cipher->key + cipher->iv));
	if (ok)
		cut_block(cipher, block, client, server);
	OPENSSL_cleanse(master, sizeof(master));
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

static void put_number(unsigned char space[static 8], uint64_t number)
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		space[i] = (unsigned char)number;
}

/* TLS 1.2 with GCM sends eight bytes of each nonce, which the kernel counts from `iv` on.
   Those that OpenSSL has sent began at a random place: none of them comes again but once
   in 2^64 divided by the records of a connection. */
static void put(const struct cipher *cipher, int version, const struct direction *d,
	union stream_ktls_key *ret)
{
	unsigned char number[8];

	put_number(number, d->records);
	memset(ret, 0, sizeof(*ret));
	ret->info.version = (unsigned short)version;
	ret->info.cipher_type = cipher->number;
	cipher->put(
		ret, d, version == TLS1_3_VERSION ? d->iv + SALT_SIZE : number, number);
}

static bool is_between_records(const struct traffic *t, const SSL *ssl)
{
	return BIO_number_read(SSL_get_rbio(ssl)) == t->begun && !SSL_has_pending(ssl) &&
	       !SSL_in_init(ssl);
}

/* The kernel knows no other limit of a record's length. */
static bool has_short_records(const SSL *ssl)
{
	return SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) !=
	       TLSEXT_max_fragment_length_DISABLED;
}

int tls_traffic_keys(SSL *ssl, struct stream_ktls_keys *ret)
{
	const struct traffic *t = traffic_of(ssl);
	const struct cipher *cipher = cipher_of(ssl);
	struct direction client = { 0 }, server = { 0 };
	bool is_server = SSL_is_server(ssl), ok;
	int version = SSL_version(ssl);
	const char *digest;

	if (t && !is_between_records(t, ssl))
		return -EAGAIN;
	if (!t || !cipher || t->has_new_keys || has_short_records(ssl) ||
		(version != TLS1_2_VERSION && version != TLS1_3_VERSION))
		return -EOPNOTSUPP;
	digest = EVP_MD_get0_name(
		SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl)));
	client.records = is_server ? t->received : t->sent;
	server.records = is_server ? t->sent : t->received;
	ok = version == TLS1_3_VERSION ? derive_13(t, cipher, digest, &client, &server)
	                               : derive_12(ssl, cipher, digest, &client, &server);
	if (ok) {
		put(cipher, version, is_server ? &server : &client, &ret->send);
		put(cipher, version, is_server ? &client : &server, &ret->receive);
		ret->len = cipher->len;
		ret->takes_tickets = !is_server && version == TLS1_3_VERSION;
	}
	OPENSSL_cleanse(&client, sizeof(client));
	OPENSSL_cleanse(&server, sizeof(server));
	ERR_clear_error();
	return ok ? 0 : -EOPNOTSUPP;
}

void tls_traffic_forget_exchange(SSL *ssl)
{
	EVP_PKEY *keys[2] = { NULL };

	(void)SSL_get_tmp_key(ssl, &keys[0]);
	(void)SSL_get_peer_tmp_key(ssl, &keys[1]);
	for (int i = 0; i < 2; i++) {
		if (keys[i])
			(void)EVP_PKEY_set_type(keys[i], EVP_PKEY_get_base_id(keys[i]));
		EVP_PKEY_free(keys[i]);
	}
	ERR_clear_error();
}
