/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which certificate a client is shown, what is agreed upon, and who resumes. */
#include "tls/server.h"

#include "base/clock.h"
#include "lib/tls/tls_fixture.h"
#include "lib/wire/wire_test.h"
#include "tls/client.h"

#include <errno.h>
#include <unistd.h>

struct world {
	struct fake_vault vault;
	struct tls_library *library;
	struct tls_tickets tickets;
	struct tls_server *server;
	EVP_PKEY *rsa, *ec;
};

static const struct tls_policy policy = { TLS1_2_VERSION, "" };

static struct tls_server *server_of(struct world *w)
{
	struct tls_server *s;
	struct error err;

	assert_int_equal(tls_server_new(w->library, &policy, &w->tickets, &s, &err), 0);
	return s;
}

/* number: FAKE_KEY_NUMBER is the key that the vault has now. */
static void add(struct tls_server *s, EVP_PKEY *key, const char *names, struct str staple)
{
	X509 *x = fake_certificate_for(key, names);
	struct error err;
	struct buf pem;

	buf_init(&pem, 0);
	fake_pem(x, &pem);
	assert_int_equal(
		tls_server_add(s, buf_view(&pem), FAKE_KEY_NUMBER, staple, "test", &err),
		0);
	buf_fini(&pem);
	X509_free(x);
}

