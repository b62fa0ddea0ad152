/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/thread.h"

#include "base/clock.h"
#include "lib/wire/wire_test.h"
#include "wire/mime/subject.h"

#include <stdlib.h>

#define MESSAGES_MAX 8
#define MANY 20000

/* Message i + 1 was sent and came at i + 1 unless it says something else. */
struct row {
	const char *id, *references, *subject;
	int64_t sent;
};

static void fill(struct imap_thread_message *m, const struct row *row, uint32_t number,
	struct arena *arena)
{
	struct str references = str_from(row->references), id;
	struct buf text;

	*m = (struct imap_thread_message){ .number = number,
		.sent = row->sent ? row->sent : number,
		.arrived = number,
		.id = str_from(row->id) };
	m->references = arena_alloc(arena, MESSAGES_MAX * sizeof(id));
	while (mime_next_message_id(&references, arena, &id))
		m->references[m->n_references++] = id;
	buf_init(&text, 0);
	if (row->subject)
		assert_int_equal(buf_append_c(&text, row->subject), 0);
	m->subject = arena_str(arena, mime_base_subject(&text, &m->is_reply));
	buf_fini(&text);
}

static void check(const char *name, enum imap_thread algorithm, const struct row *rows,
	const char *expected)
{
	struct imap_thread_message messages[MESSAGES_MAX];
	struct arena arena;
	struct buf out;
	uint32_t n = 0;

	arena_init(&arena);
	buf_init(&out, 0);
	for (; n < MESSAGES_MAX && rows[n].id; n++)
		fill(&messages[n], &rows[n], n + 1, &arena);
	assert_int_equal(imap_put_threads(&out, algorithm, messages, n, &arena), 0);
	SAME(name, buf_view(&out), str_from(expected));
	buf_fini(&out);
	arena_fini(&arena);
}

static const struct {
	const char *name;
	struct row rows[MESSAGES_MAX];
	const char *references, *refs;
} tables[] = {
	{ "alone", { { "1", "", "a", 0 }, { "2", "", "b", 0 } }, "(1)(2)", "(1)(2)" },
	{ "a chain",
		{ { "1@x", "", "a", 0 }, { "2@x", "<1@x>", "Re: a", 0 },
			{ "3@x", "<1@x> <2@x>", "Re: a", 0 } },
		"(1 2 3)", "(1 2 3)" },
	{ "branches",
		{ { "1@x", "", "a", 0 }, { "2@x", "<1@x>", "Re: a", 0 },
			{ "3@x", "<2@x>", "Re: a", 0 }, { "4@x", "<2@x>", "Re: a", 0 },
			{ "5@x", "<4@x>", "Re: a", 0 } },
		"(1 2 (3)(4 5))", "(1 2 (3)(4 5))" },
	{ "the parent is not here",
		{ { "1@x", "<0@x>", "a", 0 }, { "2@x", "<0@x>", "b", 0 } }, "((1)(2))",
		"((1)(2))" },
	{ "an only child of nobody",
		{ { "1@x", "<0@x>", "a", 0 }, { "2@x", "<1@x>", "a", 0 } }, "(1 2)",
		"(1 2)" },
	{ "dummies below dummies",
		{ { "1@x", "<a@x> <b@x>", "p", 0 }, { "2@x", "<a@x> <c@x>", "q", 0 },
			{ "3@x", "<a@x> <c@x>", "r", 0 } },
		"((1)(2)(3))", "((1)(2)(3))" },
	{ "children come first",
		{ { "2@x", "<1@x>", "Re: a", 0 }, { "1@x", "", "a", 0 } }, "(2 1)",
		"(2 1)" },
	{ "a loop", { { "1@x", "<2@x>", "a", 0 }, { "2@x", "<1@x>", "b", 0 } }, "(2 1)",
		"(2 1)" },
	{ "a loop that ends a link, RFC 5256, REFERENCES (1) B",
		{ { "a@b", "", "", 0 }, { "b@b", "<a@b> <c@b>", "", 0 },
			{ "c@b", "<b@b>", "", 0 } },
		"(1)(3 2)", "(1)(3 2)" },
	{ "itself", { { "1@x", "<1@x>", "a", 0 } }, "(1)", "(1)" },
	{ "twice the same id",
		{ { "1@x", "", "a", 0 }, { "1@x", "", "b", 0 },
			{ "3@x", "<1@x>", "c", 0 } },
		"(1 3)(2)", "(2)(1 3)" },
	{ "joined by subject", { { "1@x", "", "a", 0 }, { "2@x", "", "Re: a", 0 } },
		"(1 2)", "(1)(2)" },
	{ "a reply before its message",
		{ { "1@x", "", "Re: a", 0 }, { "2@x", "", "a", 0 } }, "(2 1)", "(1)(2)" },
	{ "two of the same subject", { { "1@x", "", "a", 0 }, { "2@x", "", "a", 0 } },
		"((1)(2))", "(1)(2)" },
	{ "three of the same subject",
		{ { "1@x", "", "a", 0 }, { "2@x", "", "a", 0 }, { "3@x", "", "a", 0 } },
		"((1)(2)(3))", "(1)(2)(3)" },
	{ "two dummies of the same subject",
		{ { "1@x", "<p@x>", "a", 0 }, { "2@x", "<p@x>", "a", 0 },
			{ "3@x", "<q@x>", "a", 0 }, { "4@x", "<q@x>", "a", 0 } },
		"((1)(2)(3)(4))", "((1)(2))((3)(4))" },
	{ "no subject joins nothing", { { "1@x", "", "", 0 }, { "2@x", "", "", 0 } },
		"(1)(2)", "(1)(2)" },
	{ "sorted by date",
		{ { "1@x", "", "a", 9 }, { "2@x", "", "b", 5 },
			{ "3@x", "<2@x>", "b", 8 }, { "4@x", "<2@x>", "b", 7 } },
		"(2 (4)(3))(1)", "(1)(2 (3)(4))" },
};

