/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS over streams that stutter, trickle and keep bytes back; with a key elsewhere; and
   how it ends. */
#include "tls/stream_starttls.h"
#include "tls/stream_tls.h"

#include "event/loop.h"
#include "lib/tls/tls_fixture.h"
#include "lib/wire/wire_test.h"
#include "support/odd_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define BULK 200000
#define TURNS 2000000 /* one byte at a time, both ways */

struct pair {
	struct fake_vault vault;
	struct tls_library *library;
	SSL_CTX *server_ctx, *client_ctx;
	struct stream *server, *client;
	struct loop loop;
};

static void contexts(struct pair *p, int version)
{
	EVP_PKEY *key = fake_ec_key(), *remote;
	X509 *x = fake_certificate(key);

	memset(p, 0, sizeof(*p));
	fake_vault_init(&p->vault, key);
	p->vault.at_once = true;
	p->library = tls_library_new(&p->vault.signer);
	p->server_ctx = SSL_CTX_new_ex(
		tls_library_context(p->library), NULL, TLS_server_method());
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(p->client_ctx, version);
	SSL_CTX_set_read_ahead(p->server_ctx, 1);
	remote = tls_remote_key_new(p->library, X509_get0_pubkey(x), FAKE_KEY_NUMBER);
	assert_int_equal(SSL_CTX_use_certificate(p->server_ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->server_ctx, remote), 1);
	EVP_PKEY_free(remote);
	X509_free(x);
}

static struct stream *odd(struct loop *loop, int fd, enum oddity oddity)
{
	struct stream *s;

	assert_int_equal(odd_stream_new(loop, fd, oddity, &s), 0);
	return s;
}

/* early: that much of the client's first bytes is read before TLS begins here. */
static void begin(struct pair *p, int version, enum oddity oddity, bool in_loop)
{
	int fds[2];

	contexts(p, version);
	if (in_loop)
		assert_int_equal(loop_init(&p->loop, false), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	assert_int_equal(
		stream_tls_connect(odd(in_loop ? &p->loop : NULL, fds[1], oddity),
			p->client_ctx, "mail.example.com", &p->client),
		0);
	assert_int_equal(stream_tls_accept(odd(in_loop ? &p->loop : NULL, fds[0], oddity),
				 p->server_ctx, STR_LIT(""), &p->server),
		0);
}

static void end(struct pair *p, bool in_loop)
{
	stream_free(p->server);
	stream_free(p->client);
	if (in_loop)
		assert_int_equal(loop_fini(&p->loop), 0);
	SSL_CTX_free(p->server_ctx);
	SSL_CTX_free(p->client_ctx);
	tls_library_free(p->library);
	EVP_PKEY_free(p->vault.key);
}

static void shake(struct pair *p)
{
	int c = -EINPROGRESS, s = -EINPROGRESS;

	for (int i = 0; i < TURNS && (c || s); i++) {
		c = stream_connected(p->client);
		s = stream_connected(p->server);
		assert_true(c == 0 || c == -EINPROGRESS);
		assert_true(s == 0 || s == -EINPROGRESS);
	}
	assert_int_equal(c, 0);
	assert_int_equal(s, 0);
}

static void fill(struct buf *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf_byte(b, (char)(i * 7 + (i >> 8))), 0);
}

/* From one to the other, reads of `piece`. */
static void carry(struct stream *from, struct stream *to, struct buf *bytes, size_t piece)
{
	struct buf got;
	struct buf copy;
	char space[65536];

	buf_init(&got, 0);
	buf_init(&copy, 0);
	assert_int_equal(buf_append(&copy, buf_view(bytes)), 0);
	for (int i = 0; i < TURNS && buf_len(&got) < buf_len(bytes); i++) {
		ssize_t n = buf_len(&copy) ? stream_write_buf(from, &copy)
		                           : stream_write(from, STR_LIT(""), false);

		assert_true(n >= 0 || n == -EAGAIN);
		n = stream_read(to, space, piece);
		assert_true(n > 0 || n == -EAGAIN);
		if (n > 0)
			assert_int_equal(buf_append(&got, str_of(space, (size_t)n)), 0);
	}
	assert_true(str_eq(buf_view(&got), buf_view(bytes)));
	buf_fini(&got);
	buf_fini(&copy);
}