static int reset_tickets(struct world *w)
{
	const unsigned char secret[TLS_TICKET_SECRET] = { 1 };

	return tls_tickets_init(&w->tickets, secret, clock_wall_ms() / 1000);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->rsa = fake_rsa_key();
	w->ec = fake_ec_key();
	fake_vault_init(&w->vault, w->ec);
	w->vault.at_once = true;
	w->library = tls_library_new(&w->vault.signer);
	assert_int_equal(reset_tickets(w), 0);
	w->server = server_of(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	tls_server_free(w->server);
	tls_library_free(w->library);
	tls_tickets_fini(&w->tickets);
	EVP_PKEY_free(w->rsa);
	EVP_PKEY_free(w->ec);
	free(w);
	return 0;
}

static void test_names(void **state)
{
	struct world *w = *state;
	SSL_CTX *first, *second;

	assert_null(tls_server_context(w->server, "mail.example.com", "", ""));
	assert_null(tls_server_any_context(w->server, ""));
	add(w->server, w->ec, "DNS:mail.example.com,DNS:imap.example.com", STR_LIT(""));
	add(w->server, w->ec, "DNS:*.example.net", STR_LIT(""));
	first = tls_server_context(w->server, "mail.example.com", "", "");
	second = tls_server_context(w->server, "a.example.net", "", "");
	assert_non_null(first);
	assert_non_null(second);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(
		tls_server_context(w->server, "imap.example.com", "", ""), first);
	assert_ptr_equal(tls_server_context(w->server, "", "", ""), first);
	assert_null(tls_server_context(w->server, "a.b.example.net", "", ""));
	assert_null(tls_server_context(w->server, "example.net", "", ""));
	assert_null(tls_server_context(w->server, "other.example.com", "", ""));
	assert_ptr_equal(tls_server_any_context(w->server, "other.example.com"), first);
}

/* Clients that ask for no name: Outlook of 2010, fetchmail. */
static void test_no_name(void **state)
{
	struct world *w = *state;
	SSL_CTX *first, *by_address, *by_name;

	assert_null(tls_server_context(w->server, "", "192.0.2.10", "mail.example.com"));
	add(w->server, w->ec, "DNS:www.example.com", STR_LIT(""));
	add(w->server, w->ec, "DNS:mail.example.com", STR_LIT(""));
	add(w->server, w->ec, "DNS:a.example.net,IP:192.0.2.10,IP:2001:db8::10",
		STR_LIT(""));
	first = tls_server_context(w->server, "www.example.com", "", "");
	by_name = tls_server_context(w->server, "mail.example.com", "", "");
	by_address = tls_server_context(w->server, "a.example.net", "", "");
	assert_ptr_equal(tls_server_context(w->server, "", "192.0.2.10", ""), by_address);
	assert_ptr_equal(
		tls_server_context(w->server, "", "2001:db8::10", ""), by_address);
	assert_ptr_equal(
		tls_server_context(w->server, "", "192.0.2.10", "mail.example.com"),
		by_address);
	assert_ptr_equal(
		tls_server_context(w->server, "", "192.0.2.11", "mail.example.com"),
		by_name);
	assert_ptr_equal(
		tls_server_context(w->server, "", "192.0.2.11", "x.example.com"), first);
	/* a name that is asked for is a name that is wanted */
	assert_null(tls_server_context(
		w->server, "x.example.com", "192.0.2.10", "mail.example.com"));
}

/* A handshake; the ends are the caller's. */
static int handshake(
	SSL_CTX *server_ctx, SSL_CTX *client_ctx, SSL **ret_server, SSL **ret_client)
{
	*ret_server = SSL_new(server_ctx);
	*ret_client = SSL_new(client_ctx);
	fake_connect(*ret_client, *ret_server);
	return fake_turns(*ret_client, *ret_server);
}

static void done(SSL *server, SSL *client)
{
	/* OpenSSL does not resume a session that was cut off */
	SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(server);
	SSL_free(client);
}

/* RSA and ECDSA side by side: the client's algorithms decide. */
static void test_both_kinds_of_key(void **state)
{
	struct world *w = *state;
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *server, *client;

	add(w->server, w->ec, "DNS:mail.example.com", STR_LIT(""));
	add(w->server, w->rsa, "DNS:mail.example.com", STR_LIT(""));
	assert_int_equal(SSL_CTX_set1_sigalgs_list(client_ctx, "ECDSA+SHA256"), 1);
	assert_int_equal(
		handshake(tls_server_context(w->server, "mail.example.com", "", ""),
			client_ctx, &server, &client),
		0);
	assert_int_equal(EVP_PKEY_base_id(X509_get0_pubkey(SSL_get_certificate(server))),
		EVP_PKEY_EC);
	done(server, client);
	w->vault.key = w->rsa;
	assert_int_equal(SSL_CTX_set1_sigalgs_list(client_ctx, "RSA-PSS+SHA256"), 1);
	assert_int_equal(
		handshake(tls_server_context(w->server, "mail.example.com", "", ""),
			client_ctx, &server, &client),
		0);
	assert_true(EVP_PKEY_is_a(
		X509_get0_pubkey(SSL_get0_peer_certificate(client)), "RSA"));
	done(server, client);
	SSL_CTX_free(client_ctx);
}

static void test_versions(void **state)
{
	static const struct {
		int version, result;
	} rows[] = {
		{ TLS1_VERSION, -EPROTO },
		{ TLS1_1_VERSION, -EPROTO },
		{ TLS1_2_VERSION, 0 },
		{ TLS1_3_VERSION, 0 },
	};
	struct world *w = *state;
	SSL_CTX *ctx;

	add(w->server, w->ec, "DNS:a", STR_LIT(""));
	ctx = tls_server_context(w->server, "a", "", "");
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct tls_client_policy any = { .verify = TLS_VERIFY_NONE,
			.min_version = TLS1_VERSION };
		SSL_CTX *client_ctx;
		SSL *server, *client;
		struct error err;

		assert_int_equal(tls_client_context(&any, &client_ctx, &err), 0);
		SSL_CTX_set_max_proto_version(client_ctx, rows[i].version);
		assert_int_equal(
			handshake(ctx, client_ctx, &server, &client), rows[i].result);
		done(server, client);
		SSL_CTX_free(client_ctx);
	}
	assert_int_equal(tls_version_number(STR_LIT("1.2")), TLS1_2_VERSION);
	assert_int_equal(tls_version_number(STR_LIT("2")), 0);
}

/* What a client keeps. */
struct kept {
	SSL_SESSION *newest;
	unsigned count;
};

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct kept *kept = SSL_get_app_data(ssl);

	SSL_SESSION_free(kept->newest);
	kept->newest = session;
	kept->count++;
	return 1;
}

static struct str ticket_of(SSL_SESSION *session)
{
	const unsigned char *bytes = NULL;
	size_t n = 0;

	SSL_SESSION_get0_ticket(session, &bytes, &n);
	return str_of((const char *)bytes, n);
}

/* OpenSSL says nothing of a new ticket in a resumed session of TLS 1.2. */
static void keep_replaced(SSL *client, struct kept *kept)
{
	SSL_SESSION *now = SSL_get1_session(client);

	if (kept->count || str_eq(ticket_of(now), ticket_of(kept->newest)))
		SSL_SESSION_free(now);
	else
		(void)keep_session(client, now);
}

