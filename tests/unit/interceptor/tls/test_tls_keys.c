/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates and signatures as the vault gives them to a worker: all of them or none,
   renewed, broken, begun twice; and a vault that refuses to sign, or ends meanwhile. */
#include "interceptor/tls/keys.h"

#include "base/clock.h"
#include "interceptor/worker/worker_fixture.h"
#include "lib/tls/tls_fixture.h"

#include <unistd.h>

/* ---- certificates ---- */

static const char secret[TLS_TICKET_SECRET + 1];

/* What the vault says: a digit: so many will come, s: one, with a secret that is too
   short, a and b: the certificate of a.example or b.example, x: none at all. */
static void say(struct worker_test *b, int vault, char what)
{
	struct message m = { .type = MESSAGE_IDENTITIES,
		.number = what == 's' ? 1 : (uint64_t)(what - '0'),
		.number2 = clock_wall_ms() / 1000,
		.payload = { secret, TLS_TICKET_SECRET - (what == 's') } };
	EVP_PKEY *key = fake_ec_key();
	X509 *x = fake_certificate_for(
		key, what == 'a' ? "DNS:a.example" : "DNS:b.example");
	struct buf pem;

	buf_init(&pem, 0);
	fake_pem(x, &pem);
	if (strchr("abx", what))
		m = (struct message){ .type = MESSAGE_IDENTITY,
			.number = 1,
			.text = STR("test.pem"),
			.payload = what == 'x' ? STR_LIT("?") : buf_view(&pem) };
	worker_test_tell(b, vault, &m);
	buf_fini(&pem);
	X509_free(x);
	EVP_PKEY_free(key);
}

static const struct keys_row {
	const char *name;
	bool is_configured; /* certificates are */
	const char *said;
	int a, b; /* what a client that asks for that name finds */
} keys_rows[] = {
	{ "none, and none are configured", false, "", -ENOENT, -ENOENT },
	{ "none, and so the vault says", false, "0", -ENOENT, -ENOENT },
	{ "not here yet", true, "", -EAGAIN, -EAGAIN },
	{ "half of them", true, "2a", -EAGAIN, -EAGAIN },
	{ "all", true, "2ab", 0, 0 },
	{ "one", true, "1a", 0, -ENOENT },
	{ "one broken among them", true, "2xb", -ENOENT, 0 },
	{ "renewed, and not all are here yet", true, "2ab2b", 0, 0 },
	{ "renewed", true, "2ab1b", -ENOENT, 0 },
	{ "begun again", true, "2a2ab", 0, 0 },
	{ "begun again with fewer", true, "2a1b", -ENOENT, 0 },
	{ "more than were said", true, "1aba", 0, -ENOENT },
	{ "a certificate out of nowhere", true, "a", -EAGAIN, -EAGAIN },
	{ "a secret that is too short", true, "sa", -EAGAIN, -EAGAIN },
	{ "none any more: nobody passes before it is known", true, "1a0", -EAGAIN,
		-EAGAIN },
	{ "and again some", true, "1a01b", -ENOENT, 0 },
};

static void check(struct worker_test *b, const struct keys_row *row)
{
	static const char *const names[] = { "a.example", "b.example" };
	const int wanted[] = { row->a, row->b };

	for (size_t i = 0; i < ROWS(names); i++) {
		SSL_CTX *context = NULL;
		int r = tls_keys_context(&b->w->tls, names[i], "192.0.2.10", &context);

		if (r != wanted[i])
			fail_msg("%s: %s: %d", row->name, names[i], r);
		assert_int_equal(context != NULL, r == 0);
	}
}

static void test_certificates(void **state)
{
	for (size_t i = 0; i < ROWS(keys_rows); i++) {
		struct worker_test *b = *state;
		int vault = worker_test_vault_begins(b);

		b->settings.tls.certificates.n = keys_rows[i].is_configured;
		for (const char *at = keys_rows[i].said; *at; at++)
			say(b, vault, *at);
		check(b, &keys_rows[i]);
		(void)close(vault); /* what is here stays, and handshakes fail */
		worker_test_turns(b);
		check(b, &keys_rows[i]);
		worker_test_teardown(state);
		worker_test_setup(state);
	}
}