static void test_bytes_over_odd_streams(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 0);
	fill(&bytes, BULK);
	for (size_t v = 0; v < N_ROWS(versions); v++) {
		for (int o = 0; o < ODD_COUNT; o++) {
			struct pair p;

			begin(&p, versions[v], (enum oddity)o, false);
			shake(&p);
			assert_int_equal(
				SSL_version(stream_tls_ssl(p.server)), versions[v]);
			carry(p.client, p.server, &bytes, 65536);
			carry(p.server, p.client, &bytes, 100);
			end(&p, false);
		}
	}
	buf_fini(&bytes);
}

/* Of the exchange no key is left, on either side. */
static void test_exchange_forgotten(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (size_t i = 0; i < N_ROWS(versions) * 2; i++) {
		struct pair p;
		EVP_PKEY *key = NULL;
		unsigned char raw[64];
		size_t len = sizeof(raw);
		SSL *ssl;

		begin(&p, versions[i / 2], ODD_NONE, false);
		shake(&p);
		ssl = stream_tls_ssl(i % 2 ? p.server : p.client);
		if (SSL_get_tmp_key(ssl, &key))
			assert_int_equal(EVP_PKEY_get_raw_private_key(key, raw, &len), 0);
		EVP_PKEY_free(key);
		key = NULL;
		if (SSL_get_peer_tmp_key(ssl, &key))
			assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &len), 0);
		EVP_PKEY_free(key);
		ERR_clear_error();
		end(&p, false);
	}
}

/* The first bytes were read before: all of them, or some. */
static void test_early_bytes(void **state)
{
	(void)state;
	for (size_t taken = 1; taken < 400; taken += 57) {
		struct pair p;
		char first[4096];
		int fds[2];
		ssize_t n;

		contexts(&p, TLS1_3_VERSION);
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		assert_int_equal(stream_tls_connect(odd(NULL, fds[1], ODD_NONE),
					 p.client_ctx, NULL, &p.client),
			0);
		assert_int_equal(stream_connected(p.client), -EINPROGRESS);
		n = recv(fds[0], first, taken, 0);
		assert_true(n > 0);
		assert_int_equal(
			stream_tls_accept(odd(NULL, fds[0], ODD_NONE), p.server_ctx,
				str_of(first, (size_t)n), &p.server),
			0);
		shake(&p);
		end(&p, false);
	}
}

/* close_notify is an end; a connection cut off is none. */
static void test_ends(void **state)
{
	struct pair p;
	char space[16];

	(void)state;
	begin(&p, TLS1_3_VERSION, ODD_NONE, false);
	shake(&p);
	assert_int_equal(stream_write(p.client, STR_LIT("last"), false), 4);
	stream_shutdown(p.client, SHUT_WR);
	assert_int_equal(stream_read(p.server, space, sizeof(space)), 4);
	assert_int_equal(stream_read(p.server, space, sizeof(space)), 0);
	assert_true(stream_has_pending(p.server)); /* the end can be read again */
	assert_int_equal(stream_write(p.server, STR_LIT("half"), false), 4);
	assert_int_equal(stream_read(p.client, space, sizeof(space)), 4);
	end(&p, false);

	begin(&p, TLS1_3_VERSION, ODD_NONE, false);
	shake(&p);
	assert_int_equal(stream_write(p.client, STR_LIT("last"), false), 4);
	assert_int_equal(shutdown(p.client->below->fd, SHUT_RDWR), 0);
	assert_int_equal(stream_read(p.server, space, sizeof(space)), 4);
	assert_int_equal(stream_read(p.server, space, sizeof(space)), -ECONNRESET);
	end(&p, false);
}

