/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which addresses are noted for an account, and that strangers cannot fill the table. */
#include "registry_fixture.h"

#include "base/clock.h"
#include "registry/alias.h"
#include "registry/delivered.h"

static void accept_mail(struct test *t, const char *address, uint64_t days_ago)
{
	struct str rest = str_from(address), local = str_split(&rest, '@');
	uint64_t at = clock_wall_ms() - days_ago * DAY_MS;
	struct recipients_seen seen = { .local = local,
		.domain = rest,
		.client = STR("192.0.2.1"),
		.first_at = at,
		.last_at = at,
		.accepted = 1 };

	NO_ERROR(registry_count_recipients(t->r, &seen, 1, &t->err));
}

static void see(struct test *t, int64_t account, const char *address)
{
	const struct str one = str_from(address);

	NO_ERROR(registry_note_delivered(t->r, account, &one, 1, &t->err));
}

struct found {
	size_t n;
	uint64_t messages, of_account;
	char address[64];
};

static int find(void *context, const struct delivered_row *row)
{
	struct found *f = context;

	f->n++;
	f->messages = row->messages;
	f->of_account = row->of_account;
	assert_true(row->address.len < sizeof(f->address));
	memcpy(f->address, row->address.ptr, row->address.len);
	f->address[row->address.len] = '\0';
	return 0;
}

static struct found all(struct test *t)
{
	struct found f = { .n = 0 };

	NO_ERROR(registry_each_delivered(t->r, find, &f, &t->err));
	return f;
}

/* Each in a registry of its own, where alice lives here and staff@ is her alias. */
static const struct {
	const char *name, *accepted, *seen;
	uint64_t days_ago;
	const char *noted; /* NULL: nothing */
} rows[] = {
	{ "an alias", "info@example.com", "Info@Example.com", 0, "info@example.com" },
	{ "accepted yesterday", "info@example.com", "info@example.com", 1,
		"info@example.com" },
	{ "long ago", "info@example.com", "info@example.com", 2, NULL },
	{ "never accepted", "other@example.com", "info@example.com", 0, NULL },
	{ "her own", "alice@example.com", "alice@example.com", 0, NULL },
	{ "with a sub-address", "alice+x@example.com", "alice+x@example.com", 0, NULL },
	{ "her alias", "staff@example.com", "staff@example.com", 0, NULL },
	{ "another domain", "info@example.org", "info@example.org", 0, NULL },
	{ "for a shell", "a;reboot@example.com", "a;reboot@example.com", 0, NULL },
	{ "an option", "-f@example.com", "-f@example.com", 0, NULL },
	{ "two words", "a b@example.com", "a b@example.com", 0, NULL },
	{ "no address", "info@example.com", "info", 0, NULL },
	{ "empty", "info@example.com", "@example.com", 0, NULL },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct test *t;
		struct found f;
		int64_t alice;

		assert_int_equal(fixture_setup(state), 0);
		t = *state;
		set_domains(t, 1);
		alice = capture(t, "alice", "secret");
		NO_ERROR(registry_add_alias(t->r, STR_LIT("staff"),
			STR_LIT("example.com"), STR_LIT("alice"), &t->err));
		accept_mail(t, rows[i].accepted, rows[i].days_ago);
		see(t, alice, rows[i].seen);
		f = all(t);
		if (f.n != (rows[i].noted != NULL) ||
			(rows[i].noted && strcmp(f.address, rows[i].noted) != 0))
			fail_msg("%s: %zu \"%s\"", rows[i].name, f.n, f.address);
		assert_int_equal(fixture_teardown(state), 0);
	}
}

static void test_many(void **state)
{
	struct test *t = *state;
	int64_t alice = capture(t, "alice", "secret"), bob = capture(t, "bob", "secret");
	struct found f;

	set_domains(t, 1);
	for (int i = 0; i < DELIVERED_MAX + 20; i++) {
		char address[32];

		(void)snprintf(address, sizeof(address), "%d@example.com", i);
		accept_mail(t, address, 0);
		see(t, alice, address);
	}
	assert_int_equal(all(t).n, DELIVERED_MAX);
	assert_int_equal(all(t).of_account, DELIVERED_MAX);
	see(t, alice, "0@example.com");
	accept_mail(t, "z@example.com", 0);
	see(t, bob, "z@example.com");
	see(t, bob, "z@example.com");
	f = all(t);
	assert_int_equal(f.n, DELIVERED_MAX + 1);
	assert_string_equal(f.address, "z@example.com");
	assert_int_equal(f.messages, 2);
	assert_int_equal(f.of_account, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
		cmocka_unit_test_setup_teardown(
			test_many, fixture_setup, fixture_teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