/* ---- signatures ---- */

struct handshake {
	struct tls_waiter waiter; /* first */
	struct tls_signature signature;
	unsigned woken;
};

static void wake(struct tls_waiter *waiter)
{
	((struct handshake *)waiter)->woken++;
}

/* A handshake pauses for that digest. */
static void pause_for(struct worker_test *b, struct handshake *h, char digest)
{
	*h = (struct handshake){ .waiter = { &h->signature, wake },
		.signature = { .key = 7,
			.scheme = TLS_ECDSA_SHA256,
			.digest = { (unsigned char)digest },
			.n_digest = 1,
			.signer = &b->w->tls.signer,
			.waiter = &h->waiter } };
	tls_waiter_ask(&h->waiter);
}

static uint64_t question(int vault, char digest)
{
	struct message m;

	assert_true(worker_test_hears(vault, &m, NULL));
	assert_int_equal(m.type, MESSAGE_SIGN);
	assert_int_equal(m.number2, 7 << 16 | TLS_ECDSA_SHA256);
	assert_true(str_eq(m.payload, str_of(&digest, 1)));
	return m.number;
}

static void answer(struct worker_test *b, int vault, uint64_t number, const char *bytes)
{
	const struct message m = {
		.type = MESSAGE_SIGNED, .number = number, .payload = str_from(bytes)
	};

	worker_test_tell(b, vault, &m);
}

static void test_signatures(void **state)
{
	struct worker_test *b = *state;
	int vault = worker_test_vault_begins(b);
	struct handshake h[5];
	uint64_t numbers[5];

	for (int i = 0; i < 5; i++) {
		pause_for(b, &h[i], (char)('0' + i));
		tls_waiter_ask(&h[i].waiter); /* only once */
		numbers[i] = question(vault, (char)('0' + i));
	}
	/* the answers come in another order, one is refused, one handshake has ended */
	answer(b, vault, numbers[2], "two");
	assert_true(h[2].signature.is_done && h[2].signature.code == 0);
	assert_memory_equal(h[2].signature.bytes, "two", 3);
	answer(b, vault, numbers[0], "");
	assert_int_equal(h[0].signature.code, -EACCES);
	tls_signature_cancel(&h[1].signature);
	answer(b, vault, numbers[1], "one");
	assert_int_equal(h[1].woken, 0);
	answer(b, vault, numbers[2], "again");
	answer(b, vault, 999, "nobody's");
	answer(b, vault, numbers[3] + (UINT64_C(1) << 32), "nobody's");
	assert_int_equal(h[2].woken, 1);
	assert_memory_equal(h[2].signature.bytes, "two", 3);
	assert_false(h[3].signature.is_done || h[4].signature.is_done);

	/* the vault ends: they go on to wait, and the next one is asked, in order */
	(void)close(vault);
	worker_test_turns(b);
	assert_false(h[3].signature.is_done || h[4].signature.is_done);
	pause_for(b, &h[0], 'x');
	vault = worker_test_vault_begins(b);
	for (int i = 3; i < 5; i++)
		assert_true(question(vault, (char)('0' + i)) == numbers[i]);
	numbers[0] = question(vault, 'x');
	assert_true(numbers[0] > numbers[4]); /* none is used twice */
	answer(b, vault, numbers[4], "four");
	assert_memory_equal(h[4].signature.bytes, "four", 4);
	answer(b, vault, numbers[1], "one");
	assert_false(h[0].signature.is_done);

	/* and one that does not come back is not waited for without end */
	(void)close(vault);
	worker_test_turns(b);
	b->w->loop.uv.time += VAULT_PATIENCE_MS;
	vault_questions_tick(b->w);
	assert_int_equal(h[0].signature.code, -EACCES);
	assert_int_equal(h[3].signature.code, -EACCES);
	assert_int_equal(h[3].woken, 1);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, worker_test_setup, worker_test_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_certificates),
		ROW(test_signatures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
