/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passes that ask only for what has changed: as equal as those that list everything, and
 * as many rows as changes. Where the source's word cannot be right, or is of another
 * session, everything is listed.
 */
#include "transfer/copy/changes.h"
#include "transfer/copy/namespaces.h"
#include "transfer/copy/usual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPANS(...)                                                                       \
	{                                                                                \
		__VA_ARGS__,                                                             \
		{                                                                        \
			0, 0                                                             \
		}                                                                        \
	}

/* ---- sets ---- */

static void fill(struct uid_set *s, const struct uid_span *from)
{
	for (; from->first; from++)
		assert_int_equal(uid_set_add(s, from->first, from->last), 0);
}

static void sets(void **state)
{
	static const struct row {
		struct uid_span a[4], b[4];
		uint32_t missing[4]; /* of a, in b */
	} rows[] = {
		{ SPANS({ 1, 5 }), SPANS({ 1, 5 }), { 0 } },
		{ SPANS({ 1, 5 }), SPANS({ 2, 3 }), { 1, 4, 5 } },
		{ SPANS({ 1, 2 }, { 3, 3 }), SPANS({ 1, 3 }), { 0 } },
		{ SPANS({ 7, 7 }, { 9, 9 }), SPANS({ 8, 8 }), { 7, 9 } },
		{ { { 0, 0 } }, SPANS({ 8, 8 }), { 0 } },
		{ SPANS({ 4294967294, 4294967295 }), SPANS({ 4294967295, 4294967295 }),
			{ 4294967294 } },
		{ SPANS({ 1, 1 }, { 4294967295, 4294967295 }), { { 0, 0 } },
			{ 1, 4294967295 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct uid_set a = { 0 }, b = { 0 };
		uint32_t from = 1;

		fill(&a, rows[i].a);
		fill(&b, rows[i].b);
		for (const uint32_t *m = rows[i].missing; *m; m++) {
			assert_int_equal(uid_set_next_missing(&a, &b, from), *m);
			assert_true(uid_set_has(&a, *m) && !uid_set_has(&b, *m));
			from = *m == UINT32_MAX ? 0 : *m + 1;
		}
		if (from)
			assert_int_equal(uid_set_next_missing(&a, &b, from), 0);
		assert_int_equal(uid_set_is_equal(&a, &b), i == 0 || i == 2);
		uid_set_fini(&a);
		uid_set_fini(&b);
	}
}

static void what_is_no_set(void **state)
{
	struct uid_set s = { 0 };

	(void)state;
	assert_int_equal(uid_set_add(&s, 0, 5), -ERANGE);
	assert_int_equal(uid_set_add(&s, 5, 4), -ERANGE);
	assert_int_equal(uid_set_add(&s, 5, 9), 0);
	assert_int_equal(uid_set_add(&s, 9, 12), -ERANGE);
	assert_int_equal(uid_set_add(&s, 3, 3), -ERANGE);
	assert_int_equal(s.n, 5);
	uid_set_fini(&s);
}

/* ---- name spaces ---- */

static void whose_a_folder_is(void **state)
{
#define DOVECOT "((\"\" \"/\")) ((\"shared/\" \"/\")) ((\"Public/\" \"/\"))"
#define CYRUS "((\"INBOX.\" \".\")) ((\"user.\" \".\")) ((\"\" \".\"))"
	static const struct {
		const char *text, *name;
		bool is_own;
	} rows[] = {
		{ "((\"\" \"/\")) NIL NIL", "Sent", true },
		{ "((\"\" \"/\")) nil nil", "INBOX", true },
		{ "((\"\" \"/\"))  NIL  NIL", "shared/x", true },
		{ DOVECOT, "INBOX", true },
		{ DOVECOT, "sharedness", true },
		{ DOVECOT, "shared/bob", false },
		{ DOVECOT, "Public/News", false },
		{ CYRUS, "INBOX.Sent", true },
		{ CYRUS, "inbox", true },
		{ CYRUS, "user.bob", false },
		{ CYRUS, "news", false },
		{ "((\"INBOX.\" \".\")) NIL NIL", "news", false },
		{ "((\"\" \"/\" \"X-PARAM\" (\"Public/\"))) NIL NIL", "Public/News",
			true },
		{ "((\"\" \"/\")) NIL ((\"Pub\\\"lic/\" \"/\"))", "Pub\"lic/a", false },
		{ "((\"\" \"/\")) NIL ((\"a/\" \"/\")(\"b/\" \"/\"))", "b/c", false },
		{ "((\"\" \"/\")) NIL", "INBOX", false },
		{ "((\"\" \"/\")) NIL ((\"Public/", "INBOX", false },
		{ "((\"\" \"/\")) NIL ((({\"\" \"/\")))", "INBOX", false },
		{ "((\"\" \"/\")) {5}\r\nshare", "INBOX", false },
		{ "", "INBOX", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (namespaces_has_own(str_from(rows[i].text), str_from(rows[i].name)) !=
			rows[i].is_own)
			fail_msg("%s in %s", rows[i].name, rows[i].text);
}

static void kinds(void **state)
{
	static const struct {
		const char *text, *name;
		enum namespace_kind kind;
	} rows[] = {
		{ DOVECOT, "Sent", NAMESPACE_OWN },
		{ DOVECOT, "shared/bob", NAMESPACE_OTHERS },
		{ DOVECOT, "Public/News", NAMESPACE_SHARED },
		{ CYRUS, "INBOX.Sent", NAMESPACE_OWN },
		{ CYRUS, "user.bob", NAMESPACE_OTHERS },
		{ CYRUS, "news", NAMESPACE_SHARED },
		{ "((\"INBOX.\" \".\")) NIL NIL", "news", NAMESPACE_UNKNOWN },
		{ "((\"\" \"/\")) NIL", "Sent", NAMESPACE_UNKNOWN },
		{ "((\"\" \"/\")) ((\"Public/", "Public/x", NAMESPACE_UNKNOWN },
		{ "NIL ((\"a/\" \"/\")) ((\"a/b/\" \"/\"))", "a/b/c", NAMESPACE_SHARED },
		{ "NIL ((\"a/b/\" \"/\")) ((\"a/\" \"/\"))", "a/b/c", NAMESPACE_OTHERS },
		{ "", "INBOX", NAMESPACE_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (namespaces_kind(str_from(rows[i].text), str_from(rows[i].name)) !=
			rows[i].kind)
			fail_msg("%s in %s", rows[i].name, rows[i].text);
}

static void own_prefix(void **state)
{
	static const struct {
		const char *text, *prefix;
	} rows[] = {
		{ "((\"\" \"/\")) NIL NIL", "" },
		{ CYRUS, "INBOX." },
		{ DOVECOT, "" },
		{ "((\"INBOX.\" \".\")(\"#mh/\" \"/\")) NIL NIL", "INBOX." },
		{ "((\"a\\\"b/\" \"/\")) NIL NIL", "a\"b/" },
		{ "NIL NIL ((\"Public/\" \"/\"))", "" },
		{ "((\"INBOX.", "" },
		{ "((x \".\"))", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char room[NAMESPACE_PREFIX_MAX];
		struct str is = namespaces_own_prefix(str_from(rows[i].text), room);

		if (!str_eq(is, str_from(rows[i].prefix)))
			fail_msg("%s: \"%.*s\"", rows[i].text, STR_ARG(is));
	}
}

/* ---- passes ---- */

struct run {
	struct end end;
	struct memory_source *m;
	struct sync sync;
};

static void begin(struct run *run, enum end_kind kind)
{
	struct source source;

	run->m = usual_source();
	run->m->session = 1;
	end_open(&run->end, kind);
	source = memory_source(run->m);
	sync_init(&run->sync, &source, &run->end.to, NULL, NULL);
}

static void end(struct run *run)
{
	sync_fini(&run->sync);
	end_close(&run->end);
	free(run->m);
}

/* Returns the differences. */
static uint64_t pass(struct run *run)
{
	struct error err = { 0 };

	run->m->rows = run->m->wholes = run->m->fetches = 0;
	OK(sync_pass(&run->sync, &err));
	return run->sync.differences;
}

static void check_sums(const struct run *run, const char *name)
{
	uint64_t bytes = 0, messages = 0;
	struct sync_progress sums = sync_progress(&run->sync);

	for (size_t i = 0; i < run->m->n_folders; i++)
		for (size_t k = 0; k < run->m->folders[i].count; k++) {
			bytes += run->m->folders[i].messages[k].body_len;
			messages++;
		}
	if (sums.messages_total != messages || sums.messages_copied != messages ||
		sums.bytes_copied != bytes)
		fail_msg("%s: the sums are wrong", name);
}

static void nothing_is_listed(struct run *run, const char *name)
{
	if (pass(run) || run->m->rows || run->m->wholes || run->m->fetches)
		fail_msg("%s: %llu differences, %u rows, %u folders listed", name,
			(unsigned long long)run->sync.differences, run->m->rows,
			run->m->wholes);
	check_equal(&run->end, run->m);
	check_sums(run, name);
}

static void one_change(enum end_kind kind, const struct change_row *row)
{
	struct run run;

	begin(&run, kind);
	assert_true(pass(&run) > 0);
	nothing_is_listed(&run, "at first");
	row->change(run.m);
	if (!pass(&run))
		fail_msg("%s: no difference was seen", row->name);
	check_equal(&run.end, run.m);
	check_sums(&run, row->name);
	nothing_is_listed(&run, row->name);
	end(&run);
}

static void changes(void **state)
{
	(void)state;
	for (int kind = 0; kind < END_COUNT; kind++)
		for (size_t i = 0; i < n_change_rows; i++)
			one_change((enum end_kind)kind, &change_rows[i]);
}

static void in_proportion(void **state)
{
	struct run run;

	(void)state;
	begin(&run, END_STORE);
	usual_hundreds(run.m);
	assert_true(pass(&run) > 600 && run.m->rows > 600);
	memory_find(memory_folder(run.m, "Empty"), 300)->flags = MAIL_SEEN;
	memory_remove(memory_folder(run.m, "Empty"), 301);
	memory_add(memory_folder(run.m, "Empty"), 5000, 9);
	assert_int_equal(pass(&run), 3);
	assert_int_equal(run.m->rows, 2);
	assert_int_equal(run.m->fetches, 1);
	assert_int_equal(run.m->wholes, 0);
	check_equal(&run.end, run.m);
	end(&run);
}

/* What was read in another session counts for nothing, nor does a pass that failed. */
static void all_anew(void **state)
{
	struct error err = { 0 };
	struct run run;

	(void)state;
	begin(&run, END_STORE);
	(void)pass(&run);
	run.m->session = 2;
	assert_int_equal(pass(&run), 0);
	assert_int_equal(run.m->wholes, 4);
	nothing_is_listed(&run, "the same session");
	run.m->break_at = run.m->events + 12;
	assert_int_equal(sync_pass(&run.sync, &err), -ECONNRESET);
	run.m->break_at = 0;
	assert_int_equal(pass(&run), 0);
	assert_int_equal(run.m->wholes, 4);
	run.m->session = 0;
	assert_int_equal(pass(&run), 0);
	assert_int_equal(run.m->wholes, 4);
	end(&run);
}

/* A message that does not come makes its folder unknown, until it is there or gone. */
static void not_copied_completely(void **state)
{
	struct run run;

	(void)state;
	begin(&run, END_STORE);
	run.m->unreadable = 12;
	(void)pass(&run);
	assert_int_equal(pass(&run), 1); /* it is new, and does not come */
	assert_int_equal(run.m->wholes, 1);
	run.m->unreadable = 0;
	(void)pass(&run);
	assert_int_equal(run.m->wholes, 1);
	nothing_is_listed(&run, "complete");
	end(&run);
}

/* What came with a body was not listed so: it is listed before it passes for equal. */
static void another_row_with_the_body(void **state)
{
	struct run run;

	(void)state;
	begin(&run, END_STORE);
	run.m->unlike = 12;
	(void)pass(&run);
	run.m->unlike = 0;
	assert_int_equal(pass(&run), 1);
	assert_int_equal(run.m->wholes, 1);
	check_equal(&run.end, run.m);
	memory_add(memory_folder(run.m, "Sent"), 3, 400);
	run.m->unlike = 3; /* the same of one that is new */
	(void)pass(&run);
	assert_int_equal(run.m->wholes, 0);
	run.m->unlike = 0;
	assert_int_equal(pass(&run), 1);
	assert_int_equal(run.m->wholes, 1);
	nothing_is_listed(&run, "at last");
	end(&run);
}

static void lies(void **state)
{
	(void)state;
	for (int lie = LIE_NONE + 1; lie < LIE_COUNT; lie++) {
		struct run run;

		begin(&run, END_MEMORY);
		(void)pass(&run);
		run.m->lie = (enum memory_lie)lie;
		memory_add(memory_folder(run.m, "Sent"), 3, 400);
		memory_find(memory_folder(run.m, "Sent"), 1)->flags = MAIL_FLAGGED;
		(void)pass(&run);
		if (!run.m->wholes)
			fail_msg("lie %d is believed", lie);
		check_equal(&run.end, run.m);
		end(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets),
		cmocka_unit_test(kinds),
		cmocka_unit_test(own_prefix),
		cmocka_unit_test(what_is_no_set),
		cmocka_unit_test(whose_a_folder_is),
		cmocka_unit_test(changes),
		cmocka_unit_test(in_proportion),
		cmocka_unit_test(all_anew),
		cmocka_unit_test(not_copied_completely),
		cmocka_unit_test(another_row_with_the_body),
		cmocka_unit_test(lies),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
