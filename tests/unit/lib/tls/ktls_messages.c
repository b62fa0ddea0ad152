/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lib/tls/ktls_messages.h"

#include "lib/tls/ktls_fixture.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATA 23
#define HANDSHAKE 22
#define ALERT 21
#define RECORD 16384
#define HEAD 4
#define LEAST 14    /* a ticket of one byte */
#define MOST 131337 /* RFC 8446, 4.6.1 */
#define UPDATE "\x18\0\0\1\0"

static size_t put_head(char *space, int type, size_t len)
{
	space[0] = (char)type;
	space[1] = (char)(len >> 16);
	space[2] = (char)(len >> 8);
	space[3] = (char)len;
	return HEAD;
}

static size_t put_ticket(char *space, size_t len)
{
	memset(space + put_head(space, 4, len), 'x', len);
	return HEAD + len;
}

static void begin(struct pair *p, const struct kind *k)
{
	pair_begin(p, k);
	pair_offload(&p->server, k->name);
	pair_offload(&p->client, k->name);
}

/* In records of that size; the client reads meanwhile. */
static void send_in_parts(struct pair *p, const char *bytes, size_t len, size_t part)
{
	static char space[RECORD];

	for (size_t at = 0; at < len; at += part) {
		pair_send_record(p->server, HANDSHAKE, bytes + at,
			len - at < part ? len - at : part);
		assert_int_equal(stream_read(p->client, space, sizeof(space)), -EAGAIN);
	}
}

static void must_go_on(struct pair *p)
{
	pair_say(p->server, p->client, "* OK\r\n");
	pair_say(p->client, p->server, "1 noop\r\n");
}

void test_tickets_of_openssl(void **state)
{
	struct pair p;
	SSL *ssl;

	(void)state;
	for (size_t i = 0; i < KIND_12; i++) {
		pair_begin(&p, &kinds[i]);
		pair_offload(&p.client, kinds[i].name);
		must_go_on(&p);
		ssl = stream_tls_ssl(p.server);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(SSL_new_session_ticket(ssl), 1);
			assert_int_equal(SSL_do_handshake(ssl), 1);
		}
		must_go_on(&p);
		pair_end(&p);
	}
}

