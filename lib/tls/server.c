/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/server.h"

#include "base/clock.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define CHAIN_MAX 10 /* certificates; real ones have up to four */

/* What belongs to a context and lives as long as it: a session may hold it when the
   server is gone. */
struct shown {
	X509 *certificate; /* the first one: says for which names */
	struct tls_tickets *tickets;
	unsigned char *staple;
	size_t n_staple;
};

/* Certificates with the same names. */
struct entry {
	STAILQ_ENTRY(entry) next;
	SSL_CTX *context;
	struct shown *shown; /* the context's */
};

struct tls_server {
	struct tls_library *library;
	struct tls_policy policy;
	struct tls_tickets *tickets;
	STAILQ_HEAD(, entry) entries;
};

static int fail(struct error *err, int code, const char *file, const char *what)
{
	unsigned long first = ERR_get_error();
	char text[128] = "";

	if (first)
		ERR_error_string_n(first, text, sizeof(text));
	ERR_clear_error();
	return error_set(err, code, "%s: %s%s%s", file, what, *text ? ": " : "", text);
}

static void free_shown(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index,
	long number, void *context)
{
	struct shown *shown = pointer;

	(void)parent;
	(void)data;
	(void)index;
	(void)number;
	(void)context;
	if (!shown)
		return;
	X509_free(shown->certificate);
	free(shown->staple);
	free(shown);
}

/* OpenSSL gives out indexes once in a process, to whoever comes first. */
static int shown_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_shown);
	return index;
}

static int alpn_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

static struct shown *shown_of(SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), shown_index());
}

/* ---- what OpenSSL asks us in a handshake ---- */

static int use_ticket_key(const struct tls_ticket_key *key, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
			(void *)(uintptr_t)key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_CipherInit_ex(
		       cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, encrypt) &&
	       EVP_MAC_CTX_set_params(mac, params);
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants it: 1 use it, 2 use it and give a new
   one, 0 no ticket, -1 the handshake fails. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	struct shown *shown = shown_of(ssl);
	uint64_t now = clock_wall_ms() / 1000;
	const struct tls_ticket_key *newest = tls_tickets_current(shown->tickets, now);
	const struct tls_ticket_key *key =
		encrypt ? newest : tls_tickets_find(shown->tickets, name, now);

	if (!key)
		return 0;
	if (encrypt) {
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return -1;
		memcpy(name, key->name, TLS_TICKET_NAME);
	}
	if (!use_ticket_key(key, iv, cipher, mac, encrypt))
		return -1;
	if (encrypt)
		return 1;
	/* RFC 8446, C.4: who shows a ticket twice can be recognised */
	return key != newest || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
}

static int on_name(SSL *ssl, int *alert, void *context)
{
	(void)ssl;
	(void)alert;
	(void)context;
	return SSL_TLSEXT_ERR_OK; /* the caller has chosen by it already */
}

void tls_server_offer_alpn(SSL *ssl, const char *name)
{
	(void)SSL_set_ex_data(ssl, alpn_index(), (void *)(uintptr_t)name);
}

/* A web browser's. The certificate may be good for a web server, too: whoever leads its
   clients here would have our answers taken for that server's ("ALPACA", 2021). */
static bool is_of_the_web(struct str name)
{
	return str_eq(name, STR_LIT("h2")) || str_eq(name, STR_LIT("h3")) ||
	       str_starts(name, STR_LIT("http/"));
}

static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
	const unsigned char *in, unsigned in_len, void *context)
{
	struct str ours = str_from(SSL_get_ex_data(ssl, alpn_index()));
	struct str list = str_of(in, in_len);
	bool is_browser = false;

	(void)context;
	while (list.len) {
		size_t len = (unsigned char)list.ptr[0];
		struct str name = str_take(str_skip(list, 1), len);

		if (ours.len && str_eq(name, ours)) {
			*ret = (const unsigned char *)name.ptr;
			*ret_len = (unsigned char)name.len;
			return SSL_TLSEXT_ERR_OK;
		}
		is_browser |= is_of_the_web(name);
		list = str_skip(list, 1 + len);
	}
	return is_browser ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

static int on_status(SSL *ssl, void *context)
{
	const struct shown *shown = shown_of(ssl);
	unsigned char *copy;

	(void)context;
	if (!shown->n_staple)
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(shown->staple, shown->n_staple);
	if (!copy)
		return SSL_TLSEXT_ERR_NOACK;
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)shown->n_staple); /* takes it */
	return SSL_TLSEXT_ERR_OK;
}

/* ---- contexts ---- */

