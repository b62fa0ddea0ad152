/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where a Maildir is: names of users lead nowhere but down, and make one step. */
#include "settings/maildir_path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE                                                                              \
	"source = \"192.0.2.10\"\nstrategy = \"immediate\"\ndomains = {\"example.com\"}\n"
#define TWO                                                                              \
	"source = \"192.0.2.10\"\nstrategy = \"immediate\"\ndomains = {\"a.example\", \"b.example\"}\n"

static const struct row {
	const char *domains, *path, *login;
	const char *root, *place; /* place NULL: refused */
} rows[] = {
	{ ONE, "/var/vmail/%d/%n", "alice", "/var/vmail", "example.com/alice" },
	{ ONE, "/var/vmail/%d/%n", "Alice@Example.COM", "/var/vmail",
		"example.com/alice" },
	{ ONE, "/var/vmail/%u/Maildir", "alice@example.com", "/var/vmail",
		"alice@example.com/Maildir" },
	{ ONE, "/var/vmail/%n", "a@b@example.com", "/var/vmail", "a@b" },
	{ ONE, "/%n", "alice", "/", "alice" },
	{ ONE, "/var/vmail/mail-%n", "alice", "/var/vmail", "mail-alice" },
	{ ONE, "/var/vmail/mail-%n", "..", "/var/vmail", "mail-.." },
	{ TWO, "/var/vmail/%d/%n", "bob@b.example", "/var/vmail", "b.example/bob" },
	{ TWO, "/var/vmail/%d/%n", "bob", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "@example.com", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", ".", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "..", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "..@example.com", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", ".hidden", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "a/b", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "/etc/passwd", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%d/%n", "alice@../../etc", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%d/%n", "alice@..", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "al\nice", "/var/vmail", NULL },
	{ ONE, "/var/vmail/%n", "\x7f", "/var/vmail", NULL },
};

static void check(const struct row *r)
{
	char text[512], root[512], place[512];
	struct settings s;
	struct error err = { 0 };
	int code;

	(void)snprintf(text, sizeof(text),
		"%sdestination = {\"maildir:%s\", \"imap://127.0.0.1\"}\n", r->domains,
		r->path);
	if (settings_parse("c", text, &s, &err) < 0)
		fail_msg("%s: %s", r->path, err.text);
	maildir_path_root(s.destination.path, root, sizeof(root));
	assert_string_equal(root, r->root);
	code = maildir_path_place(&s, str_from(r->login), place, sizeof(place), &err);
	if ((code < 0) != !r->place || (r->place && strcmp(place, r->place) != 0))
		fail_msg("%s, \"%s\": %d, \"%s\"", r->path, r->login, code,
			code < 0 ? err.text : place);
	settings_fini(&s);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(&rows[i]);
}

static void test_nul_and_length(void **state)
{
	char place[16], text[256];
	struct settings s;
	struct error err = { 0 };

	(void)state;
	(void)snprintf(text, sizeof(text),
		ONE "destination = {\"maildir:/m/%%n\", \"imap://127.0.0.1\"}\n");
	assert_int_equal(settings_parse("c", text, &s, &err), 0);
	assert_int_equal(
		maildir_path_place(&s, str_of("a\0b", 3), place, sizeof(place), &err),
		-EINVAL);
	assert_int_equal(maildir_path_place(&s, str_from("0123456789abcdef"), place,
				 sizeof(place), &err),
		-EINVAL);
	assert_int_equal(maildir_path_place(&s, str_from("0123456789abcde"), place,
				 sizeof(place), &err),
		0);
	settings_fini(&s);
}

static void test_places(void **state)
{
	(void)state;
	assert_true(maildir_path_is_place(STR_LIT("a/b")));
	assert_false(maildir_path_is_place(STR_LIT("")));
	assert_false(maildir_path_is_place(STR_LIT("/a")));
	assert_false(maildir_path_is_place(STR_LIT("a/")));
	assert_false(maildir_path_is_place(STR_LIT("a//b")));
	assert_false(maildir_path_is_place(STR_LIT("a/../b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_nul_and_length),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