void test_tickets(void **state)
{
	static char bytes[2 * (HEAD + MOST)];
	int pipe_ends[2];
	struct pair p;
	char space[64];
	size_t n;

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	begin(&p, &kinds[0]);
	n = put_ticket(bytes, 300);
	send_in_parts(&p, bytes, n, n);
	must_go_on(&p);
	/* two in a record; in two records, wherever they are cut; byte by byte */
	n = put_ticket(bytes, LEAST);
	n += put_ticket(bytes + n, LEAST);
	send_in_parts(&p, bytes, n, n);
	for (size_t part = 1; part < n; part++)
		send_in_parts(&p, bytes, n, part);
	must_go_on(&p);
	/* many before the client reads: each call ends */
	for (size_t at = 0; at < n; at++)
		pair_send_record(p.server, HANDSHAKE, bytes + at, 1);
	must_go_on(&p);
	n = put_ticket(bytes, MOST);
	send_in_parts(&p, bytes, n, RECORD);
	must_go_on(&p);
	/* they are nothing for splice() */
	n = put_ticket(bytes, LEAST);
	pair_send_record(p.server, HANDSHAKE, bytes, n);
	assert_int_equal(stream_write(p.server, STR_LIT("spliced"), false), 7);
	n = (size_t)stream_splice_in(p.client, pipe_ends[1], 64);
	assert_int_equal((ssize_t)n, -EINVAL);
	assert_int_equal(pair_read(p.client, space, sizeof(space)), 7);
	/* the end is one as ever */
	stream_shutdown(p.server, SHUT_WR);
	assert_int_equal(pair_read(p.client, space, sizeof(space)), 0);
	pair_end(&p);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

/* What comes last is refused, and the server is told so. */
static void must_refuse(struct pair *p)
{
	char space[64];

	assert_int_equal(pair_read(p->client, space, sizeof(space)), -EPROTO);
	assert_true(stream_has_pending(p->client));
	assert_int_equal(stream_write(p->client, STR_LIT("x"), false), -EPROTO);
	assert_int_equal(pair_read(p->server, space, sizeof(space)), -EPROTO);
	pair_end(p);
}

static void refuse_one(const struct kind *k, const char *bytes, size_t len)
{
	struct pair p;

	begin(&p, k);
	pair_send_record(p.server, HANDSHAKE, bytes, len);
	must_refuse(&p);
}

/* Behind a part of a ticket. */
static void refuse_behind_part(int type, const char *bytes, size_t len, bool splices)
{
	char part[HEAD + LEAST];
	int pipe_ends[2];
	struct pair p;

	assert_int_equal(pipe(pipe_ends), 0);
	for (size_t n = 1; n < sizeof(part); n++) {
		begin(&p, &kinds[0]);
		(void)put_ticket(part, LEAST);
		send_in_parts(&p, part, n, n);
		pair_send_record(p.server, type, bytes, len);
		if (splices)
			assert_int_equal(
				stream_splice_in(p.client, pipe_ends[1], 64), -EINVAL);
		must_refuse(&p);
	}
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

void test_tickets_refused(void **state)
{
	/* HelloRequest, ServerHello, end of early data, CertificateRequest, KeyUpdate */
	static const unsigned char others[] = { 0, 2, 3, 5, 13, 24, 255 };
	char bytes[64];
	size_t n;

	(void)state;
	refuse_one(&kinds[0], bytes, put_head(bytes, 4, MOST + 1));
	refuse_one(&kinds[0], bytes, put_head(bytes, 4, 0xffffff));
	refuse_one(&kinds[0], bytes, put_head(bytes, 4, LEAST - 1));
	refuse_one(&kinds[0], bytes, put_head(bytes, 4, 0));
	for (size_t i = 0; i < sizeof(others); i++)
		refuse_one(&kinds[0], bytes, put_head(bytes, others[i], LEAST));
	n = put_ticket(bytes, LEAST);
	memcpy(bytes + n, UPDATE, sizeof(UPDATE) - 1);
	refuse_one(&kinds[0], bytes, n + sizeof(UPDATE) - 1);
	/* TLS 1.2 has them in its handshake alone */
	refuse_one(&kinds[KIND_12], bytes, n);
	refuse_behind_part(DATA, "data", 4, false);
	refuse_behind_part(DATA, "data", 4, true);
	refuse_behind_part(ALERT, "\1\0", 2, false);
}

/* A server takes none. */
void test_tickets_of_a_client(void **state)
{
	char bytes[64], space[64];
	struct pair p;

	(void)state;
	begin(&p, &kinds[0]);
	assert_int_equal(stream_share(p.client), -EOPNOTSUPP);
	pair_send_record(p.client, HANDSHAKE, bytes, put_ticket(bytes, LEAST));
	assert_int_equal(pair_read(p.server, space, sizeof(space)), -EPROTO);
	pair_end(&p);
}

/* What the peer's OpenSSL says on its own. */
void test_handshake_refused(void **state)
{
	struct pair p;
	char space[64];
	SSL *ssl;

	(void)state;
	pair_begin(&p, &kinds[0]);
	pair_offload(&p.server, "key update");
	ssl = stream_tls_ssl(p.client);
	assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_do_handshake(ssl), 1);
	assert_int_equal(pair_read(p.server, space, sizeof(space)), -EPROTO);
	assert_true(stream_has_pending(p.server));
	assert_int_equal(stream_write(p.server, STR_LIT("x"), false), -EPROTO);
	/* it is told why */
	assert_int_equal(pair_read(p.client, space, sizeof(space)), -EPROTO);
	assert_non_null(strstr(stream_tls_error(p.client), "unexpected message"));
	pair_end(&p);

	pair_begin(&p, &kinds[KIND_12]);
	pair_offload(&p.server, "renegotiation");
	ssl = stream_tls_ssl(p.client);
	SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_renegotiate(ssl), 1);
	assert_int_equal(SSL_do_handshake(ssl), -1);
	assert_int_equal(pair_read(p.server, space, sizeof(space)), -EPROTO);
	ERR_clear_error();
	pair_end(&p);
}