static void test_references(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS(tables); i++) {
		check(tables[i].name, IMAP_THREAD_REFERENCES, tables[i].rows,
			tables[i].references);
		check(tables[i].name, IMAP_THREAD_REFS, tables[i].rows, tables[i].refs);
	}
}

static void test_ordered_subject(void **state)
{
	static const struct row rows[] = { { "1", "", "b", 0 }, { "2", "", "a", 0 },
		{ "3", "", "Re: b", 0 }, { "4", "", "a", 0 }, { "5", "", "Re: a", 3 },
		{ NULL, NULL, NULL, 0 } };

	(void)state;
	check("ordered", IMAP_THREAD_ORDEREDSUBJECT, rows, "(1 3)(2 (5)(4))");
}

/* Each a reply to the one before, and each with one id of its own: no stack is used for
   it and no time that grows with the square. */
static void test_deep(void **state)
{
	struct imap_thread_message *messages = calloc(MANY, sizeof(*messages));
	struct str *ids = calloc(MANY, sizeof(*ids));
	uint64_t begin = clock_monotonic_ms();
	struct arena arena;
	struct buf out;

	(void)state;
	assert_true(messages && ids);
	arena_init(&arena);
	buf_init(&out, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%u@x", i);
		ids[i] = arena_str(&arena, str_from(text));
		messages[i] = (struct imap_thread_message){ .number = i + 1,
			.sent = i,
			.arrived = i,
			.id = ids[i],
			.references = i ? &ids[i - 1] : NULL,
			.n_references = i ? 1 : 0,
			.subject = STR("deep") };
	}
	assert_int_equal(
		imap_put_threads(&out, IMAP_THREAD_REFERENCES, messages, MANY, &arena),
		0);
	assert_true(str_starts(buf_view(&out), STR_LIT("(1 2 3 4 ")));
	assert_true(clock_monotonic_ms() - begin < 20000);
	buf_fini(&out);
	arena_fini(&arena);
	free(ids);
	free(messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_ordered_subject),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
