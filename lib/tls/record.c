/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/record.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#define AAD_12 13 /* RFC 5246, 6.2.3.3 */

/* A cipher with a key in it is 1 KiB, and one direction of one session is at work at a
   time: one for each cipher and way, which keeps its key until another one is used. */
struct engine {
	const struct tls_traffic_cipher *cipher; /* NULL: free */
	EVP_CIPHER_CTX *context;
	uint64_t serial; /* of the keys in it; 0: none */
};
#define ENGINES 3 /* ciphers */
static struct engine sealers[ENGINES], openers[ENGINES];

static bool engine_init(
	struct engine *e, const struct tls_traffic_cipher *cipher, int seals)
{
	EVP_CIPHER *method =
		EVP_CIPHER_fetch(NULL, tls_traffic_cipher_name(cipher), NULL);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	bool ok = method && context &&
	          EVP_CipherInit_ex2(context, method, NULL, NULL, seals, NULL) == 1;

	EVP_CIPHER_free(method); /* the context has its own reference */
	if (ok)
		*e = (struct engine){ .cipher = cipher, .context = context };
	else
		EVP_CIPHER_CTX_free(context);
	return ok;
}

/* With this key. NULL: OpenSSL has no memory. */
static EVP_CIPHER_CTX *engine_for(const struct tls_traffic_keys *keys,
	const struct tls_direction *d, uint64_t serial, bool seals)
{
	struct engine *e = seals ? sealers : openers;

	while (e->cipher && e->cipher != keys->cipher)
		e++;
	if (!e->cipher && !engine_init(e, keys->cipher, seals))
		return NULL;
	if (e->serial == serial)
		return e->context;
	e->serial = 0;
	if (EVP_CipherInit_ex2(e->context, NULL, d->key, NULL, -1, NULL) != 1)
		return NULL;
	e->serial = serial;
	return e->context;
}

/* No key stays behind the connection that had it. */
static void engines_forget(uint64_t serial)
{
	static const unsigned char none[TLS_KEY_MAX];

	for (size_t i = 0; i < 2 * ENGINES; i++) {
		struct engine *e = i < ENGINES ? &sealers[i] : &openers[i - ENGINES];

		if (!e->cipher || e->serial != serial)
			continue;
		e->serial = 0;
		(void)EVP_CipherInit_ex2(e->context, NULL, none, NULL, -1, NULL);
	}
}

static uint64_t next_serial(void)
{
	static uint64_t serial;

	return ++serial;
}

static void put_number(unsigned char space[static RECORD_NUMBER], uint64_t number)
{
	for (int i = RECORD_NUMBER - 1; i >= 0; i--, number >>= 8)
		space[i] = (unsigned char)number;
}

/* RFC 8446, 5.3 and RFC 7905, 2; shown: RFC 5288, 3. */
static void make_nonce(const struct tls_direction *d, const unsigned char *shown,
	unsigned char nonce[static TLS_IV_SIZE])
{
	unsigned char number[RECORD_NUMBER];

	memcpy(nonce, d->iv, TLS_IV_SIZE);
	put_number(number, d->records);
	for (size_t i = 0; i < RECORD_NUMBER; i++)
		nonce[TLS_IV_SIZE - RECORD_NUMBER + i] =
			shown ? shown[i]
			      : nonce[TLS_IV_SIZE - RECORD_NUMBER + i] ^ number[i];
}

/* The nonce, and what is authenticated beside the content: of TLS 1.3 the head itself. */
static bool begin_record(EVP_CIPHER_CTX *c, const struct tls_traffic_keys *keys,
	const struct tls_direction *d, const unsigned char *head,
	const unsigned char *shown, size_t content)
{
	unsigned char nonce[TLS_IV_SIZE], aad[AAD_12];
	int n;

	make_nonce(d, shown, nonce);
	if (EVP_CipherInit_ex2(c, NULL, NULL, nonce, -1, NULL) != 1)
		return false;
	if (!keys->is_12)
		return EVP_CipherUpdate(c, NULL, &n, head, RECORD_HEAD) == 1;
	put_number(aad, d->records);
	memcpy(aad + RECORD_NUMBER, head, 3);
	aad[RECORD_NUMBER + 3] = (unsigned char)(content >> 8);
	aad[RECORD_NUMBER + 4] = (unsigned char)content;
	return EVP_CipherUpdate(c, NULL, &n, aad, sizeof(aad)) == 1;
}

size_t record_shown(const struct record_keys *k)
{
	return tls_traffic_shows_nonce(&k->traffic) ? RECORD_NUMBER : 0;
}

size_t record_seal(
	struct record_keys *k, enum record_type type, struct str content, char *space)
{
	struct tls_direction *d = &k->traffic.send;
	EVP_CIPHER_CTX *c = engine_for(&k->traffic, d, k->send_serial, true);
	unsigned char *head = (unsigned char *)space,
		      *body = head + RECORD_HEAD + record_shown(k);
	const unsigned char inner = (unsigned char)type;
	size_t ciphered = content.len + !k->traffic.is_12;
	size_t len = record_shown(k) + ciphered + RECORD_TAG;
	int n, m = 0;
	bool ok;

