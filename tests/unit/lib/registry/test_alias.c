/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which account an address leads to, and that nothing is guessed. */
#include "registry/alias.h"
#include "registry_fixture.h"

struct ask {
	const char *local, *domain;
	const char *account; /* NULL: the source's business */
};

static void check_asks(struct test *t, const char *name, const struct ask *asks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct account_route route = { 0 };
		int code = registry_address(t->r, str_from(asks[i].local),
			str_from(asks[i].domain), &route, &t->err);

		if (code != (asks[i].account ? 0 : -ENOENT) ||
			(asks[i].account && strcmp(route.name, asks[i].account) != 0))
			fail_msg("%s: <%s@%s>: %d %s", name, asks[i].local,
				asks[i].domain, code, route.name);
	}
}
#define CHECK(name, asks) check_asks(t, name, asks, ROWS(asks))

static void add(struct test *t, const char *local, const char *domain, const char *user)
{
	NO_ERROR(registry_add_alias(
		t->r, str_from(local), str_from(domain), str_from(user), &t->err));
}

struct tally {
	size_t outcomes[ALIAS_OUTCOME_COUNT], special;
};

static int count(
	void *context, size_t line, const struct alias *a, enum alias_outcome outcome)
{
	struct tally *tally = context;

	(void)line;
	tally->outcomes[outcome]++;
	tally->special += outcome != ALIAS_IGNORED && !a->target.len;
	return 0;
}

static int import(struct test *t, enum alias_format format, const char *text,
	const char *domain, bool dry_run, struct tally *tally)
{
	struct alias_import i = { .text = str_from(text),
		.format = format,
		.domain = str_from(domain),
		.dry_run = dry_run,
		.each = count,
		.context = tally };

	memset(tally, 0, sizeof(*tally));
	return registry_import_aliases(t->r, &i, &t->err);
}

static void test_names(void **state)
{
	static const struct ask one[] = {
		{ "alice", "example.com", "alice" },
		{ "ALICE", "EXAMPLE.COM", "alice" },
		{ "alice+news", "example.com", "alice" },
		{ "alice+a+b", "example.com", "alice" },
		{ "alice+", "example.com", "alice" },
		{ "alice++b", "example.com", "alice" },
		{ "bob", "example.com", "bob@example.com" },
		{ "dave+work", "example.com", "dave+work" },
		{ "dave+home", "example.com", NULL },
		{ "alice", "example.net", NULL },
		{ "alice", "", NULL },
		{ "", "example.com", NULL },
		{ "alice-news", "example.com", NULL },
		{ "+alice", "example.com", NULL },
		{ " alice", "example.com", NULL },
		{ "alice ", "example.com", NULL },
		{ "alice@example.com", "example.com", NULL },
		{ "carol%example.com", "example.com", NULL },
		{ "dom\\erin", "example.com", NULL },
		{ "nobody", "example.com", NULL },
	};
	static const struct ask two[] = {
		{ "alice", "example.com", "alice" }, /* learnt while there was one */
		{ "alice", "example.net", NULL },
		{ "fred", "example.com", NULL }, /* of which domain? */
		{ "erin", "example.com", NULL },
		{ "bob", "example.com", "bob@example.com" },
		{ "bob+x", "example.com", "bob@example.com" },
		{ "bob", "example.net", NULL },
		{ "zoe", "gmail.example", NULL },
	};
	static const struct ask minus[] = {
		{ "alice-news", "example.com", "alice" },
		{ "alice-a+b", "example.com", "alice" },
		{ "anna-maria", "example.com", "anna-maria" },
		{ "alice+x", "example.com", "alice" },
	};
	struct test *t = *state;

	capture(t, "alice", "x");
	capture(t, "Bob@Example.com", "x");
	capture(t, "dave+work", "x");
	capture(t, "carol%example.com", "x");
	capture(t, "dom\\erin", "x");
	capture(t, "anna-maria", "x");
	CHECK("one domain", one);
	registry_set_subaddress(t->r, "+-");
	CHECK("with minus", minus);
	registry_set_subaddress(t->r, "+");
	set_domains(t, 2);
	capture(t, "zoe@gmail.example", "x");
	capture(t, "fred", "x");
	CHECK("two domains", two);
}

/* Where the word after the delimiter is the sender's, not a part of a name or what an
   alias leads to. */
