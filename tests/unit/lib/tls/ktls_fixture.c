/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lib/tls/ktls_fixture.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define TURNS 100
#define WAIT_MS 100 /* of a turn, when nothing has come */

const struct kind kinds[KINDS] = {
	{ "1.3 AES-128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", NULL },
	{ "1.3 AES-256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", NULL },
	{ "1.3 CHACHA20", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", NULL },
	{ "1.2 AES-128", TLS1_2_VERSION, NULL, "ECDHE-ECDSA-AES128-GCM-SHA256" },
	{ "1.2 AES-256", TLS1_2_VERSION, NULL, "ECDHE-ECDSA-AES256-GCM-SHA384" },
	{ "1.2 CHACHA20", TLS1_2_VERSION, NULL, "ECDHE-ECDSA-CHACHA20-POLY1305" },
};

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct pair *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(p->ticket);
	p->ticket = session;
	return 1;
}

void pair_contexts(struct pair *p, const struct kind *k)
{
	EVP_PKEY *key = fake_ec_key();
	X509 *x = fake_certificate(key);

	memset(p, 0, sizeof(*p));
	p->server_ctx = SSL_CTX_new(TLS_server_method());
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_app_data(p->client_ctx, p);
	SSL_CTX_set_session_cache_mode(
		p->client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(p->client_ctx, keep_ticket);
	SSL_CTX_set_max_proto_version(p->client_ctx, k->version);
	assert_int_equal(SSL_CTX_set_cipher_list(p->server_ctx, "ALL"), 1);
	if (k->suites)
		assert_int_equal(SSL_CTX_set_ciphersuites(p->client_ctx, k->suites), 1);
	if (k->ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(p->client_ctx, k->ciphers), 1);
	assert_int_equal(SSL_CTX_use_certificate(p->server_ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->server_ctx, key), 1);
	EVP_PKEY_free(key);
	X509_free(x);
}

struct stream *pair_plain(int fd)
{
	struct stream *s;

	assert_int_equal(stream_plain_new(NULL, fd, &s), 0);
	return s;
}

void pair_shake(struct pair *p)
{
	int c = -EINPROGRESS, s = -EINPROGRESS;

	for (int i = 0; i < TURNS && (c || s); i++) {
		struct pollfd ends[] = { { p->client->below->fd, POLLIN, 0 },
			{ p->server->below->fd, POLLIN, 0 } };

		c = stream_connected(p->client);
		s = stream_connected(p->server);
		if (c || s)
			(void)poll(ends, N_ROWS(ends), WAIT_MS);
	}
	assert_int_equal(c, 0);
	assert_int_equal(s, 0);
}

ssize_t pair_read(struct stream *s, void *space, size_t size)
{
	ssize_t n = stream_read(s, space, size);

	for (int i = 0; i < TURNS && n == -EAGAIN; i++) {
		struct pollfd p = { s->below->fd, POLLIN, 0 };

		(void)poll(&p, 1, WAIT_MS);
		n = stream_read(s, space, size);
	}
	return n;
}

void pair_say(struct stream *from, struct stream *to, const char *words)
{
	char space[64];
	struct str bytes = str_from(words);

	assert_int_equal(stream_write(from, bytes, false), (ssize_t)bytes.len);
	assert_int_equal(pair_read(to, space, sizeof(space)), (ssize_t)bytes.len);
	assert_memory_equal(space, words, bytes.len);
}

void pair_connect(struct pair *p)
{
	int fds[2];

	kernel_tls_sockets(fds);
	assert_int_equal(
		stream_tls_connect(pair_plain(fds[1]), p->client_ctx, NULL, &p->client),
		0);
	if (p->ticket)
		assert_int_equal(
			SSL_set_session(stream_tls_ssl(p->client), p->ticket), 1);
	assert_int_equal(stream_tls_accept(pair_plain(fds[0]), p->server_ctx, STR_LIT(""),
				 &p->server),
		0);
	pair_shake(p);
	/* as a login does; and the client has its tickets */
	pair_say(p->server, p->client, "* OK hello\r\n");
	pair_say(p->client, p->server, "1 login\r\n");
}

void pair_disconnect(struct pair *p)
{
	stream_shutdown(p->client, SHUT_RDWR); /* or its ticket is not to be used */
	stream_free(p->server);
	stream_free(p->client);
	p->server = p->client = NULL;
}

void pair_begin(struct pair *p, const struct kind *k)
{
	kernel_tls_forget();
	tls_traffic_enable(true);
	pair_contexts(p, k);
	pair_connect(p);
}

void pair_end(struct pair *p)
{
	pair_disconnect(p);
	SSL_SESSION_free(p->ticket);
	SSL_CTX_free(p->server_ctx);
	SSL_CTX_free(p->client_ctx);
	tls_traffic_enable(false);
}

void pair_offload(struct stream **s, const char *name)
{
	int r = stream_tls_offload(s);

	if (r < 0)
		fail_msg("%s: %s", name, strerror(-r));
	assert_string_equal((*s)->ops->kind, "ktls");
}

void pair_send_record(struct stream *s, int type, const void *bytes, size_t len)
{
	char control[CMSG_SPACE(1)] = { 0 };
	struct iovec part = { (void *)(uintptr_t)bytes, len };
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){ .cmsg_level = 282,
		.cmsg_type = TLS_SET_RECORD_TYPE,
		.cmsg_len = CMSG_LEN(1) };
	*CMSG_DATA(c) = (unsigned char)type;
	assert_int_equal(sendmsg(s->below->fd, &m, 0), len);
}

void pair_give_away(struct pair *p)
{
	struct stream *there;
	int fd = stream_share(p->server);

	assert_true(fd >= 0);
	stream_free(p->server);
	assert_int_equal(stream_socket_new(NULL, fd, &there), 0);
	p->server = there;
	assert_string_equal(there->ops->kind, "ktls");
}
