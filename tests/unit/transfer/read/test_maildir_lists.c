/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dovecot's lists and names: what they say, and what they do not prove. */
#include "transfer/read/maildir_lists.h"

#include "transfer/read/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

/* ---- dovecot-uidlist ---- */

static const struct {
	const char *text;
	const char *why; /* NULL: it proves them */
	uint32_t uidnext;
	size_t count;
} uidlists[] = {
	{ "3 V5 N1 Gabc\n", NULL, 1, 0 },
	{ "3 V4294967295 N9\n2 :a\n5 Pq.1 O3 W77 :b\n", NULL, 9, 2 },
	{ "3 N2 V5 X\n7 G1 :1580.M1P2.host,S=3,W=4:2,S\n", NULL, 8, 1 },
	{ "3 V5 N1\n4294967295 :a\n", NULL, 0, 1 },
	{ "", "line 1: it has no first line", 0, 0 },
	{ "3 V5 N1", "line 1: it has no first line", 0, 0 },
	{ "1 5 1\n", "line 1: it is no uidlist", 0, 0 },
	{ "3 V0 N1\n", "line 1: it says no UIDVALIDITY", 0, 0 },
	{ "3 V5\n", "line 1: it says no UIDVALIDITY", 0, 0 },
	{ "3 V5 N4294967296\n", "line 1: a number is none", 0, 0 },
	{ "3 V-5 N1\n", "line 1: a number is none", 0, 0 },
	{ "3 V5 N9\n0 :a\n", "line 2: its UID is no number", 0, 0 },
	{ "3 V5 N9\n\n", "line 2: its UID is no number", 0, 0 },
	{ "3 V5 N9\n1 :a\n1 :b\n", "line 3: its UID is not above", 0, 0 },
	{ "3 V5 N9\n2 :a\n1 :b\n", "line 3: its UID is not above", 0, 0 },
	{ "3 V5 N9\n1 :\n", "line 2: it names no file", 0, 0 },
	{ "3 V5 N9\n1 a\n", "line 2: it names no file", 0, 0 },
	{ "3 V5 N9\n1 ::2,S\n", "line 2: it names no file", 0, 0 },
	{ "3 V5 N9\n1 :../../a\n", "line 2: it names no file", 0, 0 },
	{ "3 V5 N9\n1 P\xff :a\n", "line 2: its POP3 unique-id", 0, 0 },
	{ "3 V5 N9\n1 Ox :a\n", "line 2: its POP3 order", 0, 0 },
	{ "3 V5 N9\n1 :a\n2 :b\n3 :a:2,S\n", "UID 3 has the file of another", 0, 0 },
	{ "3 V5 N9\n1 Px :a\n2 Px :b\n", "the POP3 unique-id of another", 0, 0 },
	{ "3 V5 N9\n1 :a\n2 :b", "line 3: it has no end", 0, 0 },
};

static void uidlist_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(uidlists) / sizeof(uidlists[0]); i++) {
		struct maildir_uidlist l;
		struct error err = { 0 };
		int r = maildir_uidlist_read(str_from(uidlists[i].text), &l, &err);

		if (!uidlists[i].why != !r || (r && !strstr(err.text, uidlists[i].why)))
			fail_msg("\"%s\": %d %s", uidlists[i].text, r, err.text);
		assert_int_equal(l.count, uidlists[i].count);
		assert_int_equal(l.uidnext, uidlists[i].uidnext);
		maildir_uidlist_fini(&l);
	}
}

static void uidlist_is_found_by_name(void **state)
{
	struct maildir_uidlist l;
	struct error err = { 0 };
	const struct maildir_uid *u;

	(void)state;
	assert_int_equal(
		maildir_uidlist_read(
			STR_LIT("3 V5 N9\n2 :z\n5 Pq.1 O3 :b:2,S\n8 :a\n"), &l, &err),
		0);
	u = maildir_uidlist_find(&l, STR_LIT("b"));
	assert_non_null(u);
	assert_int_equal(u->uid, 5);
	assert_int_equal(u->order, 3);
	assert_true(str_eq(u->uidl, STR_LIT("q.1")));
	assert_null(maildir_uidlist_find(&l, STR_LIT("b:2,S")));
	maildir_uidlist_fini(&l);
}

