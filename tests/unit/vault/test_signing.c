/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signatures that one asker wants, and that nobody else waits for. */
#include "lib/tls/tls_fixture.h"
#include "vault/server.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define RSA_SCHEME 0x0804 /* rsa_pss_rsae_sha256 */
#define EC_SCHEME 0x0403  /* ecdsa_secp256r1_sha256 */
#define FLOOD 100
#define MANY (ASKER_SIGNINGS_MAX + 8)

enum { KEY_RSA, KEY_EC };

struct vault_process {
	struct server server;
	struct asker *asker;
	int fd; /* the asker's end */
};

static void begin(struct vault_process *p)
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(uv_loop_init(&p->server.loop), 0);
	LIST_INIT(&p->server.askers);
	p->server.tls.n = 2;
	p->server.tls.identities[KEY_RSA].key = fake_rsa_key();
	p->server.tls.identities[KEY_EC].key = fake_ec_key();
	assert_int_equal(socketpair(AF_UNIX,
				 SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
		0);
	p->fd = fds[0];
	p->asker = asker_new(&p->server, ROLE_LOGIN, fds[1]);
	assert_non_null(p->asker);
}

static void end(struct vault_process *p)
{
	while (!LIST_EMPTY(&p->server.askers))
		asker_close(LIST_FIRST(&p->server.askers));
	assert_int_equal(uv_run(&p->server.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&p->server.loop), 0);
	vault_tls_close(&p->server.tls);
	if (p->fd >= 0)
		close(p->fd);
}

/* What is signed for question `number`. */
static struct str digest_of(uint64_t number, unsigned char space[static 32])
{
	memset(space, (int)number, 32);
	return str_of((char *)space, 32);
}

static void ask_at(int fd, uint64_t number, uint64_t key, unsigned scheme, size_t len)
{
	unsigned char digest[32];
	struct message m = { .type = MESSAGE_SIGN,
		.number = number,
		.number2 = key << 16 | scheme,
		.payload = str_take(digest_of(number, digest), len) };
	char bytes[MESSAGE_SMALL_MAX];
	ssize_t n = message_encode(&m, bytes, sizeof(bytes));

	assert_true(n > 0);
	assert_int_equal(send(fd, bytes, (size_t)n, 0), n);
}

static void ask(const struct vault_process *p, uint64_t number, uint64_t key,
	unsigned scheme, size_t len)
{
	ask_at(p->fd, number, key, scheme, len);
}

