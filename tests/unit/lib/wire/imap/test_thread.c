/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/thread.h"

#include "lib/wire/wire_test.h"
#include "wire/mime/subject.h"

#include <stdlib.h>
#include <time.h>

#define MESSAGES_MAX 8
#define MANY 20000
#define WORK_MAX (20 * CLOCKS_PER_SEC) /* of the processor: the machine may be busy */

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
	clock_t begin = clock();
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
	assert_true(clock() - begin < WORK_MAX);
	buf_fini(&out);
	arena_fini(&arena);
	free(ids);
	free(messages);
}

/* Ids that one hash function puts into one place: blocks of two that agree in its low
   bits, so that each of 2^BLOCKS strings of them does. */
#define BLOCKS 16
#define BLOCK 4 /* bytes */
#define LOW_BITS ((1u << 20) - 1)

static uint32_t fnv(uint32_t hash, uint32_t block)
{
	for (int i = 0; i < BLOCK; i++)
		hash = (hash ^ ('0' + (block >> (5 * i) & 31))) * 0x1b3u;
	return hash & LOW_BITS;
}

/* Far from each other, so that they differ in all bytes. */
static uint32_t block_of(uint32_t i)
{
	return i * 2654435761u >> 12;
}

static uint32_t find_blocks(uint32_t hash, uint32_t pair[static 2])
{
	for (uint32_t a = 0; a < 65536; a++) {
		uint32_t wanted = fnv(hash, block_of(a));

		for (uint32_t b = 0; b < a; b++) {
			pair[0] = block_of(a);
			pair[1] = block_of(b);
			if (fnv(hash, pair[1]) == wanted)
				return wanted;
		}
	}
	fail_msg("no two blocks");
	return 0;
}

static void put_block(char *to, uint32_t block)
{
	for (int i = 0; i < BLOCK; i++)
		to[i] = (char)('0' + (block >> (5 * i) & 31));
}

static void test_chosen_ids(void **state)
{
	const uint32_t n = 1u << BLOCKS;
	struct imap_thread_message *messages = calloc(n, sizeof(*messages));
	uint32_t pairs[BLOCKS][2], hash = 0x739d0383u & LOW_BITS;
	clock_t begin = clock();
	struct arena arena;
	struct buf out;

	(void)state;
	assert_non_null(messages);
	arena_init(&arena);
	buf_init(&out, 0);
	for (int i = 0; i < BLOCKS; i++)
		hash = find_blocks(hash, pairs[i]);
	for (uint32_t k = 0; k < n; k++) {
		char id[BLOCK * BLOCKS];

		for (int i = 0; i < BLOCKS; i++)
			put_block(id + BLOCK * i, pairs[i][k >> i & 1]);
		messages[k] = (struct imap_thread_message){ .number = k + 1,
			.id = arena_str(&arena, str_of(id, sizeof(id))) };
	}
	assert_int_equal(
		imap_put_threads(&out, IMAP_THREAD_REFS, messages, n, &arena), 0);
	assert_true(str_starts(buf_view(&out), STR_LIT("(1)(2)(3)")));
	assert_true(clock() - begin < WORK_MAX);
	buf_fini(&out);
	arena_fini(&arena);
	free(messages);
}

/* A million ids in one line, none of which is here, and replies to the last of them. */
#define LINE 1000000
#define REPLIES 5000

static void test_long_line(void **state)
{
	const uint32_t parts = LINE / IMAP_THREAD_REFERENCES_MAX, n = parts + REPLIES;
	struct imap_thread_message *messages = calloc(n, sizeof(*messages));
	struct str *ids = calloc(LINE + 1, sizeof(*ids));
	clock_t begin = clock();
	struct arena arena;
	struct buf out;

	(void)state;
	assert_true(messages && ids);
	arena_init(&arena);
	buf_init(&out, 0);
	for (uint32_t i = 0; i <= LINE; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%u", i);
		ids[i] = arena_str(&arena, str_from(text));
	}
	/* the end first: each part is linked below nothing */
	for (uint32_t k = 0; k < n; k++)
		messages[k] = (struct imap_thread_message){ .number = k + 1,
			.id = STR(""),
			.references =
				k < parts
					? &ids[LINE + 1 -
						  (k + 1) * (IMAP_THREAD_REFERENCES_MAX -
								    1) -
						  1]
					: &ids[LINE],
			.n_references = k < parts ? IMAP_THREAD_REFERENCES_MAX : 1 };
	assert_int_equal(
		imap_put_threads(&out, IMAP_THREAD_REFERENCES, messages, n, &arena), 0);
	assert_true(clock() - begin < WORK_MAX);
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
		cmocka_unit_test(test_chosen_ids),
		cmocka_unit_test(test_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