/* Cut anywhere it proves nothing, but at the end of a line. */
static void uidlist_cut(void **state)
{
	const struct str whole = STR("3 V5 N9\n2 :z\n5 Pq.1 O3 :b:2,S\n8 :a\n");

	(void)state;
	for (size_t len = 0; len <= whole.len; len++) {
		struct maildir_uidlist l;
		struct error err = { 0 };
		int r = maildir_uidlist_read(str_take(whole, len), &l, &err);

		assert_int_equal(r == 0, len && whole.ptr[len - 1] == '\n');
		maildir_uidlist_fini(&l);
	}
}

/* ---- dovecot-keywords ---- */

static void keywords(void **state)
{
	struct str words[MAILDIR_LETTERS];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(
		maildir_keywords_read(STR_LIT("0 $Junk\n25 z\n"), words, &err), 0);
	assert_true(str_eq(words[0], STR_LIT("$Junk")));
	assert_true(str_eq(words[25], STR_LIT("z")));
	assert_int_equal(words[1].len, 0);
	for (size_t i = 0; i < 7; i++) {
		const char *const bad[] = { "26 a\n", "x a\n", "0 a\n0 b\n", "0 \n",
			"0 \\Seen\n", "0 a b\n", "0 a" };

		assert_int_equal(
			maildir_keywords_read(str_from(bad[i]), words, &err), -EINVAL);
	}
}

/* ---- names of files ---- */

static const struct {
	const char *file, *base;
	unsigned flags;
	uint32_t letters;
	bool has_size, is_exact;
	uint64_t size;
	int zone;
} files[] = {
	{ "1.a:2,", "1.a", 0, 0, false, false, 0, 0 },
	{ "1.a:2,DFRST", "1.a",
		MAIL_DRAFT | MAIL_FLAGGED | MAIL_ANSWERED | MAIL_SEEN | MAIL_DELETED, 0,
		false, false, 0, 0 },
	{ "1.a:2,PSaz,Txy", "1.a", MAIL_SEEN, 1u | 1u << 25, false, false, 0, 0 },
	{ "1.a:1,S", "1.a", 0, 0, false, false, 0, 0 },
	{ "1.a", "1.a", 0, 0, false, false, 0, 0 },
	{ "1.h,S=77,W=80:2,S", "1.h,S=77,W=80", MAIL_SEEN, 0, true, false, 77, 0 },
	{ "1.h,S=:2,", "1.h,S=", 0, 0, false, false, 0, 0 },
	{ "1.h,S=9x:2,", "1.h,S=9x", 0, 0, false, false, 0, 0 },
	{ "1.mailferry,S=9,Z=-90:2,", "1.mailferry,S=9,Z=-90", 0, 0, true, true, 9, -90 },
	{ "1.mailferry,S=9,Z=60", "1.mailferry,S=9,Z=60", 0, 0, true, true, 9, 60 },
	{ "1.mailferry,S=9,Z=9999", "1.mailferry,S=9,Z=9999", 0, 0, true, true, 9, 0 },
	{ "1.mailferry,Z=60", "1.mailferry,Z=60", 0, 0, false, false, 0, 0 },
	{ "1.other,S=9,Z=60", "1.other,S=9,Z=60", 0, 0, true, false, 9, 0 },
};

static void file_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct maildir_name n;

		maildir_name_read(str_from(files[i].file), &n);
		if (!str_eq(n.base, str_from(files[i].base)) ||
			n.flags != files[i].flags || n.letters != files[i].letters ||
			n.has_size != files[i].has_size ||
			(n.has_size && n.size != files[i].size) ||
			n.is_exact != files[i].is_exact || n.zone != files[i].zone)
			fail_msg("%s", files[i].file);
	}
}