/* A connection that shows the newest ticket, if there is one; whether it was resumed. */
static bool meet(SSL_CTX *server_ctx, SSL_CTX *client_ctx, struct kept *kept)
{
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	bool reused;
	char byte;

	kept->count = 0;
	SSL_set_app_data(client, kept);
	if (kept->newest)
		SSL_set_session(client, kept->newest);
	fake_connect(client, server);
	assert_int_equal(fake_turns(client, server), 0);
	assert_int_equal(SSL_write(server, "x", 1), 1);
	assert_int_equal(SSL_read(client, &byte, 1), 1); /* and the tickets */
	reused = SSL_session_reused(server);
	keep_replaced(client, kept);
	done(server, client);
	return reused;
}

/* A session of one worker is resumed by another one, which was made of the same secret.
   With TLS 1.3 each connection brings one ticket, so that none need be shown twice. */
static void resume(struct world *w, SSL_CTX *client_ctx, int version)
{
	struct tls_server *other = server_of(w);
	unsigned each = version == TLS1_3_VERSION;
	struct kept kept = { NULL, 0 };

	add(other, w->ec, "DNS:a", STR_LIT(""));
	SSL_CTX_set_max_proto_version(client_ctx, version);
	assert_false(meet(tls_server_context(w->server, "a", "", ""), client_ctx, &kept));
	assert_int_equal(kept.count, 1);
	for (int i = 0; i < 3; i++) {
		assert_true(
			meet(tls_server_context(other, "a", "", ""), client_ctx, &kept));
		assert_int_equal(kept.count, each);
	}
	/* of a key that is not the newest any more: there is a new one with both */
	(void)tls_tickets_current(
		&w->tickets, clock_wall_ms() / 1000 + TLS_TICKET_PERIOD_S);
	assert_true(meet(tls_server_context(other, "a", "", ""), client_ctx, &kept));
	assert_int_equal(kept.count, 1);
	/* of one that is gone: a full handshake */
	(void)tls_tickets_current(&w->tickets,
		clock_wall_ms() / 1000 + (TLS_TICKET_KEYS + 1) * TLS_TICKET_PERIOD_S);
	assert_false(meet(tls_server_context(other, "a", "", ""), client_ctx, &kept));
	assert_int_equal(kept.count, 1);
	SSL_SESSION_free(kept.newest);
	tls_server_free(other);
}

static void test_resumption(void **state)
{
	struct world *w = *state;
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());

	add(w->server, w->ec, "DNS:a", STR_LIT(""));
	SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(client_ctx, keep_session);
	resume(w, client_ctx, TLS1_2_VERSION);
	assert_int_equal(w->vault.questions, 2); /* who resumes asks for no signature */
	assert_int_equal(reset_tickets(w), 0);
	resume(w, client_ctx, TLS1_3_VERSION);
	assert_int_equal(w->vault.questions, 4);
	SSL_CTX_free(client_ctx);
}

/* Of a certificate that the client has not seen. */
static void test_resumption_at_another_name(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world *w = *state;
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());

	add(w->server, w->ec, "DNS:a,DNS:aa", STR_LIT(""));
	add(w->server, w->ec, "DNS:b", STR_LIT(""));
	SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(client_ctx, keep_session);
	for (size_t i = 0; i < N_ROWS(versions); i++) {
		struct kept kept = { NULL, 0 };

		SSL_CTX_set_max_proto_version(client_ctx, versions[i]);
		assert_false(meet(
			tls_server_context(w->server, "a", "", ""), client_ctx, &kept));
		assert_true(meet(
			tls_server_context(w->server, "aa", "", ""), client_ctx, &kept));
		assert_false(meet(
			tls_server_context(w->server, "b", "", ""), client_ctx, &kept));
		assert_true(meet(
			tls_server_context(w->server, "b", "", ""), client_ctx, &kept));
		SSL_SESSION_free(kept.newest);
	}
	SSL_CTX_free(client_ctx);
}

