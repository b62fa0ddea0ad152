/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client of the TLS bench. Prints one JSON object.
 *
 *   bench_tls ADDRESS PORT full|resumed COUNT AT_ONCE
 *       COUNT times connect, handshake, greeting, close; AT_ONCE side by side. resumed:
 *       each with the newest ticket that any of them got
 *   bench_tls ADDRESS PORT bulk MIB       one session, one FETCH of MIB MiB
 *   bench_tls ADDRESS PORT idle COUNT     COUNT sessions, logged in, until stdin ends
 *
 * Always TLS 1.3 with X25519 and TLS_AES_128_GCM_SHA256, and any certificate.
 */
#include "bench_net.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define NAME "mail.example.com"
#define EVENTS 256
#define SPACE (64 * 1024)

static char space[SPACE];
static SSL_SESSION *newest; /* with resumed */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(newest);
	newest = SSL_SESSION_dup(session); /* OpenSSL spoils one that it has used */
	return 0;
}

static SSL_CTX *make_context(bool keeps_sessions)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
		!SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") ||
		!SSL_CTX_set1_groups_list(ctx, "X25519"))
		die("OpenSSL");
	SSL_CTX_set_read_ahead(ctx, 1);
	if (keeps_sessions) {
		SSL_CTX_set_session_cache_mode(
			ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
	}
	return ctx;
}

struct target {
	const char *address, *port;
	SSL_CTX *context;
};

static void use_newest(SSL *ssl)
{
	SSL_SESSION *own = newest ? SSL_SESSION_dup(newest) : NULL;

	if (own && !SSL_set_session(ssl, own))
		die("SSL_set_session");
	SSL_SESSION_free(own);
}

static SSL *begin(const struct target *t)
{
	int fd = connect_to(t->address, t->port);
	SSL *ssl = SSL_new(t->context);

	if (!ssl || !SSL_set_fd(ssl, fd) || !SSL_set_tlsext_host_name(ssl, NAME))
		die("SSL_new");
	use_newest(ssl);
	SSL_set_connect_state(ssl);
	return ssl;
}

static void end(SSL *ssl)
{
	close(SSL_get_fd(ssl));
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN); /* else its ticket counts as spoilt */
	SSL_free(ssl);
}

/* ── one after the other ──────────────────────────────────────────────────────────── */

static void say(SSL *ssl, const char *text)
{
	if (SSL_write(ssl, text, (int)strlen(text)) <= 0)
		die("write");
}

/* Reads until a line ends what was read and starts with `tag`. All bytes read. */
static uint64_t until_tagged(SSL *ssl, const char *tag)
{
	char last[256] = "";
	uint64_t total = 0;

	for (;;) {
		int n = SSL_read(ssl, space, sizeof(space) - 1);
		size_t kept = strlen(last), tail;
		char *line;

		if (n <= 0)
			die("the session ended");
		total += (uint64_t)n;
		space[n] = '\0';
		tail = n < 100 ? (size_t)n : 100; /* our tagged answers are short */
		memmove(last, last + (kept > 100 ? kept - 100 : 0),
			kept > 100 ? 101 : kept + 1);
		memcpy(last + strlen(last), space + n - tail, tail + 1);
		kept = strlen(last);
		if (last[kept - 1] != '\n')
			continue;
		line = memrchr(last, '\n', kept - 1);
		line = line ? line + 1 : last;
		if (strncmp(line, tag, strlen(tag)) == 0)
			return total;
	}
}

static SSL *log_in(const struct target *t)
{
	SSL *ssl = begin(t);

	(void)until_tagged(ssl, "* OK");
	say(ssl, "a LOGIN bench secret\r\n");
	(void)until_tagged(ssl, "a OK");
	return ssl;
}

static int bulk(const struct target *t, const char *mib)
{
	SSL *ssl = log_in(t);
	char line[64];
	uint64_t began, bytes, took;

	(void)snprintf(line, sizeof(line), "b UID FETCH %s BULK\r\n", mib);
	began = now_us();
	say(ssl, line);
	bytes = until_tagged(ssl, "b OK");
	took = now_us() - began;
	(void)printf("{\"bytes\": %llu, \"mb_per_s\": %.1f}\n", (unsigned long long)bytes,
		(double)bytes / (double)took);
	end(ssl);
	return 0;
}

static int idle(const struct target *t, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)log_in(t); /* until we end */
	(void)printf("{\"sessions\": %zu}\n", count);
	(void)fflush(stdout);
	return getchar() == EOF ? 0 : 1;
}

/* ── side by side ─────────────────────────────────────────────────────────────────── */

struct run {
	const struct target *target;
	size_t to_start, started, done, resumed, failed;
	int epoll;
};

static void start(struct run *r)
{
	SSL *ssl = begin(r->target);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = ssl };
	int fd = SSL_get_fd(ssl);

	r->started++;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
		epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
	(void)SSL_do_handshake(ssl); /* says its hello */
}

static void ready(struct run *r, SSL *ssl)
{
	int n = SSL_read(ssl, space, sizeof(space));

	if (n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ)
		return;
	r->resumed += (size_t)SSL_session_reused(ssl);
	if (n > 4 && memcmp(space, "* OK", 4) == 0)
		r->done++;
	else
		r->failed++;
	end(ssl);
	if (r->started < r->to_start)
		start(r);
}

static int handshakes(const struct target *t, size_t count, size_t at_once, bool resumes)
{
	struct run r = { .target = t, .to_start = count };
	struct epoll_event events[EVENTS];
	uint64_t began, took;

	if (resumes)
		end(log_in(t)); /* the first ticket */
	began = now_us();
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	while (r.started < at_once && r.started < count)
		start(&r);
	while (r.done + r.failed < count) {
		int n = epoll_wait(r.epoll, events, EVENTS, 30000);

		if (n <= 0)
			die("no answer for 30 s");
		for (int i = 0; i < n; i++)
			ready(&r, events[i].data.ptr);
	}
	took = now_us() - began;
	(void)printf("{\"handshakes\": %zu, \"resumed\": %zu, \"failed\": %zu, "
		     "\"per_s\": %.0f}\n",
		r.done, r.resumed, r.failed, (double)r.done * 1e6 / (double)took);
	/* HAProxy takes each ticket once: the first that go side by side are full */
	return r.failed || (resumes && r.resumed + at_once < r.done) ? 1 : 0;
}

int main(int argc, char **argv)
{
	bool resumes = argc == 6 && strcmp(argv[3], "resumed") == 0;
	struct target t = { .address = argc > 2 ? argv[1] : "",
		.port = argc > 2 ? argv[2] : "",
		.context = make_context(resumes) };

	if (argc == 5 && strcmp(argv[3], "bulk") == 0)
		return bulk(&t, argv[4]);
	if (argc == 5 && strcmp(argv[3], "idle") == 0)
		return idle(&t, strtoul(argv[4], NULL, 10));
	if (resumes || (argc == 6 && strcmp(argv[3], "full") == 0))
		return handshakes(&t, strtoul(argv[4], NULL, 10),
			strtoul(argv[5], NULL, 10), resumes);
	(void)fprintf(stderr,
		"usage: bench_tls ADDRESS PORT full|resumed COUNT AT_ONCE | "
		"bulk MIB | idle COUNT\n");
	return 2;
}