static void order_of_files(void **state)
{
	static const char *const sorted[] = { "999.z", "1000.M5P1.z", "1000.M40P1.a",
		"1000.M40P1.b", "1000.x", "1001.a", "99999999999999999999.a" };

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(sorted) / sizeof(sorted[0]); i++)
		assert_true(maildir_name_cmp(
				    str_from(sorted[i]), str_from(sorted[i + 1])) < 0);
	assert_int_equal(maildir_name_cmp(STR_LIT("1.a"), STR_LIT("1.a")), 0);
	/* no circle, however a second is written: qsort(3) relies on it */
	assert_true(maildir_name_cmp(STR_LIT("1.A"), STR_LIT("1.M9")) < 0);
	assert_true(maildir_name_cmp(STR_LIT("1.M9"), STR_LIT("01.M10")) < 0);
	assert_true(maildir_name_cmp(STR_LIT("1.A"), STR_LIT("01.M10")) < 0);
}

/* ---- names of mailboxes ---- */

static const struct {
	const char *directory;
	char separator;
	const char *name; /* NULL: none */
} mailboxes[] = {
	{ ".Sent", '/', "Sent" },
	{ ".a.b.c", '/', "a/b/c" },
	{ ".a.b", '.', "a.b" },
	{ ".INBOX.a", '/', "INBOX/a" },
	{ ".&AOQ-rger", '/', "&AOQ-rger" },
	{ ".a\\2eb", '/', "a.b" },
	{ ".a\\2eb", '.', "a\\2eb" }, /* no name that it could have had */
	{ ".a\\5cb", '/', "a\\b" },
	{ ".a\\41", '/', "a\\41" },
	{ ".a\\", '/', "a\\" },
	{ ".a\\2", '/', "a\\2" },
	{ ".a\\00", '/', "a\\00" },
	{ ".a..b", '/', NULL },
	{ ".a.", '/', NULL },
	{ ".a\nb", '/', NULL },
	{ ".a^b", '^', NULL },
};

static void mailbox_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mailboxes) / sizeof(mailboxes[0]); i++) {
		struct error err = { 0 };
		struct buf name;
		int r;

		buf_init(&name, 0);
		r = maildir_folder_name(str_from(mailboxes[i].directory),
			mailboxes[i].separator, &name, &err);
		if (!mailboxes[i].name != !!r ||
			(!r && !str_eq(buf_view(&name), str_from(mailboxes[i].name))))
			fail_msg("%s: %.*s", mailboxes[i].directory,
				STR_ARG(buf_view(&name)));
		buf_fini(&name);
	}
}

static int join(void *context, struct str name)
{
	(void)buf_append(context, name);
	return buf_byte(context, '|');
}

static void subscriptions(void **state)
{
	static const char *const rows[][2] = {
		{ "V\t2\n\nINBOX\na\tb\\2ec\n", "INBOX|a/b.c|" },
		{ "INBOX\nSent.2019\n", "INBOX|Sent/2019|" },
		{ "V\t2\n\n", "" },
		{ "", "" },
		{ "a..b\nc\ncut", "c|" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error err = { 0 };
		struct buf all;

		buf_init(&all, 0);
		assert_int_equal(maildir_subscriptions_read(
					 str_from(rows[i][0]), '/', join, &all, &err),
			0);
		if (!str_eq(buf_view(&all), str_from(rows[i][1])))
			fail_msg("%s: %.*s", rows[i][0], STR_ARG(buf_view(&all)));
		buf_fini(&all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uidlist_rows),
		cmocka_unit_test(uidlist_is_found_by_name),
		cmocka_unit_test(uidlist_cut),
		cmocka_unit_test(keywords),
		cmocka_unit_test(file_names),
		cmocka_unit_test(order_of_files),
		cmocka_unit_test(mailbox_names),
		cmocka_unit_test(subscriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