static void test_by_subaddress(void **state)
{
	static const struct {
		const char *local;
		bool by_subaddress;
	} rows[] = {
		{ "alice", false },
		{ "alice+Lists", true },
		{ "alice+a+b", true },
		{ "dave+work", false },
		{ "dave+work+x", false },
		{ "info", false },
		{ "info+Lists", true },
		{ "lists", false },
		{ "alice+news", false },
	};
	struct test *t = *state;
	struct account_route route;

	capture(t, "alice", "x");
	capture(t, "dave+work", "x");
	add(t, "info", "example.com", "alice");
	add(t, "lists", "example.com", "alice+filed@example.com");
	add(t, "alice+news", "example.com", "alice");
	for (size_t i = 0; i < ROWS(rows); i++) {
		int code = registry_address(t->r, str_from(rows[i].local),
			STR_LIT("example.com"), &route, &t->err);

		if ((code == 0 && route.by_subaddress) != rows[i].by_subaddress)
			fail_msg("%s: %d", rows[i].local, code);
	}
}

static void test_long_addresses(void **state)
{
	struct test *t = *state;
	char local[400];
	struct account_route route;

	memset(local, 'x', sizeof(local));
	for (size_t n = 250; n < sizeof(local); n++)
		assert_int_equal(registry_address(t->r, str_of(local, n),
					 STR_LIT("example.com"), &route, &t->err),
			-ENOENT);
	assert_int_equal(registry_address(t->r, STR_LIT("a\0b"), STR_LIT("example.com"),
				 &route, &t->err),
		-ENOENT);
	assert_int_equal(registry_add_alias(t->r, str_of(local, 310),
				 STR_LIT("example.com"), STR_LIT("alice"), &t->err),
		-EINVAL);
}

static void test_added(void **state)
{
	static const struct ask asks[] = {
		{ "info", "example.com", "alice" }, { "Info+x", "Example.com", "alice" },
		{ "sales", "example.com", "alice" },    /* by info */
		{ "alice", "old.example", "alice" },    /* a domain nobody configured */
		{ "erin", "example.com", "dom\\erin" }, /* by its name */
		{ "later", "example.com", NULL },       /* has not logged in */
		{ "circle", "example.com", NULL },
		{ "bob", "example.com", "alice" }, /* an alias stands before a name */
	};
	static const struct ask after[] = {
		{ "later", "example.com", "frank" },
		{ "info", "example.com", NULL },
		{ "sales", "example.com", NULL },
	};
	struct test *t = *state;

	capture(t, "alice", "x");
	capture(t, "bob", "x");
	capture(t, "dom\\erin", "x");
	add(t, "info", "example.com", "alice");
	add(t, "sales", "example.com", "info");
	add(t, "alice", "old.example", "Alice");
	add(t, "erin", "example.com", "dom\\erin");
	add(t, "later", "example.com", "frank");
	add(t, "circle", "example.com", "round");
	add(t, "round", "example.com", "circle");
	add(t, "bob", "example.com", "alice");
	CHECK("added", asks);
	capture(t, "frank", "x");
	NO_ERROR(registry_remove_alias(
		t->r, STR_LIT("INFO"), STR_LIT("example.com"), &t->err));
	CHECK("after", after);
	assert_int_equal(registry_remove_alias(
				 t->r, STR_LIT("info"), STR_LIT("example.com"), &t->err),
		-ENOENT);
	assert_int_equal(registry_add_alias(t->r, STR_LIT(""), STR_LIT("example.com"),
				 STR_LIT("alice"), &t->err),
		-EINVAL);
	assert_int_equal(registry_add_alias(t->r, STR_LIT("x"), STR_LIT(""),
				 STR_LIT("alice"), &t->err),
		-EINVAL);
}

#define VIRTUAL                                                                          \
	"# our addresses\n"                                                              \
	"example.com       anything\n"                                                   \
	"Info@example.com  alice\n"                                                      \
	"sales@example.com info@example.com, bob@example.com\n"                          \
	"boss@example.com  alice@example.com\n"                                          \
	"out@example.com   alice@gmail.example\n"                                        \
	"bob@example.com   bob, bob@gmail.example\n"                                     \
	"odd@example.com   a%b\n"                                                        \
	"deep              boss\n"

static void test_import_virtual(void **state)
{
	static const struct ask asks[] = {
		{ "info", "example.com", "alice" },
		{ "boss+x", "example.com", "alice" },
		{ "deep", "example.com", "alice" },
		{ "sales", "example.com", NULL },
		{ "out", "example.com", NULL },
		{ "odd", "example.com", NULL },
		/* the user lives under that name, but their mail also goes out */
		{ "bob", "example.com", NULL },
		{ "bob+x", "example.com", NULL },
	};
	struct test *t = *state;
	struct tally tally;
	struct account_route route;

	capture(t, "alice", "x");
	capture(t, "bob", "x");
	NO_ERROR(import(t, ALIAS_FORMAT_VIRTUAL, VIRTUAL, "", true, &tally));
	assert_int_equal(tally.outcomes[ALIAS_NEW], 7);
	assert_int_equal(registry_address(t->r, STR_LIT("info"), STR_LIT("example.com"),
				 &route, &t->err),
		-ENOENT);
	NO_ERROR(import(t, ALIAS_FORMAT_VIRTUAL, VIRTUAL, "", false, &tally));
	assert_int_equal(tally.outcomes[ALIAS_NEW], 7);
	assert_int_equal(tally.outcomes[ALIAS_IGNORED], 1);
	assert_int_equal(tally.special, 4);
	CHECK("virtual", asks);
	NO_ERROR(import(t, ALIAS_FORMAT_VIRTUAL, VIRTUAL, "", false, &tally));
	assert_int_equal(tally.outcomes[ALIAS_SAME], 7);
}