/* Anybody could have said it: it is no end, however often one asks. */
static void test_end_in_handshake(void **state)
{
	static const char end_of_13[] = "\x15\x03\x03\x00\x02\x01"; /* and a NUL */
	struct pair p;
	int fds[2];
	char space[16];

	(void)state;
	contexts(&p, TLS1_3_VERSION);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	p.server = odd(NULL, fds[0], ODD_NONE);
	assert_int_equal(stream_tls_connect(odd(NULL, fds[1], ODD_NONE), p.client_ctx,
				 "mail.example.com", &p.client),
		0);
	assert_int_equal(stream_connected(p.client), -EINPROGRESS);
	assert_int_equal(send(fds[0], end_of_13, sizeof(end_of_13), 0), 7);
	p.client->ops->advance(p.client);
	assert_true(stream_has_pending(p.client));
	assert_int_equal(stream_read(p.client, space, sizeof(space)), -EPROTO);
	assert_int_equal(stream_read(p.client, space, sizeof(space)), -EPROTO);
	assert_int_equal(stream_connected(p.client), -EPROTO);
	end(&p, false);
}

static void test_no_tls(void **state)
{
	struct pair p;
	int fds[2];
	char space[16];

	(void)state;
	contexts(&p, TLS1_3_VERSION);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	p.client = odd(NULL, fds[1], ODD_NONE);
	assert_int_equal(stream_tls_accept(odd(NULL, fds[0], ODD_NONE), p.server_ctx,
				 STR_LIT("a1 LOGIN alice secret\r\n"), &p.server),
		0);
	assert_int_equal(stream_connected(p.server), -EPROTO);
	assert_int_equal(stream_read(p.server, space, sizeof(space)), -EPROTO);
	assert_string_not_equal(stream_tls_error(p.server), "");
	end(&p, false);
}