static bool is_right(struct vault_process *p, const struct message *m)
{
	bool is_rsa = m->payload.len == 256;
	EVP_PKEY *key = p->server.tls.identities[is_rsa ? KEY_RSA : KEY_EC].key;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	unsigned char digest[32];
	bool ok = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
	          EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1;

	if (ok && is_rsa)
		ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1;
	(void)digest_of(m->number, digest);
	ok = ok && EVP_PKEY_verify(ctx, (const unsigned char *)m->payload.ptr,
			   m->payload.len, digest, sizeof(digest)) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* The next answer. Its number; 0: it has no signature. */
static uint64_t answered(struct vault_process *p)
{
	char bytes[MESSAGE_SMALL_MAX];
	struct message m;
	ssize_t n;

	while ((n = recv(p->fd, bytes, sizeof(bytes), 0)) < 0 && errno == EAGAIN)
		(void)uv_run(&p->server.loop, UV_RUN_ONCE);
	assert_true(n > 0);
	assert_int_equal(message_decode(str_of(bytes, (size_t)n), &m), 0);
	assert_int_equal(m.type, MESSAGE_SIGNED);
	if (!m.payload.len)
		return 0;
	assert_true(is_right(p, &m));
	return m.number;
}

static void test_nobody_waits_for_rsa(void **state)
{
	struct vault_process p;
	unsigned seen = 0;

	(void)state;
	begin(&p);
	for (uint64_t i = 1; i <= 8; i++)
		ask(&p, i, KEY_RSA, RSA_SCHEME, 32);
	ask(&p, 9, KEY_EC, EC_SCHEME, 32);
	assert_int_equal(answered(&p), 9);
	for (int i = 0; i < 8; i++)
		seen |= 1u << answered(&p);
	assert_int_equal(seen, 0x1fe);
	end(&p);
}

static void test_one_asker_has_a_share(void **state)
{
	struct vault_process p;
	uint64_t sum = 0;

	(void)state;
	begin(&p);
	for (uint64_t i = 1; i <= MANY; i++)
		ask(&p, i, KEY_RSA, RSA_SCHEME, 32);
	for (int i = 0; i < MANY; i++) {
		sum += answered(&p);
		assert_true(p.asker->signings <= ASKER_SIGNINGS_MAX);
	}
	assert_int_equal(sum, MANY * (MANY + 1) / 2);
	assert_int_equal(p.asker->signings, 0);
	ask(&p, 1, KEY_EC, EC_SCHEME, 32);
	assert_int_equal(answered(&p), 1);
	end(&p);
}

/* Who asks without end is heard in turns: another one's password is not kept waiting. */
static void test_another_asker_has_its_turn(void **state)
{
	struct vault_process p;
	struct pollfd other = { .events = POLLIN };
	int fds[2], answers = 0;
	char byte;

	(void)state;
	begin(&p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_non_null(asker_new(&p.server, ROLE_LOGIN, fds[1]));
	for (uint64_t i = 1; i <= FLOOD; i++)
		ask(&p, i, KEY_EC, EC_SCHEME, 32);
	other.fd = fds[0];
	ask_at(other.fd, 1, KEY_EC, EC_SCHEME, 32);
	while (!poll(&other, 1, 0))
		(void)uv_run(&p.server.loop, UV_RUN_ONCE);
	close(other.fd);
	while (recv(p.fd, &byte, 1, 0) >= 0)
		answers++;
	assert_true(answers < FLOOD);
	end(&p);
}

static void test_what_cannot_be_signed(void **state)
{
	struct vault_process p;

	(void)state;
	begin(&p);
	ask(&p, 1, 2, EC_SCHEME, 32); /* no such key */
	ask(&p, 2, KEY_EC, RSA_SCHEME, 32);
	ask(&p, 3, KEY_RSA, EC_SCHEME, 32);
	ask(&p, 4, KEY_RSA, RSA_SCHEME, 31); /* another digest's length */
	ask(&p, 5, KEY_RSA, RSA_SCHEME, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(answered(&p), 0);
	end(&p);
}

/* Keys are renewed and the asker goes while its signatures are under way. */
static void test_the_end_meanwhile(void **state)
{
	struct vault_process p;

	(void)state;
	begin(&p);
	for (uint64_t i = 1; i <= MANY; i++)
		ask(&p, i, KEY_RSA, RSA_SCHEME, 32);
	(void)uv_run(&p.server.loop, UV_RUN_ONCE);
	vault_tls_close(&p.server.tls);
	close(p.fd);
	p.fd = -1;
	(void)uv_run(&p.server.loop, UV_RUN_DEFAULT);
	assert_true(LIST_EMPTY(&p.server.askers));
	end(&p);
}

/* A chain of certificates takes more than what most answers do. */
static void test_long_answers(void **state)
{
	static char long_one[IPC_MESSAGE_MAX], got[IPC_MESSAGE_MAX];
	static const size_t sizes[] = { 1, MESSAGE_SMALL_MAX - 100, MESSAGE_SMALL_MAX,
		IPC_MESSAGE_MAX / 2, IPC_MESSAGE_MAX };
	struct vault_process p;

	(void)state;
	begin(&p);
	memset(long_one, 'c', sizeof(long_one));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct message m = { .type = MESSAGE_IDENTITY,
			.payload = str_of(long_one, sizes[i]) };
		struct message heard;
		ssize_t n;

		asker_send(p.asker, &m);
		n = recv(p.fd, got, sizeof(got), 0);
		if (sizes[i] == IPC_MESSAGE_MAX) {
			assert_int_equal(n, 0); /* it cannot be said: cut off */
			continue;
		}
		assert_true(n > 0);
		assert_int_equal(message_decode(str_of(got, (size_t)n), &heard), 0);
		assert_true(str_eq(heard.payload, m.payload));
	}
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_waits_for_rsa),
		cmocka_unit_test(test_one_asker_has_a_share),
		cmocka_unit_test(test_another_asker_has_its_turn),
		cmocka_unit_test(test_what_cannot_be_signed),
		cmocka_unit_test(test_the_end_meanwhile),
		cmocka_unit_test(test_long_answers),
	};

	(void)setenv("UV_THREADPOOL_SIZE", "3", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
