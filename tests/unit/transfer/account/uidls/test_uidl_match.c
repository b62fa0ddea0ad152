/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which message of a maildrop is which of INBOX: tables of both sides and the pairs. */
#include "transfer/account/uidls/uidl_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define SIDE_MAX 6

/* "size:header[:uidl[:rank]]" each; header is one letter, '-' when TOP does not give it,
   a capital of a message that is \Deleted. */
static const struct row {
	const char *name;
	const char *drop[SIDE_MAX], *inbox[SIDE_MAX];
	uint32_t partners[SIDE_MAX]; /* UID = place in inbox from 1; 0: unproven */
	size_t headers;              /* asked of the maildrop */
	const char *hidden;          /* by place in inbox: 'h' or '.' */
} rows[] = {
	{ "empty", { NULL }, { NULL }, { 0 }, 0, "" },
	{ "sizes alone", { "10:a", "20:b" }, { "10:a", "20:b" }, { 1, 2 }, 0, ".." },
	{ "another order", { "20:b", "10:a" }, { "10:a", "20:b" }, { 2, 1 }, 0, ".." },
	{ "equal sizes in another order", { "10:b", "10:a", "30:c" },
		{ "10:a", "10:b", "30:c" }, { 2, 1, 3 }, 2, "..." },
	{ "copies of one mail", { "10:a", "10:a" }, { "10:a", "10:a" }, { 1, 2 }, 2,
		".." },
	{ "only the last days", { "20:b", "30:d" }, { "10:a", "20:c", "20:b", "30:d" },
		{ 3, 4 }, 2, "hh.." },
	{ "only the last days, one as big as an older one counted rightly", { "19:b" },
		{ "19:a", "20:b" }, { 2 }, 1, "h." },
	{ "\\Deleted ones are not shown", { "10:a", "30:c" }, { "10:a", "20:B", "30:c" },
		{ 1, 3 }, 0, ".h." },
	{ "\\Deleted ones are shown", { "10:a", "20:b" }, { "10:a", "20:B" }, { 1, 2 }, 0,
		".." },
	{ "one of two copies is \\Deleted and not shown", { "10:a", "30:c" },
		{ "10:A", "10:a", "30:c" }, { 2, 3 }, 0, "h.." },
	{ "one copy of three is shown, and not the \\Deleted one", { "10:a" },
		{ "10:A", "10:a", "10:a" }, { 2 }, 1, "h.h" },
	{ "sizes counted wrongly", { "9:a", "19:b" }, { "10:a", "20:b" }, { 1, 2 }, 2,
		".." },
	{ "sizes counted wrongly, and each is another one's", { "10:b", "20:c" },
		{ "10:a", "15:b", "20:d", "25:c" }, { 2, 4 }, 2, "h.h." },
	{ "one is not in INBOX", { "10:a", "77:z" }, { "10:a", "20:b" }, { 1, 0 }, 2,
		".." },
	{ "one is not in INBOX, old ones are not shown", { "20:b", "77:z" },
		{ "10:a", "20:b", "30:c" }, { 2, 0 }, 2, "h.." },
	{ "nothing is in INBOX", { "77:z" }, { "10:a" }, { 0 }, 1, "." },
	{ "one that grew is not another", { "10:a", "10:b" }, { "10:a", "10:c" },
		{ 1, 0 }, 2, ".." },
	{ "TOP refused", { "10:-", "10:-" }, { "10:a", "10:b" }, { 0, 0 }, 2, ".." },
	{ "more copies than in INBOX", { "10:a", "10:a" }, { "10:a" }, { 1, 0 }, 2, "." },
	{ "known before", { "10:-:u1", "10:-:u2" }, { "10:a:u2", "10:b:u1" }, { 2, 1 }, 0,
		".." },
	{ "known before, with another size now", { "11:-:u1" }, { "10:a:u1" }, { 1 }, 0,
		"." },
	{ "the same unique-id twice, new", { "10:b:u", "20:a:u" }, { "20:a", "10:b" },
		{ 2, 1 }, 0, ".." },
	{ "the same unique-id twice, known in the maildrop's order",
		{ "10:-:u", "10:-:u" }, { "10:a:u:2", "10:b:u:1" }, { 2, 1 }, 0, ".." },
	{ "the same unique-id twice, and one went", { "10:b:u" },
		{ "10:a:u:1", "10:b:u:2" }, { 2 }, 1, "h." },
	{ "the same unique-id on copies, and one went", { "10:a:u", "30:c:v" },
		{ "10:a:u:1", "10:a:u:2", "30:c:v:3" }, { 1, 3 }, 1, ".h." },
};

static size_t fill(struct uidl_side *sides, const char *const *from)
{
	size_t n = 0;

	for (; n < SIDE_MAX && from[n]; n++) {
		struct str rest = str_from(from[n]), size = str_split(&rest, ':');
		struct str header = str_split(&rest, ':'), uidl = str_split(&rest, ':');
		unsigned char letter = (unsigned char)header.ptr[0];
		uint64_t rank = 0;

		sides[n] = (struct uidl_side){ .id = (uint32_t)(n + 1), .uidl = uidl };
		assert_true(str_to_u64(size, &sides[n].size));
		assert_true(!rest.len || str_to_u64(rest, &rank));
		sides[n].is_deleted = letter >= 'A' && letter <= 'Z';
		sides[n].header[0] = sides[n].is_deleted ? letter | 0x20 : letter;
		sides[n].rank = (uint32_t)rank + (sides[n].is_deleted ? 1 : 0);
	}
	return n;
}

/* What the dialogue would bring: only what is wanted, and not '-'. */
static size_t bring_headers(struct uidl_side *sides, size_t n)
{
	size_t asked = 0;

	for (size_t i = 0; i < n; i++) {
		asked += sides[i].wants_header;
		sides[i].has_header = sides[i].wants_header && sides[i].header[0] != '-';
	}
	return asked;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct uidl_side drop[SIDE_MAX], inbox[SIDE_MAX];
		struct uidl_match m = { .drop = drop, .inbox = inbox };
		size_t headers;

		print_message("%s\n", rows[i].name);
		m.n_drop = fill(drop, rows[i].drop);
		m.n_inbox = fill(inbox, rows[i].inbox);
		assert_true(uidl_match_sizes(&m));
		headers = bring_headers(drop, m.n_drop);
		(void)bring_headers(inbox, m.n_inbox);
		assert_int_equal(headers, rows[i].headers);
		assert_true(uidl_match_headers(&m));
		for (size_t k = 0; k < m.n_drop; k++)
			assert_int_equal(drop[k].is_matched ? drop[k].partner : 0,
				rows[i].partners[k]);
		uidl_match_hide(&m);
		assert_int_equal(strlen(rows[i].hidden), m.n_inbox);
		for (size_t k = 0; k < m.n_inbox; k++)
			assert_int_equal(inbox[k].is_hidden, rows[i].hidden[k] == 'h');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