static void entry_free(struct entry *e)
{
	SSL_CTX_free(e->context);
	free(e);
}

static bool set_policy(SSL_CTX *context, const struct tls_policy *policy)
{
	const char *ciphers = *policy->ciphers ? policy->ciphers : TLS_CIPHERS;

	SSL_CTX_set_options(context,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_SINGLE_DH_USE);
	SSL_CTX_set_dh_auto(context, 1);
	return SSL_CTX_set_min_proto_version(context, policy->min_version) &&
	       SSL_CTX_set_cipher_list(context, ciphers) &&
	       SSL_CTX_set1_groups_list(context, TLS_GROUPS);
}

static bool set_resumption(SSL_CTX *context, const struct tls_tickets *tickets)
{
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (!tickets) {
		SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(context, 0);
	}
	/* each connection brings one for the next: a client that keeps several has as
	   many as it had connections */
	if (!SSL_CTX_set_num_tickets(context, 1))
		return false;
	SSL_CTX_set_timeout(context, TLS_TICKET_PERIOD_S * (TLS_TICKET_KEYS - 1));
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
	return true;
}

/* A session is resumed for the names that its client was shown a certificate of (RFC
   6066, 3), in any worker and when that has been renewed. */
static bool bind_sessions(SSL_CTX *context, X509 *x)
{
	int at = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);
	const ASN1_OCTET_STRING *names =
		at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(x, at));
	unsigned char id[32];
	int ok = names ? EVP_Digest(ASN1_STRING_get0_data(names),
				 (size_t)ASN1_STRING_length(names), id, NULL,
				 EVP_sha256(), NULL)
	               : X509_NAME_digest(
				 X509_get_subject_name(x), EVP_sha256(), id, NULL);

	return ok == 1 && SSL_CTX_set_session_id_context(context, id, sizeof(id)) == 1;
}

static bool add_shown(struct entry *e, struct tls_tickets *tickets)
{
	e->shown = calloc(1, sizeof(*e->shown));
	if (!e->shown)
		return false;
	e->shown->tickets = tickets;
	if (SSL_CTX_set_ex_data(e->context, shown_index(), e->shown))
		return true;
	free(e->shown);
	return false;
}

static struct entry *entry_new(struct tls_server *s)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->context = SSL_CTX_new_ex(
		tls_library_context(s->library), NULL, TLS_server_method());
	if (!e->context || !add_shown(e, s->tickets) ||
		!set_policy(e->context, &s->policy) ||
		!set_resumption(e->context, s->tickets)) {
		entry_free(e);
		return NULL;
	}
	SSL_CTX_set_tlsext_servername_callback(e->context, on_name);
	SSL_CTX_set_alpn_select_cb(e->context, on_alpn, NULL);
	SSL_CTX_set_tlsext_status_cb(e->context, on_status);
	return e;
}

int tls_server_new(struct tls_library *library, const struct tls_policy *policy,
	struct tls_tickets *tickets, struct tls_server **ret, struct error *err)
{
	struct tls_server *s = calloc(1, sizeof(*s));
	struct entry *trial;

	if (!s)
		return error_set(err, -ENOMEM, "no memory for TLS");
	s->library = library;
	s->policy = *policy;
	s->tickets = tickets;
	STAILQ_INIT(&s->entries);
	trial = entry_new(s);
	if (!trial) {
		free(s);
		return fail(err, -EINVAL, "tls", "min_version or ciphers");
	}
	entry_free(trial);
	*ret = s;
	return 0;
}

void tls_server_free(struct tls_server *s)
{
	struct entry *e;

	if (!s)
		return;
	while ((e = STAILQ_FIRST(&s->entries))) {
		STAILQ_REMOVE_HEAD(&s->entries, next);
		entry_free(e);
	}
	free(s);
}

/* ---- certificates ---- */