	head[0] = k->traffic.is_12 ? inner : RECORD_DATA;
	head[1] = head[2] = 3; /* TLS 1.2; 1.3 says so, too */
	head[3] = (unsigned char)(len >> 8);
	head[4] = (unsigned char)len;
	put_number(
		head + RECORD_HEAD, d->records); /* overwritten where it is not shown */
	ok = c &&
	     begin_record(c, &k->traffic, d, head,
		     record_shown(k) ? head + RECORD_HEAD : NULL, content.len) &&
	     EVP_CipherUpdate(c, body, &n, (const unsigned char *)content.ptr,
		     (int)content.len) == 1 &&
	     (k->traffic.is_12 || EVP_CipherUpdate(c, body + n, &m, &inner, 1) == 1) &&
	     (size_t)(n + m) == ciphered &&
	     EVP_CipherFinal_ex(c, body + ciphered, &n) == 1 && n == 0 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, RECORD_TAG, body + ciphered) ==
	             1;
	ERR_clear_error();
	if (!ok)
		return 0;
	d->records++;
	return RECORD_HEAD + len;
}

bool record_take_apart(
	const struct record_keys *k, struct str record, struct record_sealed *ret)
{
	unsigned char *head = (unsigned char *)(uintptr_t)record.ptr;
	size_t front = RECORD_HEAD + record_shown(k),
	       least = front + !k->traffic.is_12 + RECORD_TAG;

	if (record.len < least)
		return false;
	*ret = (struct record_sealed){ .head = head,
		.shown = record_shown(k) ? head + RECORD_HEAD : NULL,
		.body = head + front,
		.tag = head + record.len - RECORD_TAG,
		.len = record.len - front - RECORD_TAG };
	return true;
}

/* The content to space, which has sealed->len bytes; of TLS 1.3 the last one of it to
   *ret_last. False: it is not genuine, and what space holds is nobody's. */
static bool decipher(struct record_keys *k, const struct record_sealed *r,
	unsigned char *space, unsigned char *ret_last)
{
	struct tls_direction *d = &k->traffic.receive;
	EVP_CIPHER_CTX *c = engine_for(&k->traffic, d, k->receive_serial, false);
	size_t len = r->len - !k->traffic.is_12;
	unsigned char none[RECORD_TAG];
	int n = 0, m;
	bool ok;

	ok = c && begin_record(c, &k->traffic, d, r->head, r->shown, len) &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, RECORD_TAG, r->tag) == 1 &&
	     (!len || EVP_CipherUpdate(c, space, &n, r->body, (int)len) == 1) &&
	     (k->traffic.is_12 ||
		     EVP_CipherUpdate(c, ret_last, &m, r->body + len, 1) == 1) &&
	     EVP_CipherFinal_ex(c, none, &m) == 1;
	ERR_clear_error();
	d->records++;
	return ok;
}

/* What is in a record of TLS 1.3 (RFC 8446, 5.4): content, its type, zeros. last: the
   last byte of that, which is not in space. -1: no type. */
static int inner_type(const unsigned char *space, size_t *len, unsigned char last)
{
	while (!last && *len)
		last = space[--*len];
	return last ? last : -1;
}

int record_open(struct record_keys *k, const struct record_sealed *r,
	unsigned char *space, size_t *ret_len)
{
	size_t len = r->len - !k->traffic.is_12, whole = len;
	unsigned char last = 0;
	int type = r->head[0];

	if (!decipher(k, r, space, &last)) {
		OPENSSL_cleanse(space, whole);
		return -ALERT_BAD_RECORD_MAC;
	}
	if (!k->traffic.is_12)
		type = inner_type(space, &len, last);
	*ret_len = len;
	if (len > RECORD_CONTENT_MAX)
		return -ALERT_RECORD_OVERFLOW;
	return type < 0 ? -ALERT_UNEXPECTED_MESSAGE : type;
}

bool record_next_keys(struct record_keys *k, bool sends)
{
	*(sends ? &k->send_serial : &k->receive_serial) = next_serial();
	return tls_traffic_next(
		&k->traffic, sends ? &k->traffic.send : &k->traffic.receive);
}

bool record_keys_init(struct record_keys *k, const struct tls_traffic_keys *traffic)
{
	bool ok;

	k->traffic = *traffic;
	k->send_serial = next_serial();
	k->receive_serial = next_serial();
	ok = engine_for(&k->traffic, &k->traffic.send, k->send_serial, true) &&
	     engine_for(&k->traffic, &k->traffic.receive, k->receive_serial, false);
	ERR_clear_error();
	return ok;
}

void record_keys_fini(struct record_keys *k)
{
	engines_forget(k->send_serial);
	engines_forget(k->receive_serial);
	OPENSSL_cleanse(k, sizeof(*k));
}
