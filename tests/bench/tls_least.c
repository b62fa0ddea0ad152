/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What OpenSSL alone takes for TLS, without a network and without us: the limit in the
 * TLS bench for all who use it. Prints one JSON object.
 *
 *   tls_least CERTIFICATE KEY idle COUNT   memory of a server's end after the handshake,
 *                                          its buffers released
 *   tls_least CERTIFICATE KEY bulk MIB     processor time of taking records apart and of
 *                                          making them, from memory to memory
 *
 * Always TLS 1.3 with X25519 and TLS_AES_128_GCM_SHA256.
 */
#include "bench_net.h"

#include <malloc.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECORD 16384
#define WIRE_RECORD 16406 /* with its head, type and tag */
#define RECORDS 4         /* in the wire: what a relay reads or writes at once */
#define SPACE (RECORDS * WIRE_RECORD)
#define HANDSHAKE_MAX 10

/* One direction. */
struct wire {
	size_t first, end;
	char bytes[SPACE];
};

struct ends {
	struct wire to_server, to_client;
};

static char record[RECORD];

/* ---- the BIO: no object but its own ---- */

struct side {
	struct wire *in, *out;
};

static int take(BIO *bio, char *space, int size)
{
	struct wire *w = ((struct side *)BIO_get_data(bio))->in;
	size_t n = w->end - w->first;

	n = n < (size_t)size ? n : (size_t)size;
	BIO_clear_retry_flags(bio);
	if (!n) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(space, w->bytes + w->first, n);
	w->first += n;
	return (int)n;
}

static int give(BIO *bio, const char *bytes, int n)
{
	struct wire *w = ((struct side *)BIO_get_data(bio))->out;

	if (w->first == w->end)
		w->first = w->end = 0;
	if ((size_t)n > sizeof(w->bytes) - w->end)
		die("the wire is full");
	memcpy(w->bytes + w->end, bytes, (size_t)n);
	w->end += (size_t)n;
	return n;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO *bio_of(struct side *side)
{
	static BIO_METHOD *method;
	BIO *bio;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
		if (!method || !BIO_meth_set_read(method, take) ||
			!BIO_meth_set_write(method, give) ||
			!BIO_meth_set_ctrl(method, control))
			die("BIO_meth_new");
	}
	bio = BIO_new(method);
	if (!bio)
		die("BIO_new");
	BIO_set_data(bio, side);
	BIO_set_init(bio, 1);
	return bio;
}

/* ---- a connection ---- */

static SSL_CTX *context_of(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
		!SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") ||
		!SSL_CTX_set1_groups_list(ctx, "X25519"))
		die("OpenSSL");
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, SPACE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static SSL *new_end(SSL_CTX *ctx, struct side *side)
{
	SSL *ssl = SSL_new(ctx);
	BIO *bio = bio_of(side);

	if (!ssl)
		die("SSL_new");
	SSL_set_bio(ssl, bio, bio);
	return ssl;
}

struct contexts {
	SSL_CTX *server, *client;
	struct ends wires;
	struct side of_server, of_client;
};

static void shake(struct contexts *c, SSL **ret_server, SSL **ret_client)
{
	SSL *server = new_end(c->server, &c->of_server);
	SSL *client = new_end(c->client, &c->of_client);

	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < HANDSHAKE_MAX; i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	(void)SSL_read(client, record, RECORD); /* its tickets */
	if (!SSL_is_init_finished(server) || !SSL_is_init_finished(client))
		die("the handshake");
	*ret_server = server;
	*ret_client = client;
}

static void move(SSL *from, SSL *to)
{
	if (SSL_write(from, record, RECORD) != RECORD ||
		SSL_read(to, record, RECORD) != RECORD)
		die("a record");
}

/* ---- what is measured ---- */

static int idle(struct contexts *c, size_t count)
{
	SSL *server, *client;
	size_t before = 0;

	for (size_t i = 0; i <= count; i++) {
		shake(c, &server, &client);
		move(client, server);
		move(server, client);
		SSL_free(client);
		if (i == 0) /* what is made once is there */
			before = mallinfo2().uordblks;
	}
	(void)printf("{\"idle_bytes\": %zu}\n", (mallinfo2().uordblks - before) / count);
	return 0;
}

static double cpu_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int bulk(struct contexts *c, size_t mib)
{
	size_t batches = (mib << 20) / (RECORDS * (size_t)RECORD);
	double write = 0, read = 0, gb = (double)batches * RECORDS * RECORD / 1e9;
	SSL *server, *client;

	shake(c, &server, &client);
	for (size_t i = 0; i < batches; i++) {
		double began = cpu_seconds(), written;

		SSL_clear_mode(server, SSL_MODE_RELEASE_BUFFERS);
		for (int k = 0; k < RECORDS; k++)
			if (SSL_write(server, record, RECORD) != RECORD)
				die("a record");
		written = cpu_seconds();
		for (int k = 0; k < RECORDS; k++)
			if (SSL_read(client, record, RECORD) != RECORD)
				die("a record");
		write += written - began;
		read += cpu_seconds() - written;
	}
	(void)printf("{\"write_s_per_gb\": %.3f, \"read_s_per_gb\": %.3f}\n", write / gb,
		read / gb);
	return 0;
}

int main(int argc, char **argv)
{
	static struct contexts c;

	if (argc != 5) {
		(void)fprintf(stderr,
			"usage: tls_least CERTIFICATE KEY idle COUNT | bulk MIB\n");
		return 2;
	}
	c.of_server = (struct side){ &c.wires.to_server, &c.wires.to_client };
	c.of_client = (struct side){ &c.wires.to_client, &c.wires.to_server };
	c.server = context_of(TLS_server_method());
	c.client = context_of(TLS_client_method());
	if (SSL_CTX_use_certificate_chain_file(c.server, argv[1]) != 1 ||
		SSL_CTX_use_PrivateKey_file(c.server, argv[2], SSL_FILETYPE_PEM) != 1)
		die("the certificate");
	return strcmp(argv[3], "idle") == 0 ? idle(&c, strtoul(argv[4], NULL, 10))
	                                    : bulk(&c, strtoul(argv[4], NULL, 10));
}