static void test_ticket_keys(void **state)
{
	unsigned char secret[TLS_TICKET_SECRET] = { 7 };
	unsigned char name[TLS_TICKET_NAME];
	struct tls_tickets one, two, three;
	uint64_t made, now = 50 * (uint64_t)TLS_TICKET_PERIOD_S;

	(void)state;
	assert_int_equal(tls_tickets_init(&one, secret, now), 0);
	assert_int_equal(tls_tickets_init(&two, secret, now), 0);
	memcpy(name, tls_tickets_current(&one, now)->name, sizeof(name));
	/* the same at any later time, by however many steps one comes there */
	for (uint64_t i = 1; i < 10; i++)
		(void)tls_tickets_current(&one, now + i * TLS_TICKET_PERIOD_S);
	assert_memory_equal(tls_tickets_current(&one, now)->name,
		tls_tickets_current(&two, now + 9 * (uint64_t)TLS_TICKET_PERIOD_S)->name,
		sizeof(name));
	/* the old name is known for two periods and then gone */
	assert_int_equal(tls_tickets_init(&one, secret, now), 0);
	assert_non_null(
		tls_tickets_find(&one, name, now + 2 * (uint64_t)TLS_TICKET_PERIOD_S));
	assert_null(
		tls_tickets_find(&one, name, now + 3 * (uint64_t)TLS_TICKET_PERIOD_S));
	/* a worker that begins later is given no more than the others have */
	made = now + 1;
	assert_int_equal(tls_tickets_age(secret, &made, now + 5), 0);
	assert_int_equal(made, now + 1);
	assert_int_equal(
		tls_tickets_age(secret, &made, now + 9 * (uint64_t)TLS_TICKET_PERIOD_S),
		0);
	assert_int_equal(made, now + 7 * (uint64_t)TLS_TICKET_PERIOD_S);
	assert_int_equal(tls_tickets_init(&three, secret, made), 0);
	assert_null(tls_tickets_find(&three, name, made));
	for (uint64_t i = 7; i < 10; i++) {
		uint64_t then = now + i * TLS_TICKET_PERIOD_S;

		memcpy(name, tls_tickets_current(&three, then)->name, sizeof(name));
		assert_non_null(tls_tickets_find(&two, name, then));
	}
	/* what it was made of is not there any more */
	assert_memory_not_equal(one.secret, secret, sizeof(secret));
	tls_tickets_fini(&one);
	tls_tickets_fini(&two);
	tls_tickets_fini(&three);
}

static void test_alpn_and_staple(void **state)
{
	struct world *w = *state;
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *server, *client;
	const unsigned char *chosen;
	unsigned len;

	add(w->server, w->ec, "DNS:a", STR_LIT("staple"));
	assert_int_equal(SSL_CTX_set_alpn_protos(
				 client_ctx, (const unsigned char *)"\4http\4imap", 10),
		0);
	server = SSL_new(tls_server_context(w->server, "a", "", ""));
	tls_server_offer_alpn(server, "imap");
	client = SSL_new(client_ctx);
	SSL_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
	fake_connect(client, server);
	assert_int_equal(fake_turns(client, server), 0);
	SSL_get0_alpn_selected(client, &chosen, &len);
	SAME("alpn", str_of(chosen, len), STR_LIT("imap"));
	assert_int_equal(SSL_get_tlsext_status_ocsp_resp(client, &chosen), 6);
	done(server, client);
	SSL_CTX_free(client_ctx);
}

/* What the client offers, at a service of that name: it goes on, or is refused. */
static void test_alpn_of_others(void **state)
{
	static const struct {
		const char *ours, *offered;
		int result;
	} rows[] = {
		{ "pop3", "\4imap", 0 },
		{ NULL, "\5esmtp", 0 },
		{ "imap", "\2h2\10http/1.1", -EPROTO },
		{ NULL, "\10http/1.1", -EPROTO },
		{ "imap", "\2h2\4imap", 0 },
	};
	struct world *w = *state;
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());

	add(w->server, w->ec, "DNS:a", STR_LIT(""));
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		SSL *server = SSL_new(tls_server_context(w->server, "a", "", ""));
		SSL *client = SSL_new(client_ctx);

		tls_server_offer_alpn(server, rows[i].ours);
		assert_int_equal(SSL_set_alpn_protos(client,
					 (const unsigned char *)rows[i].offered,
					 (unsigned)strlen(rows[i].offered)),
			0);
		fake_connect(client, server);
		assert_int_equal(fake_turns(client, server), rows[i].result);
		done(server, client);
	}
	SSL_CTX_free(client_ctx);
}

