/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a mail folder says of where its account lives: what is written is read again, and
   anything else is none, cut at every byte, too. */
#include "registry/residence.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *name, *home, *login, *source, *names[3];
} rows[] = {
	{ "here", "", "alice", "", { "alice" } },
	{ "elsewhere", "2001:db8::30", "Alice@example.com", "", { "alice", "al" } },
	{ "renamed", "", "carol", "bound$00$source$carol", { "anna", "carol" } },
	{ "odd bytes", "", "a%41\r\nhome 192.0.2.66\n", "",
		{ "x\ny", "%", "\x01\x7f\xff" } },
	{ "no name", "192.0.2.30", "", "", { NULL } },
};

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str names[3];
		struct residence is = { .home = str_from(rows[i].home),
			.login = str_from(rows[i].login),
			.source_name = str_from(rows[i].source),
			.names = names };
		struct residence read;
		struct arena arena;
		struct buf text;

		while (is.n_names < 3 && rows[i].names[is.n_names]) {
			names[is.n_names] = str_from(rows[i].names[is.n_names]);
			is.n_names++;
		}
		arena_init(&arena);
		buf_init(&text, 0);
		assert_int_equal(residence_write(&is, &text), 0);
		assert_int_equal(residence_read(buf_view(&text), &arena, &read), 0);
		if (!str_eq(read.home, is.home) || !str_eq(read.login, is.login) ||
			!str_eq(read.source_name, is.source_name) ||
			read.n_names != is.n_names)
			fail_msg("%s: %.*s", rows[i].name, STR_ARG(buf_view(&text)));
		for (size_t n = 0; n < is.n_names; n++)
			if (!str_eq(read.names[n], names[n]))
				fail_msg("%s: name %zu", rows[i].name, n);
		buf_fini(&text);
		arena_fini(&arena);
	}
}

static void too_many_names_are_left_out(void **state)
{
	static char name[300];
	struct str names[RESIDENCE_NAMES_MAX + 1];
	struct residence is = { .home = STR("192.0.2.30"),
		.login = STR("alice"),
		.source_name = STR(""),
		.names = names,
		.n_names = RESIDENCE_NAMES_MAX + 1 };
	struct residence read;
	struct arena arena;
	struct buf text;

	(void)state;
	memset(name, '%', sizeof(name));
	for (size_t i = 0; i <= RESIDENCE_NAMES_MAX; i++)
		names[i] = str_of(name, sizeof(name) - i);
	arena_init(&arena);
	buf_init(&text, 0);
	assert_int_equal(residence_write(&is, &text), 0);
	assert_true(buf_len(&text) <= RESIDENCE_TEXT_MAX);
	assert_int_equal(residence_read(buf_view(&text), &arena, &read), 0);
	assert_true(read.n_names > 0 && read.n_names < RESIDENCE_NAMES_MAX);
	assert_true(str_eq(read.names[0], names[0]));
	buf_fini(&text);
	arena_fini(&arena);
}

static const struct {
	const char *name, *text;
} bad[] = {
	{ "nothing", "" },
	{ "another word", "residences\nhome x\n" },
	{ "no word", "home x\n" },
	{ "a verifier", "bound$00$scrypt$1$2$3$00$00" },
	{ "a line of another kind", "residence\nhome x\nroute local\n" },
	{ "half an escape", "residence\nhome x%4\n" },
	{ "no escape", "residence\nhome %zz\n" },
};

static void what_is_none(void **state)
{
	struct residence is;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (residence_read(str_from(bad[i].text), &arena, &is) != -EBADMSG)
			fail_msg("%s", bad[i].name);
	arena_fini(&arena);
}

/* In memory of its own length: nothing behind it is read. */
static void cut_at_every_byte(void **state)
{
	static const char text[] =
		"bound$00$residence\nhome 192.0.2.30\nlogin %41\nsource \nname a%0Ab\n";
	struct residence is;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, text, len);
		(void)residence_read(str_of(copy, len), &arena, &is);
		free(copy);
	}
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(too_many_names_are_left_out),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(cut_at_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