/* The first certificate, the rest of the chain in *ret_rest. */
static X509 *read_chain(struct str pem, STACK_OF(X509) * *ret_rest)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	STACK_OF(X509) *rest = sk_X509_new_null();
	X509 *first = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL, *more;

	while (first && rest && sk_X509_num(rest) < CHAIN_MAX &&
		(more = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		if (!sk_X509_push(rest, more))
			X509_free(more);
	if (first)
		ERR_clear_error(); /* that there is no further one */
	BIO_free(bio);
	*ret_rest = rest;
	return first;
}

static bool same_names(X509 *a, X509 *b)
{
	STACK_OF(GENERAL_NAME) * one, *two;
	bool same;
	int i = 0;

	one = X509_get_ext_d2i(a, NID_subject_alt_name, NULL, NULL);
	two = X509_get_ext_d2i(b, NID_subject_alt_name, NULL, NULL);
	same = sk_GENERAL_NAME_num(one) == sk_GENERAL_NAME_num(two);
	if (!one && !two)
		same = X509_NAME_cmp(
			       X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
	for (; same && i < sk_GENERAL_NAME_num(one); i++)
		same = GENERAL_NAME_cmp(sk_GENERAL_NAME_value(one, i),
			       sk_GENERAL_NAME_value(two, i)) == 0;
	GENERAL_NAMES_free(one);
	GENERAL_NAMES_free(two);
	return same;
}

/* A context holds one certificate of each kind of key. */
static struct entry *entry_for(struct tls_server *s, X509 *x)
{
	struct entry *e;

	STAILQ_FOREACH(e, &s->entries, next)
	{
		int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(e->shown->certificate));

		if (same_names(e->shown->certificate, x) &&
			kind != EVP_PKEY_get_base_id(X509_get0_pubkey(x)))
			return e;
	}
	e = entry_new(s);
	if (!e)
		return NULL;
	if (!bind_sessions(e->context, x)) {
		entry_free(e);
		return NULL;
	}
	X509_up_ref(x);
	e->shown->certificate = x;
	STAILQ_INSERT_TAIL(&s->entries, e, next);
	return e;
}

static bool set_staple(struct shown *shown, struct str staple)
{
	if (!staple.len)
		return true;
	free(shown->staple);
	shown->n_staple = 0;
	shown->staple = malloc(staple.len);
	if (!shown->staple)
		return false;
	memcpy(shown->staple, staple.ptr, staple.len);
	shown->n_staple = staple.len;
	return true;
}

static int add_certificate(struct tls_server *s, X509 *x, STACK_OF(X509) * rest,
	uint32_t number, struct str staple, const char *file, struct error *err)
{
	EVP_PKEY *key = tls_remote_key_new(s->library, X509_get0_pubkey(x), number);
	struct entry *e;
	bool ok;

	if (!key)
		return fail(err, -EINVAL, file, "its key is neither RSA nor ECDSA");
	e = entry_for(s, x);
	ok = e && SSL_CTX_use_cert_and_key(e->context, x, key, rest, 1) == 1 &&
	     set_staple(e->shown, staple);
	EVP_PKEY_free(key);
	return ok ? 0 : fail(err, -EINVAL, file, "the certificate cannot be used");
}

int tls_server_add(struct tls_server *s, struct str chain, uint32_t number,
	struct str staple, const char *file, struct error *err)
{
	STACK_OF(X509) * rest;
	X509 *x = read_chain(chain, &rest);
	int r = x ? add_certificate(s, x, rest, number, staple, file, err)
	          : fail(err, -EINVAL, file, "no certificate (PEM) in it");

	X509_free(x);
	sk_X509_pop_free(rest, X509_free);
	return r;
}

static const struct entry *by_name(const struct tls_server *s, const char *name)
{
	const struct entry *e;

	STAILQ_FOREACH(e, &s->entries, next)
	if (X509_check_host(e->shown->certificate, name, strlen(name), 0, NULL) == 1)
		break;
	return e;
}

static const struct entry *by_address(const struct tls_server *s, const char *address)
{
	const struct entry *e;

	STAILQ_FOREACH(e, &s->entries, next)
	if (X509_check_ip_asc(e->shown->certificate, address, 0) == 1)
		break;
	return e;
}

SSL_CTX *tls_server_context(const struct tls_server *s, const char *name,
	const char *address, const char *usual)
{
	const struct entry *e = NULL;

	if (*name)
		e = by_name(s, name);
	else if (!(e = by_address(s, address)) && !(*usual && (e = by_name(s, usual))))
		e = STAILQ_FIRST(&s->entries);
	return e ? e->context : NULL;
}

SSL_CTX *tls_server_any_context(const struct tls_server *s, const char *name)
{
	const struct entry *first = STAILQ_FIRST(&s->entries);
	SSL_CTX *context = *name ? tls_server_context(s, name, "", "") : NULL;

	return context ? context : first ? first->context : NULL;
}

int tls_version_number(struct str text)
{
	static const struct {
		struct str text;
		int number;
	} rows[] = {
		{ STR("1.0"), TLS1_VERSION },
		{ STR("1.1"), TLS1_1_VERSION },
		{ STR("1.2"), TLS1_2_VERSION },
		{ STR("1.3"), TLS1_3_VERSION },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(rows[i].text, text))
			return rows[i].number;
	return 0;
}
