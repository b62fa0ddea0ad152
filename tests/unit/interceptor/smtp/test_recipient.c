/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Forms of an address in which a server would deliver to a user: all lead to the account,
   or are refused, once the account may live here. */
#include "interceptor/smtp/recipient.h"

#include "lib/registry/registry_fixture.h"
#include "registry/alias.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct want {
	const char *text;
	enum recipient_is is;
	const char *account; /* of KNOWN */
};

static struct settings settings_of(size_t n_domains)
{
	struct settings s = { .n_domains = n_domains, .n_sources = 2 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	s.domains[0] = (char *)(uintptr_t) "example.com";
	s.domains[1] = (char *)(uintptr_t) "example.net";
	(void)inet_pton(AF_INET, "192.0.2.10", &v4.sin_addr);
	(void)inet_pton(AF_INET6, "2001:db8::10", &v6.sin6_addr);
	memcpy(&s.sources[0], &v4, sizeof(v4));
	memcpy(&s.sources[1], &v6, sizeof(v6));
	return s;
}

static void check(struct test *t, size_t n_domains, const struct want *rows, size_t n)
{
	struct settings settings = settings_of(n_domains);
	struct recipient_names names = { .registry = t->r,
		.settings = &settings,
		.source_name = STR("mail.example.com") };

	for (size_t i = 0; i < n; i++) {
		struct recipient got;

		NO_ERROR(recipient_find(
			&names, str_from(rows[i].text), &t->arena, &got, &t->err));
		if (got.is != rows[i].is ||
			(rows[i].account && strcmp(got.account.name, rows[i].account)))
			fail_msg("%s: %d %s", rows[i].text, got.is, got.account.name);
	}
}

/* Alice lives here; bob, at the source, is known; the others have not logged in. */
static void test_one_domain(void **state)
{
	static const struct want rows[] = {
		{ "alice@example.com", RECIPIENT_KNOWN, "alice" },
		{ "Alice@EXAMPLE.com.", RECIPIENT_KNOWN, "alice" },
		{ "alice+x@example.com", RECIPIENT_KNOWN, "alice" },
		{ "\"alice\"@example.com", RECIPIENT_KNOWN, "alice" },
		{ "al\\ice@example.com", RECIPIENT_KNOWN, "alice" },
		{ "alice(at home)@example.com", RECIPIENT_KNOWN, "alice" },
		{ "alice@example.com (Alice)", RECIPIENT_KNOWN, "alice" },
		{ "alice", RECIPIENT_KNOWN, "alice" },
		{ "ALICE", RECIPIENT_KNOWN, "alice" },
		{ "alice@localhost", RECIPIENT_KNOWN, "alice" },
		{ "alice@localhost.localdomain", RECIPIENT_KNOWN, "alice" },
		{ "alice@mail.example.com", RECIPIENT_KNOWN, "alice" },
		{ "alice@[192.0.2.10]", RECIPIENT_KNOWN, "alice" },
		{ "alice@[IPv6:2001:db8:0::10]", RECIPIENT_KNOWN, "alice" },
		{ "alice%example.com@example.com", RECIPIENT_KNOWN, "alice" },
		{ "alice%example.com", RECIPIENT_KNOWN, "alice" },
		{ "alice%example.com@mail.example.com", RECIPIENT_KNOWN, "alice" },
		{ "alice%localhost@[192.0.2.10]", RECIPIENT_KNOWN, "alice" },
		{ "example.com!alice@example.com", RECIPIENT_KNOWN, "alice" },
		{ "\"alice@example.com\"@example.com", RECIPIENT_KNOWN, "alice" },
		{ "bob", RECIPIENT_KNOWN, "bob" },
		{ "postmaster", RECIPIENT_KNOWN, "alice" },
		{ "PostMaster@localhost", RECIPIENT_KNOWN, "alice" },
		/* the source's, or others' */
		{ "carol", RECIPIENT_UNKNOWN, NULL },
		{ "carol%example.com@example.com", RECIPIENT_UNKNOWN, NULL },
		{ "alice@example.org", RECIPIENT_UNKNOWN, NULL },
		{ "alice@[192.0.2.11]", RECIPIENT_UNKNOWN, NULL },
		{ "alice@[]", RECIPIENT_UNKNOWN, NULL },
		{ "alice%example.org@example.com", RECIPIENT_UNKNOWN, NULL },
		{ "alice%example.com@example.org", RECIPIENT_UNKNOWN, NULL },
		{ "Carol <carol@example.org", RECIPIENT_UNKNOWN, NULL },
		{ "@a,@b:carol@example.org", RECIPIENT_UNKNOWN, NULL },
		/* it may be alice */
		{ "Alice <alice@example.com", RECIPIENT_UNREADABLE, NULL },
		{ "@a:@b:alice@Example.com", RECIPIENT_UNREADABLE, NULL },
		{ "alice@ex ample@localhost", RECIPIENT_UNREADABLE, NULL },
		{ "alice(@example.com", RECIPIENT_UNREADABLE, NULL },
		{ "alice bob", RECIPIENT_UNREADABLE, NULL },
		{ " <alice>", RECIPIENT_UNREADABLE, NULL },
		{ "alice@[192.0.2.10", RECIPIENT_UNREADABLE, NULL },
	};
	struct test *t = *state;

	arrive(t, capture(t, "alice", "secret"));
	(void)capture(t, "bob", "secret");
	NO_ERROR(registry_add_alias(t->r, STR_LIT("postmaster"), STR_LIT("example.com"),
		STR_LIT("alice"), &t->err));
	check(t, 1, rows, ROWS(rows));
}

/* Names alone may then be of either domain, or of none. */
static void test_two_domains(void **state)
{
	static const struct want rows[] = {
		{ "alice", RECIPIENT_KNOWN, "alice@example.com" },
		{ "dave", RECIPIENT_KNOWN, "dave@example.net" },
		{ "dave@[192.0.2.10]", RECIPIENT_KNOWN, "dave@example.net" },
		{ "erin", RECIPIENT_KNOWN, "erin" },
		{ "bob", RECIPIENT_UNREADABLE, NULL },
		{ "bob@example.com", RECIPIENT_KNOWN, "bob@example.com" },
		{ "bob%example.net@example.com", RECIPIENT_KNOWN, "bob@example.net" },
		{ "frank", RECIPIENT_UNKNOWN, NULL },
		/* both at the source */
		{ "carol", RECIPIENT_KNOWN, "carol@example.com" },
	};
	struct test *t = *state;

	set_domains(t, 2);
	arrive(t, capture(t, "alice@example.com", "secret"));
	arrive(t, capture(t, "dave@example.net", "secret"));
	arrive(t, capture(t, "erin", "secret"));
	arrive(t, capture(t, "bob@example.com", "secret"));
	(void)capture(t, "bob@example.net", "secret");
	(void)capture(t, "carol@example.com", "secret");
	(void)capture(t, "carol@example.net", "secret");
	check(t, 2, rows, ROWS(rows));
}

/* As long as nobody lives here, the source may have what nobody can read. */
static void test_nobody_here(void **state)
{
	static const struct want rows[] = {
		{ "Alice <alice@example.com", RECIPIENT_ANYBODY, NULL },
		{ "alice bob", RECIPIENT_ANYBODY, NULL },
		{ "alice", RECIPIENT_KNOWN, "alice" },
		{ "bob", RECIPIENT_UNKNOWN, NULL },
	};
	struct test *t = *state;

	(void)capture(t, "alice", "secret");
	check(t, 1, rows, ROWS(rows));
}

/* For a server that knows accounts by name and our domains, and none of our aliases. */
static void test_at_home(void **state)
{
	static const struct {
		const char *text, *account, *wanted;
	} rows[] = {
		{ "alice@example.com", "alice", "alice@example.com" },
		{ "ALICE+News@Example.COM", "alice", "ALICE+News@Example.COM" },
		{ "alice", "alice", "alice@example.com" },
		{ "alice@[192.0.2.10]", "alice", "alice@example.com" },
		{ "info@example.com", "alice", "alice@example.com" },
		{ "alice2@example.com", "alice", "alice@example.com" },
		{ "alice@example.net", "alice@example.com", "alice@example.com" },
		{ "alice+x@example.net", "alice@example.net", "alice+x@example.net" },
		{ "Alice <alice@example.com", "alice", "alice@example.com" },
	};
	struct test *t = *state;

	for (size_t i = 0; i < ROWS(rows); i++) {
		bool two = strchr(rows[i].account, '@') != NULL;
		struct settings settings = { .n_domains = two ? 2 : 1 };
		struct recipient_names names = {
			.registry = t->r, .settings = &settings, .source_name = STR("")
		};
		char first[] = "example.com", second[] = "example.net";
		struct str at;

		settings.domains[0] = first;
		settings.domains[1] = second;
		at = recipient_at_home(&names, str_from(rows[i].text),
			str_from(rows[i].account), &t->arena);
		if (!str_eq(at, str_from(rows[i].wanted)))
			fail_msg("%s: %.*s", rows[i].text, STR_ARG(at));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_one_domain, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_two_domains, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_nobody_here, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			test_at_home, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
