/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS of the kernel: how it ends, records that are no data, what stays with OpenSSL. */
#include "lib/tls/ktls_fixture.h"
#include "lib/tls/ktls_messages.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* ---- ends ---- */

static void test_ends(void **state)
{
	struct pair p;
	char space[64];
	int pipe_ends[2];

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	for (size_t i = 0; i < KINDS; i++) {
		/* ours is understood */
		pair_begin(&p, &kinds[i]);
		pair_offload(&p.server, kinds[i].name);
		stream_shutdown(p.server, SHUT_WR);
		assert_int_equal(stream_read(p.client, space, sizeof(space)), 0);
		pair_end(&p);
		/* TCP's alone is a truncation, for splice(), too */
		for (int splices = 0; splices < 2; splices++) {
			pair_begin(&p, &kinds[i]);
			pair_offload(&p.server, kinds[i].name);
			assert_int_equal(shutdown(p.client->below->fd, SHUT_WR), 0);
			if (splices)
				assert_int_equal(
					stream_splice_in(p.server, pipe_ends[1], 9),
					-ECONNRESET);
			assert_int_equal(
				stream_read(p.server, space, sizeof(space)), -ECONNRESET);
			/* and gets no end from us */
			stream_shutdown(p.server, SHUT_WR);
			assert_int_equal(
				stream_read(p.client, space, sizeof(space)), -ECONNRESET);
			pair_end(&p);
		}
	}
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

static void begin_offloaded(struct pair *p)
{
	pair_begin(p, &kinds[0]);
	pair_offload(&p->server, "server");
}

static void test_end_waits_for_room(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.server, "full");
	kernel_tls_block(true);
	stream_shutdown(p.server, SHUT_WR);
	assert_int_equal(stream_read(p.client, space, sizeof(space)), -EAGAIN);
	assert_int_equal(p.server->ops->wants(p.server, 0), UV_WRITABLE);
	kernel_tls_block(false);
	p.server->ops->advance(p.server);
	assert_int_equal(p.server->ops->wants(p.server, 0), 0);
	assert_int_equal(stream_read(p.client, space, sizeof(space)), 0);
	pair_end(&p);
}

/* A record that was taken and has not gone: the end comes behind it. */
static void test_end_behind_what_is_kept(void **state)
{
	struct pair p;
	char space[64];

	(void)state;
	begin_offloaded(&p);
	assert_false(stream_holds_back(p.server));
	kernel_tls_keep_next();
	assert_int_equal(stream_write(p.server, STR_LIT("last"), false), 4);
	assert_true(stream_holds_back(p.server));
	stream_shutdown(p.server, SHUT_WR);
	assert_int_equal(stream_read(p.client, space, sizeof(space)), -EAGAIN);
	kernel_tls_block(false);
	p.server->ops->advance(p.server);
	assert_false(stream_holds_back(p.server));
	assert_int_equal(stream_read(p.client, space, sizeof(space)), 4);
	assert_int_equal(stream_read(p.client, space, sizeof(space)), 0);
	pair_end(&p);
}

/* ---- records that are no data ---- */

/* An alert of one end by the kernel of the other. */
static void send_alert(struct stream *s, unsigned char level, unsigned char alert)
{
	pair_send_record(s, 21, (unsigned char[]){ level, alert }, 2);
}

static void test_alerts(void **state)
{
	static const struct {
		unsigned char level, alert;
		ssize_t want;
	} rows[] = {
		{ 1, 0, 0 },        /* close_notify */
		{ 2, 0, 0 },        /* TLS 1.3: the level means nothing */
		{ 1, 90, -EAGAIN }, /* user_canceled: close_notify follows */
		{ 1, 100, -EAGAIN }, { 2, 20, -EPROTO }, /* bad_record_mac */
		{ 1, 40, -EPROTO },                      /* handshake_failure */
	};
	char space[64];

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct pair p;

		pair_begin(&p, &kinds[0]);
		pair_offload(&p.server, "server");
		pair_offload(&p.client, "client");
		send_alert(p.client, rows[i].level, rows[i].alert);
		assert_int_equal(
			stream_read(p.server, space, sizeof(space)), rows[i].want);
		assert_int_equal(stream_has_pending(p.server), rows[i].want != -EAGAIN);
		if (rows[i].want == -EAGAIN)
			pair_say(p.client, p.server, "goes on");
		pair_end(&p);
	}
}

/* ---- when it stays with OpenSSL ---- */

