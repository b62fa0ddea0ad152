/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/rules.h"
#include "settings/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_in address4(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	assert_int_equal(inet_pton(AF_INET, text, &a.sin_addr), 1);
	return a;
}

static struct ruleset good(void)
{
	struct sockaddr_in a = address4("192.0.2.10");
	struct ruleset r;

	ruleset_init(&r);
	assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a), 0);
	assert_int_equal(ruleset_add_service(&r, "imap", 143, 0, 0), 0);
	return r;
}

/* ---- validation ---- */

static void no_source(struct ruleset *r)
{
	r->n_sources = 0;
}

static void any_source(struct ruleset *r)
{
	struct sockaddr_in a = address4("0.0.0.0");

	(void)ruleset_add_source(r, (const struct sockaddr *)&a);
}

static void any_source6(struct ruleset *r)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };

	(void)ruleset_add_source(r, (const struct sockaddr *)&a);
}

static void no_service(struct ruleset *r)
{
	r->n_services = 0;
}

static void port_zero(struct ruleset *r)
{
	(void)ruleset_add_service(r, "pop3", 0, 110, 0);
}

static void same_port(struct ruleset *r)
{
	(void)ruleset_add_service(r, "pop3", 143, 0, 0);
}

static void same_name(struct ruleset *r)
{
	(void)ruleset_add_service(r, "imap", 144, 0, 0);
}

static void odd_name(struct ruleset *r)
{
	(void)ruleset_add_service(r, "i map", 144, 0, 0);
}

static void empty_name(struct ruleset *r)
{
	(void)ruleset_add_service(r, "", 144, 0, 0);
}

static void main_table(struct ruleset *r)
{
	r->route_table = 254;
}

static void table_zero(struct ruleset *r)
{
	r->route_table = 0;
}

static void mark_zero(struct ruleset *r)
{
	r->marks.divert = 0;
}

static void test_validate(void **state)
{
	static const struct {
		void (*spoil)(struct ruleset *r);
		const char *says;
	} rows[] = {
		{ no_source, "no source address" },
		{ any_source, "0.0.0.0 or ::" },
		{ any_source6, "0.0.0.0 or ::" },
		{ no_service, "no service" },
		{ port_zero, "service pop3 has port 0" },
		{ same_port, "services imap and pop3 have the same port 143" },
		{ same_name, "service imap is there twice" },
		{ odd_name, "service name 'i map'" },
		{ empty_name, "service name ''" },
		{ main_table, "routing table 254" },
		{ table_zero, "routing table 0" },
		{ mark_zero, "divert mark is 0" },
	};
	struct ruleset r = good();

	(void)state;
	assert_int_equal(ruleset_validate(&r, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = { 0 };

		r = good();
		rows[i].spoil(&r);
		if (ruleset_validate(&r, &err) != -EINVAL ||
			!strstr(err.text, rows[i].says))
			fail_msg("row %zu: \"%s\"", i, err.text);
	}
}

static void test_limits(void **state)
{
	struct ruleset r;
	struct sockaddr_in a = address4("192.0.2.1");
	struct sockaddr_un {
		sa_family_t family;
	} local = { AF_UNIX };

	(void)state;
	ruleset_init(&r);
	assert_int_equal(r.fail, RULES_FAIL_CLOSED);
	for (int i = 0; i < RULES_ADDRESSES_MAX; i++) {
		a.sin_addr.s_addr = htonl(0xc0000201U + (uint32_t)i);
		assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a), 0);
	}
	/* One that is there already needs no room. */
	assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a), 0);
	assert_int_equal(r.n_sources, RULES_ADDRESSES_MAX);
	a.sin_addr.s_addr = htonl(0xc6336401U);
	assert_int_equal(ruleset_add_source(&r, (const struct sockaddr *)&a), -ENOSPC);
	assert_int_equal(
		ruleset_add_source(&r, (const struct sockaddr *)&local), -EAFNOSUPPORT);
	for (int i = 0; i < RULES_SERVICES_MAX; i++)
		assert_int_equal(
			ruleset_add_service(&r, "x", (uint16_t)(i + 1), 0, 0), 0);
	assert_int_equal(ruleset_add_service(&r, "x", 99, 0, 0), -ENOSPC);
	assert_int_equal(r.services[3].upstream_port, 4);
}

/* ---- from the configuration ---- */

static void test_from_settings(void **state)
{
	static const char text[] = "source = \"192.0.2.10\"\n"
				   "domains = {\"example.com\"}\n"
				   "strategy = \"after-logoff\"\n"
				   "fail = \"open\"\n"
				   "source_moved_to = \"198.51.100.7\"\n"
				   "mark_mask = \"0x00001b00\"\nmark = 0x1000\n";
	struct settings s;
	struct error err = { 0 };
	struct ruleset r;
	bool imap = false;

	(void)state;
	if (settings_parse("test", text, &s, &err))
		fail_msg("%s", err.text);
	if (ruleset_from_settings(&s, &r, &err))
		fail_msg("%s", err.text);
	settings_fini(&s);
	assert_int_equal(r.fail, RULES_FAIL_OPEN);
	assert_int_equal(r.n_sources, 1);
	assert_int_equal(r.n_upstreams, 1);
	assert_int_equal(((struct sockaddr_in *)&r.upstreams[0])->sin_addr.s_addr,
		address4("198.51.100.7").sin_addr.s_addr);
	for (size_t i = 0; i < r.n_services; i++)
		imap = imap || (!strcmp(r.services[i].name, "imap") &&
				       r.services[i].port == 143 &&
				       r.services[i].upstream_port == 143);
	assert_true(imap);
	assert_int_equal(r.marks.mask, 0x1a00);
	assert_int_equal(r.marks.direct, 0x100);
}

/* Whatever bits they are, no two marks are the same and none is 0. */
static void test_marks(void **state)
{
	static const struct {
		uint32_t mask, mark, refused, listener;
	} rows[] = {
		{ 0x78000000, 0x10000000, 0x70000000, 0x20000000 },
		{ 0x78000000, 0x40000000, 0x70000000, 0x20000000 },
		{ 0x78000000, 0x70000000, 0x10000000, 0x20000000 },
		{ 0x00001b00, 0x00000200, 0x00001a00, 0x00000800 },
		{ 0x80000007, 0x00000002, 0x80000006, 0x00000004 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct marks m = marks_of(rows[i].mask, rows[i].mark);
		uint32_t seen[MARK_REFUSED + 1] = { 0 };

		assert_int_equal(m.mask | m.direct, rows[i].mask);
		assert_int_equal(mark_bits(&m, MARK_NONE), 0);
		assert_int_equal(mark_bits(&m, MARK_DIVERT), rows[i].mark);
		assert_int_equal(mark_bits(&m, MARK_REFUSED), rows[i].refused);
		assert_int_equal(mark_bits(&m, MARK_LISTENER), rows[i].listener);
		for (int n = MARK_DIVERT; n <= MARK_REFUSED; n++) {
			seen[n] = mark_bits(&m, (enum mark)n);
			assert_int_equal(seen[n] & ~m.mask, 0);
			for (int before = MARK_NONE; before < n; before++)
				assert_int_not_equal(seen[before], seen[n]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_from_settings),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