static void test_import_aliases(void **state)
{
	static const struct ask asks[] = {
		{ "root", "example.com", "alice" },
		{ "postmaster", "example.com", "alice" },
		{ "alice", "example.com", "alice" },
		{ "list", "example.com", NULL },
		{ "vacation", "example.com", NULL },
	};
	struct test *t = *state;
	struct tally tally;

	capture(t, "alice", "x");
	NO_ERROR(import(t, ALIAS_FORMAT_ALIASES,
		"postmaster: root\nroot: alice\nalice: \\alice\n"
		"list: :include:/etc/list\nvacation: \\alice, \"|/usr/bin/vacation\"\n",
		"", false, &tally));
	CHECK("aliases", asks);
	assert_int_equal(tally.special, 2);
}

/* With "@domain alice" the source gives alice all that has no rule of its own. */
static void test_import_of_a_domain(void **state)
{
	static const struct ask asks[] = {
		{ "alice", "example.com", "alice" },
		{ "alice+x", "example.com", "alice" },
		{ "bob", "example.com", NULL },
		{ "any", "example.com", NULL },
	};
	struct test *t = *state;
	struct tally tally;

	capture(t, "alice", "x");
	capture(t, "bob", "x");
	NO_ERROR(import(t, ALIAS_FORMAT_VIRTUAL,
		"@example.com alice\nalice@example.com alice\n", "", false, &tally));
	assert_int_equal(tally.special, 1);
	CHECK("of a domain", asks);
}

static void test_import_domains(void **state)
{
	static const struct ask asks[] = {
		{ "info", "example.net", "bob@example.net" },
		{ "info", "example.com", NULL },
	};
	struct test *t = *state;
	struct tally tally;

	set_domains(t, 2);
	capture(t, "bob@example.net", "x");
	assert_int_equal(
		import(t, ALIAS_FORMAT_ALIASES, "info: bob\n", "", false, &tally),
		-EINVAL);
	assert_non_null(strstr(t->err.text, "line 1: \"info\" has no domain"));
	assert_int_equal(import(t, ALIAS_FORMAT_ALIASES, "info: bob\n", "example.org",
				 false, &tally),
		-EINVAL);
	NO_ERROR(import(
		t, ALIAS_FORMAT_ALIASES, "info: bob\n", "example.net", false, &tally));
	CHECK("domains", asks);
}

static void test_import_keeps_what_was_added(void **state)
{
	static const struct ask asks[] = {
		{ "info", "example.com", "bob" },
		{ "sales", "example.com", "bob" },
		{ "x", "example.com", NULL },
	};
	struct test *t = *state;
	struct tally tally;

	capture(t, "alice", "x");
	capture(t, "bob", "x");
	add(t, "info", "example.com", "bob");
	NO_ERROR(import(t, ALIAS_FORMAT_ALIASES, "info: alice\nsales: alice\n", "", false,
		&tally));
	assert_int_equal(tally.outcomes[ALIAS_KEPT], 1);
	NO_ERROR(import(
		t, ALIAS_FORMAT_ALIASES, "info: bob\nsales: bob\n", "", false, &tally));
	assert_int_equal(tally.outcomes[ALIAS_SAME], 1);
	assert_int_equal(tally.outcomes[ALIAS_CHANGED], 1);
	/* all of a file or nothing */
	assert_int_equal(import(t, ALIAS_FORMAT_ALIASES, "x: bob\nsales: alice\nbad\n",
				 "", false, &tally),
		-EINVAL);
	assert_int_equal(
		import(t, ALIAS_FORMAT_ALIASES, "x: bob\nx: alice\n", "", false, &tally),
		-EINVAL);
	assert_non_null(strstr(t->err.text, "line 2: x@example.com has another rule"));
	CHECK("kept", asks);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		ROW(test_names),
		ROW(test_by_subaddress),
		ROW(test_long_addresses),
		ROW(test_added),
		ROW(test_import_virtual),
		ROW(test_import_aliases),
		ROW(test_import_of_a_domain),
		ROW(test_import_domains),
		ROW(test_import_keeps_what_was_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