static void stays(struct pair *p, int code)
{
	struct stream *before = p->server;

	assert_int_equal(stream_tls_offload(&p->server), code);
	assert_ptr_equal(p->server, before);
}

/* Bytes that OpenSSL has begun with cannot be given to the kernel. */
static void test_under_way(void **state)
{
	char record[256], space[64];
	struct pair p;
	ssize_t n;

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		for (ssize_t part = 1; part < 30; part++) {
			pair_begin(&p, &kinds[i]);
			assert_int_equal(
				stream_write(p.client, STR_LIT("0123456789"), false), 10);
			/* from the server's socket, and back in pieces */
			n = recv(p.server->below->fd, record, sizeof(record), 0);
			assert_true(n > part);
			assert_int_equal(
				send(p.client->below->fd, record, (size_t)part, 0), part);
			assert_int_equal(
				stream_read(p.server, space, sizeof(space)), -EAGAIN);
			stays(&p, -EAGAIN);
			assert_int_equal(send(p.client->below->fd, record + part,
						 (size_t)(n - part), 0),
				n - part);
			assert_int_equal(stream_read(p.server, space, 3), 3);
			stays(&p, -EAGAIN);
			assert_int_equal(stream_read(p.server, space, sizeof(space)), 7);
			pair_offload(&p.server, kinds[i].name);
			pair_say(p.client, p.server, "next");
			pair_end(&p);
		}
	}
}

static void test_not_for_the_kernel(void **state)
{
	static const struct kind cbc = { "CBC", TLS1_2_VERSION, NULL,
		"ECDHE-ECDSA-AES128-SHA" };
	static const struct kind ccm = { "CCM", TLS1_2_VERSION, NULL,
		"ECDHE-ECDSA-AES128-CCM" };
	struct pair p;

	(void)state;
	pair_begin(&p, &cbc);
	stays(&p, -EOPNOTSUPP);
	pair_say(p.client, p.server, "goes on");
	pair_end(&p);
	pair_begin(&p, &ccm);
	stays(&p, -EOPNOTSUPP);
	pair_end(&p);
	/* keys that we have not seen */
	pair_begin(&p, &kinds[0]);
	assert_int_equal(
		SSL_key_update(stream_tls_ssl(p.client), SSL_KEY_UPDATE_NOT_REQUESTED),
		1);
	pair_say(p.client, p.server, "new keys");
	stays(&p, -EOPNOTSUPP);
	pair_say(p.client, p.server, "goes on");
	pair_end(&p);
	/* records that must be short */
	kernel_tls_forget();
	tls_traffic_enable(true);
	pair_contexts(&p, &kinds[0]);
	assert_int_equal(SSL_CTX_set_tlsext_max_fragment_length(
				 p.client_ctx, TLSEXT_max_fragment_length_1024),
		1);
	pair_connect(&p);
	stays(&p, -EOPNOTSUPP);
	pair_end(&p);
}

static void test_kernel_without_it(void **state)
{
	struct pair p;

	(void)state;
	kernel_tls_forget();
	assert_int_equal(stream_ktls_probe(), 0);
	kernel_tls_set(KERNEL_TLS_NONE);
	assert_int_equal(stream_ktls_probe(), -ENOENT);
	kernel_tls_forget();
	/* nothing was kept */
	pair_contexts(&p, &kinds[0]);
	pair_connect(&p);
	stays(&p, -EOPNOTSUPP);
	assert_int_equal(stream_share(p.server), -EOPNOTSUPP);
	pair_end(&p);
	/* a cipher that it does not know */
	pair_begin(&p, &kinds[2]);
	kernel_tls_set(KERNEL_TLS_NO_KEYS);
	stays(&p, -ENOENT);
	pair_say(p.client, p.server, "goes on");
	pair_say(p.server, p.client, "goes on");
	pair_end(&p);
	/* half of it is nothing */
	pair_begin(&p, &kinds[0]);
	kernel_tls_set(KERNEL_TLS_NO_SEND_KEY);
	stays(&p, -EIO);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_end_waits_for_room),
		cmocka_unit_test(test_end_behind_what_is_kept),
		cmocka_unit_test(test_handshake_refused),
		cmocka_unit_test(test_alerts),
		cmocka_unit_test(test_tickets_of_openssl),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_tickets_refused),
		cmocka_unit_test(test_tickets_of_a_client),
		cmocka_unit_test(test_under_way),
		cmocka_unit_test(test_not_for_the_kernel),
		cmocka_unit_test(test_kernel_without_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