/* A session goes on when its certificates are replaced in the middle of the handshake. */
static void test_reload(void **state)
{
	struct world *w = *state;
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *server, *client;

	add(w->server, w->ec, "DNS:a", STR_LIT(""));
	server = SSL_new(tls_server_context(w->server, "a", "", ""));
	client = SSL_new(client_ctx);
	fake_connect(client, server);
	assert_int_equal(SSL_do_handshake(client), -1);
	tls_server_free(w->server);
	w->server = server_of(w);
	assert_int_equal(fake_turns(client, server), 0);
	done(server, client);
	SSL_CTX_free(client_ctx);
}

static void test_bad_input(void **state)
{
	struct world *w = *state;
	const struct tls_policy odd = { TLS1_2_VERSION, "NO-SUCH-CIPHER" };
	struct tls_server *s;
	struct error err;

	assert_int_equal(tls_server_add(w->server, STR_LIT("no PEM"), 0, STR_LIT(""),
				 "/etc/x.pem", &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "/etc/x.pem"));
	assert_int_equal(tls_server_new(w->library, &odd, NULL, &s, &err), -EINVAL);
}

/* ---- the leg to the source ---- */

static int reach(struct world *w, const struct tls_client_policy *p)
{
	SSL_CTX *client_ctx;
	SSL *server, *client;
	struct error err;
	int r;

	assert_int_equal(tls_client_context(p, &client_ctx, &err), 0);
	r = handshake(
		tls_server_context(w->server, "", "", ""), client_ctx, &server, &client);
	done(server, client);
	SSL_CTX_free(client_ctx);
	return r;
}

static void test_source_verification(void **state)
{
	struct world *w = *state;
	struct tls_client_policy p = { .verify = TLS_VERIFY_NONE,
		.min_version = TLS1_2_VERSION };
	X509 *x = fake_certificate(w->ec);

	add(w->server, w->ec, NULL, STR_LIT(""));
	assert_int_equal(reach(w, &p), 0);
	p.verify = TLS_VERIFY_PIN;
	assert_true(tls_certificate_pin(x, p.pin));
	assert_int_equal(reach(w, &p), 0); /* the same key in another certificate */
	p.pin[0] ^= 1;
	assert_int_equal(reach(w, &p), -EPROTO);
	p.verify = TLS_VERIFY_CA;
	p.name = "mail.example.com";
	assert_int_equal(reach(w, &p), -EPROTO); /* signed by itself */
	X509_free(x);
}

/* Behind a sandbox the file is out of reach. */
static void test_authorities_are_read_at_once(void **state)
{
	struct world *w = *state;
	struct tls_client_policy p = { .verify = TLS_VERIFY_CA,
		.name = "mail.example.com",
		.min_version = TLS1_2_VERSION };
	X509 *x = fake_certificate_for(w->ec, "DNS:mail.example.com");
	char path[] = "/tmp/authorities-XXXXXX";
	int fd = mkstemp(path);
	struct error err;
	struct buf pem;

	buf_init(&pem, 0);
	fake_pem(x, &pem);
	X509_free(x);
	assert_int_equal(write(fd, buf_view(&pem).ptr, buf_len(&pem)), buf_len(&pem));
	close(fd);
	assert_int_equal(tls_server_add(w->server, buf_view(&pem), FAKE_KEY_NUMBER,
				 STR_LIT(""), "test", &err),
		0);
	buf_fini(&pem);
	setenv("SSL_CERT_FILE", path, 1);
	p.authorities = tls_authorities();
	unlink(path);
	assert_non_null(p.authorities);
	assert_null(tls_authorities());
	assert_int_equal(reach(w, &p), 0);
	p.name = "other.example.com";
	assert_int_equal(reach(w, &p), -EPROTO);
	X509_STORE_free(p.authorities);
	unsetenv("SSL_CERT_FILE");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_no_name),
		TEST(test_both_kinds_of_key),
		TEST(test_versions),
		TEST(test_resumption),
		cmocka_unit_test(test_ticket_keys),
		TEST(test_resumption_at_another_name),
		TEST(test_alpn_and_staple),
		TEST(test_alpn_of_others),
		TEST(test_reload),
		TEST(test_bad_input),
		TEST(test_source_verification),
		TEST(test_authorities_are_read_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