/* A peer that takes nothing: writes say so, and all that was taken arrives. */
static void test_back_pressure(void **state)
{
	struct pair p;
	struct buf bytes;
	size_t taken = 0, got = 0;
	char space[65536];
	ssize_t n;

	(void)state;
	buf_init(&bytes, 0);
	fill(&bytes, 16384);
	begin(&p, TLS1_3_VERSION, ODD_NONE, false);
	shake(&p);
	while ((n = stream_write(p.server, buf_view(&bytes), false)) > 0)
		taken += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	assert_true(taken > 65536 && taken < 4u << 20);
	while (got < taken) {
		n = stream_read(p.client, space, sizeof(space));
		if (n == -EAGAIN)
			(void)stream_write(p.server, STR_LIT(""), false);
		assert_true(n > 0 || n == -EAGAIN);
		got += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(got, taken);
	buf_fini(&bytes);
	end(&p, false);
}

/* ---- STARTTLS, as a client ---- */

/* What the server says in clear, each in answer to what has come. */
static const struct {
	const char *name;
	enum starttls_protocol protocol;
	const char *greeting, *asked[2], *answers[2];
	ssize_t result;    /* of the first read behind the greeting; 0: TLS is there */
	const char *heard; /* of the greeting, inside TLS; NULL: all */
} dialogues[] = {
	{ "IMAP", STARTTLS_IMAP, "* OK hi\r\n", { "mf1 STARTTLS\r\n" },
		{ "* CAPABILITY IMAP4rev1\r\nmf1 OK go\r\n" }, 0, NULL },
	{ "IMAP, whose capabilities in clear are void", STARTTLS_IMAP,
		"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n",
		{ "mf1 STARTTLS\r\n" }, { "mf1 OK go\r\n" }, 0, "* OK hi\r\n" },
	{ "POP3", STARTTLS_POP3, "+OK hi\r\n", { "STLS\r\n" }, { "+OK go\r\n" }, 0,
		NULL },
	{ "SMTP", STARTTLS_SMTP, "220-hi\r\n220 there\r\n",
		{ "EHLO [127.0.0.1]\r\n", "STARTTLS\r\n" },
		{ "250-me\r\n250 STARTTLS\r\n", "220 go\r\n" }, 0, NULL },
	{ "refused", STARTTLS_IMAP, "* OK hi\r\n", { "mf1 STARTTLS\r\n" },
		{ "mf1 BAD what\r\n" }, -EPROTONOSUPPORT, NULL },
	{ "BYE", STARTTLS_IMAP, "* BYE full\r\n", { NULL }, { NULL }, -EPROTONOSUPPORT,
		NULL },
	{ "bytes behind its word", STARTTLS_IMAP, "* OK hi\r\n", { "mf1 STARTTLS\r\n" },
		{ "mf1 OK go\r\n* OK injected\r\n" }, -EPROTO, NULL },
	{ "bytes behind it, POP3", STARTTLS_POP3, "+OK hi\r\n", { "STLS\r\n" },
		{ "+OK go\r\n+OK injected\r\n" }, -EPROTO, NULL },
	{ "bytes behind it, SMTP", STARTTLS_SMTP, "220 hi\r\n",
		{ "EHLO [127.0.0.1]\r\n", "STARTTLS\r\n" },
		{ "250-me\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n" }, -EPROTO,
		NULL },
	{ "half a line behind it", STARTTLS_SMTP, "220 hi\r\n",
		{ "EHLO [127.0.0.1]\r\n", "STARTTLS\r\n" },
		{ "250-me\r\n250 STARTTLS\r\n", "220 go\r\n250 in" }, -EPROTO, NULL },
	{ "a word before we asked", STARTTLS_SMTP, "220 hi\r\n",
		{ "EHLO [127.0.0.1]\r\n" }, { "250 STARTTLS\r\n250 early\r\n" },
		-EPROTONOSUPPORT, NULL },
};

static void expect(int fd, struct stream *client, const char *words)
{
	struct buf got;
	char space[100];

	buf_init(&got, 0);
	for (int i = 0; i < 1000 && buf_len(&got) < strlen(words); i++) {
		ssize_t n;

		(void)stream_connected(client);
		n = recv(fd, space, sizeof(space), 0);
		if (n > 0)
			assert_int_equal(buf_append(&got, str_of(space, (size_t)n)), 0);
	}
	SAME("asked", buf_view(&got), str_from(words));
	buf_fini(&got);
}

static void say(int fd, const char *words)
{
	assert_int_equal(send(fd, words, strlen(words), 0), (ssize_t)strlen(words));
}

static ssize_t read_some(struct pair *p, void *space, size_t size)
{
	ssize_t n = -EAGAIN;

	for (int i = 0; i < TURNS && n == -EAGAIN; i++) {
		if (p->server)
			(void)stream_connected(p->server);
		n = stream_read(p->client, space, size);
	}
	return n;
}

static void converse(size_t row, enum oddity oddity)
{
	const char *heard =
		dialogues[row].heard ? dialogues[row].heard : dialogues[row].greeting;
	struct pair p;
	struct buf got;
	char space[512];
	ssize_t n = 1;
	int fds[2];

	contexts(&p, TLS1_3_VERSION);
	buf_init(&got, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(stream_starttls_connect(odd(NULL, fds[1], oddity), p.client_ctx,
				 "mail.example.com", dialogues[row].protocol, &p.client),
		0);
	assert_int_equal(stream_connected(p.client), -EINPROGRESS);
	assert_int_equal(stream_write(p.client, STR_LIT("secret"), false), -EAGAIN);
	say(fds[0], dialogues[row].greeting);
	for (size_t i = 0; i < 2 && dialogues[row].asked[i]; i++) {
		expect(fds[0], p.client, dialogues[row].asked[i]);
		say(fds[0], dialogues[row].answers[i]);
	}
	if (!dialogues[row].result)
		assert_int_equal(stream_tls_accept(odd(NULL, fds[0], ODD_NONE),
					 p.server_ctx, STR_LIT(""), &p.server),
			0);
	while (buf_len(&got) < strlen(heard) && n > 0) {
		n = read_some(&p, space, sizeof(space));
		if (n > 0)
			assert_int_equal(buf_append(&got, str_of(space, (size_t)n)), 0);
	}
	/* injected bytes may be seen before the greeting is */
	if (n < 0)
		assert_int_equal(n, -EPROTO);
	else
		SAME(dialogues[row].name, buf_view(&got), str_from(heard));
	if (dialogues[row].result) {
		assert_int_equal(read_some(&p, space, 1), dialogues[row].result);
		close(fds[0]);
	} else {
		shake(&p);
		assert_int_equal(stream_write(p.server, STR_LIT("inside"), false), 6);
		assert_true(read_some(&p, space, sizeof(space)) > 0);
	}
	buf_fini(&got);
	end(&p, false);
}

static void test_starttls(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(dialogues); i++)
		for (int o = 0; o < ODD_COUNT; o++)
			converse(i, (enum oddity)o);
}

/* ---- in a loop ---- */

struct echo {
	struct pair *pair;
	struct buf got;
	unsigned server_calls;
	bool is_over;
};

static unsigned turns;

static void one_turn(void *context)
{
	(void)context;
	turns++;
}

/* One byte a call: what is left of the record must bring the next call. */
static void server_ready(void *context, int events, int error)
{
	struct echo *e = context;
	char byte;

	(void)error;
	/* nothing could be read or written before */
	assert_true(SSL_is_init_finished(stream_tls_ssl(e->pair->server)));
	e->server_calls++;
	if (events & UV_READABLE && stream_read(e->pair->server, &byte, 1) == 1) {
		assert_int_equal(buf_byte(&e->got, byte), 0);
		if (byte == '!')
			loop_stop(&e->pair->loop);
	}
}

static void client_ready(void *context, int events, int error)
{
	struct echo *e = context;

	assert_int_equal(error, 0);
	if (events & UV_WRITABLE &&
		stream_write(e->pair->client, STR_LIT("read one by one!"), false) > 0)
		stream_want(e->pair->client, 0);
}

static void answer_late(uv_timer_t *timer)
{
	struct echo *e = timer->data;

	if (!e->pair->vault.asked)
		return; /* not yet: the next time */
	e->server_calls = 0;
	fake_vault_answer(&e->pair->vault);
	uv_close((uv_handle_t *)timer, NULL);
}

static void test_in_a_loop(void **state)
{
	(void)state;
	for (int o = 0; o < ODD_COUNT; o++) {
		struct pair p;
		struct echo e = { .pair = &p };
		uv_timer_t timer;

		buf_init(&e.got, 0);
		begin(&p, TLS1_3_VERSION, (enum oddity)o, true);
		p.vault.at_once = false;
		uv_timer_init(&p.loop.uv, &timer);
		timer.data = &e;
		uv_timer_start(&timer, answer_late, 20, 20);
		stream_set_owner(p.server, server_ready, &e);
		stream_set_owner(p.client, client_ready, &e);
		stream_want(p.server, UV_READABLE);
		stream_want(p.client, UV_WRITABLE);
		loop_run(&p.loop, one_turn, NULL);
		SAME(odd_name((enum oddity)o), buf_view(&e.got),
			STR_LIT("read one by one!"));
		assert_int_equal(p.vault.questions, 1);
		buf_fini(&e.got);
		end(&p, true);
	}
}

/* Nobody turns in circles while the key is asked. */
static void count_turns(uv_timer_t *timer)
{
	loop_stop(timer->data);
	uv_close((uv_handle_t *)timer, NULL);
}

static void test_waits_for_the_key(void **state)
{
	struct pair p;
	struct echo e = { .pair = &p };
	uv_timer_t timer;

	(void)state;
	begin(&p, TLS1_3_VERSION, ODD_NONE, true);
	p.vault.at_once = false;
	stream_set_owner(p.server, server_ready, &e);
	stream_set_owner(p.client, client_ready, &e);
	stream_want(p.server, UV_READABLE);
	stream_want(p.client, UV_WRITABLE);
	uv_timer_init(&p.loop.uv, &timer);
	timer.data = &p.loop;
	uv_timer_start(&timer, count_turns, 100, 0);
	turns = 0;
	loop_run(&p.loop, one_turn, NULL);
	assert_true(turns < 50);
	assert_non_null(p.vault.asked); /* the connection ends in the middle of it */
	end(&p, true);
	assert_int_equal(p.vault.forgotten, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_over_odd_streams),
		cmocka_unit_test(test_exchange_forgotten),
		cmocka_unit_test(test_early_bytes),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_end_in_handshake),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_in_a_loop),
		cmocka_unit_test(test_waits_for_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
