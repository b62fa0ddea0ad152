/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client of TLS in a script, and the keys that the worker may hold: one certificate,
   for mail.example.com. */
#include "interceptor/session/script_parts.h"
#include "lib/tls/tls_fixture.h"
#include "tls/server.h"

#define ROUNDS 6 /* of a handshake; it takes two */

struct script_tls {
	struct fake_vault vault;
	struct tls_library *library;
	struct tls_server *server;
	SSL_CTX *clients;
	SSL *client;     /* NULL: none yet */
	struct buf said; /* its first message */
	struct buf heard;
};

static struct script_tls *make(void)
{
	struct script_tls *t = calloc(1, sizeof(*t));
	const struct tls_policy policy = { TLS1_2_VERSION, "" };
	EVP_PKEY *key = fake_ec_key();
	X509 *x = fake_certificate_for(key, "DNS:mail.example.com");
	struct error err;
	struct buf pem;

	buf_init(&pem, 0);
	fake_pem(x, &pem);
	fake_vault_init(&t->vault, key);
	t->vault.at_once = true;
	t->library = tls_library_new(&t->vault.signer);
	assert_int_equal(tls_server_new(t->library, &policy, NULL, &t->server, &err), 0);
	assert_int_equal(tls_server_add(t->server, buf_view(&pem), FAKE_KEY_NUMBER,
				 STR_LIT(""), "test.pem", &err),
		0);
	t->clients = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_set1_groups_list(t->clients, "X25519"), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(t->clients, TLS1_3_VERSION), 1);
	buf_init(&t->said, 0);
	buf_init(&t->heard, 0);
	buf_fini(&pem);
	X509_free(x);
	return t;
}

static struct script_tls *tls_of(struct script *s)
{
	if (!s->tls)
		s->tls = make();
	return s->tls;
}

int script_tls_context(struct script *s, const char *name, SSL_CTX **ret)
{
	(void)snprintf(s->asked_name, sizeof(s->asked_name), "%s", *name ? name : "-");
	if (s->keys_are_late)
		return -EAGAIN;
	*ret = s->keys_are_here ? tls_server_context(tls_of(s)->server, name, "", "")
	                        : NULL;
	return *ret ? 0 : -ENOENT;
}

/* ---- the client ---- */

/* What it has to send goes. */
static void send_all(struct script *s, struct buf *copy)
{
	char *bytes;
	long n = BIO_get_mem_data(SSL_get_wbio(s->tls->client), &bytes);

	if (n <= 0)
		return;
	if (copy)
		assert_int_equal(buf_append(copy, str_of(bytes, (size_t)n)), 0);
	if (s->client)
		script_say(s, s->client, str_of(bytes, (size_t)n));
	(void)BIO_reset(SSL_get_wbio(s->tls->client));
}

/* What it has got is read. */
static void receive_all(struct script *s)
{
	SSL *client = s->tls->client;
	struct str got = buf_view(&s->client_heard);
	char clear[512];
	int n;

	if (got.len)
		assert_int_equal(
			BIO_write(SSL_get_rbio(client), got.ptr, (int)got.len), got.len);
	buf_clear(&s->client_heard);
	while ((n = SSL_read(client, clear, sizeof(clear))) > 0)
		assert_int_equal(buf_append(&s->tls->heard, str_of(clear, (size_t)n)), 0);
}

static void hello(struct script *s, const char *name)
{
	struct script_tls *t = tls_of(s);

	t->client = SSL_new(t->clients);
	SSL_set_bio(t->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	BIO_set_mem_eof_return(SSL_get_rbio(t->client), -1);
	if (strcmp(name, "-") != 0)
		assert_int_equal(SSL_set_tlsext_host_name(t->client, name), 1);
	SSL_set_connect_state(t->client);
	(void)SSL_do_handshake(t->client);
	buf_clear(&t->said);
	send_all(s, &t->said);
}

/* All of the first message, as it was, and nothing else. */
static void is_passed(struct script *s)
{
	if (!str_eq(buf_view(&s->source_heard), buf_view(&s->tls->said)))
		FAIL(s, "the source heard %zu bytes of %zu, or others",
			buf_len(&s->source_heard), buf_len(&s->tls->said));
	buf_clear(&s->source_heard);
}

void script_tls_handshake(struct script *s)
{
	if (!s->tls || !s->tls->client)
		FAIL(s, "no client of TLS");
	for (int i = 0; i < ROUNDS; i++) {
		/* its hello may be all in, or its signature be there, and nothing comes
		   that would call it */
		if (s->client)
			odd_wake(s->client);
		script_call(s);
		receive_all(s);
		send_all(s, NULL);
	}
	script_call(s);
	if (!SSL_is_init_finished(s->tls->client))
		FAIL(s, "it does not come about");
}

/* close_notify: it still reads. */
void script_tls_says_end(struct script *s)
{
	(void)SSL_shutdown(s->tls->client);
	send_all(s, NULL);
}

void script_tls_is_told_end(struct script *s)
{
	receive_all(s);
	if (!(SSL_get_shutdown(s->tls->client) & SSL_RECEIVED_SHUTDOWN))
		FAIL(s, "it was cut off");
}

static void hears(struct script *s, struct str wanted)
{
	struct str got;

	receive_all(s);
	got = buf_view(&s->tls->heard);
	if (!str_eq(str_take(got, wanted.len), wanted))
		FAIL(s, "heard \"%.*s\"", STR_ARG(got));
	buf_consume(&s->tls->heard, wanted.len);
}

bool script_tls_words(struct script *s, char kind, const char *name, struct str text)
{
	switch (kind) {
	case 'H':
		hello(s, name);
		return true;
	case 'h':
		is_passed(s);
		return true;
	case 'T':
		assert_int_equal(
			SSL_write(s->tls->client, text.ptr, (int)text.len), text.len);
		send_all(s, NULL);
		return true;
	case 't':
		hears(s, text);
		return true;
	default:
		return false;
	}
}

/* ---- the end ---- */

void script_tls_end(struct script *s)
{
	if (!s->tls || !s->tls->client)
		return;
	/* tickets, and the end; or the answer to a client that did not go on */
	if (SSL_is_init_finished(s->tls->client))
		receive_all(s);
	else if (buf_len(&s->client_heard) &&
		 buf_view(&s->client_heard).ptr[0] == SSL3_RT_HANDSHAKE)
		buf_clear(&s->client_heard);
	if (buf_len(&s->tls->heard))
		FAIL(s, "not expected, by TLS: \"%.*s\"",
			STR_ARG(buf_view(&s->tls->heard)));
	SSL_free(s->tls->client);
	s->tls->client = NULL;
}

void script_tls_free(struct script *s)
{
	struct script_tls *t = s->tls;

	if (!t)
		return;
	tls_server_free(t->server);
	tls_library_free(t->library);
	SSL_CTX_free(t->clients);
	EVP_PKEY_free(t->vault.key);
	buf_fini(&t->said);
	buf_fini(&t->heard);
	free(t);
}
