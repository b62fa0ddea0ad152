/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SORT and THREAD have read is kept as it was, within its bounds; and their answers
   with it are those without it, from memory and from the store. */
#include "mailstore/serve/memory_session.h"
#include "mailstore/serve/sort_stored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_ROWS(a) (sizeof(a) / sizeof((a)[0]))
#define BOUND 131072
#define ROUNDS 400

/* ── the cache ─────────────────────────────────────────────────────────────────────── */

static struct sort_cached message(uint32_t uid)
{
	return (struct sort_cached){ .uid = uid,
		.arrived = -(int64_t)uid,
		.sent = (int64_t)uid * 3,
		.size = (uint64_t)uid + 7 };
}

/* kinds: of texts, as a string of digits. */
static void add_texts(struct sort_cache *c, uint32_t uid, const char *kinds)
{
	struct sort_text texts[IMAP_SORT_KEYS_MAX];
	struct sort_cached m = message(uid);

	m.is_reply = true;
	for (size_t i = 0; kinds[i]; i++) {
		texts[i] = (struct sort_text){ m.texts,
			(enum imap_sort_kind)(kinds[i] - '0'), str_from(kinds) };
		m.texts = &texts[i];
	}
	sort_cache_add(c, &m);
}

static void add_ids(
	struct sort_cache *c, uint32_t uid, const char *id, size_t n_references)
{
	struct str references[8];
	const struct sort_ids ids = { str_from(id), references, n_references };
	struct sort_cached m = message(uid);

	for (size_t i = 0; i < n_references; i++)
		references[i] = str_from(id);
	m.ids = &ids;
	sort_cache_add(c, &m);
}

static bool has(const struct sort_cache *c, uint32_t uid)
{
	const struct sort_cached *m = sort_cache_find(c, uid);
	struct sort_cached wanted = message(uid);

	return m && m->uid == uid && m->arrived == wanted.arrived &&
	       m->sent == wanted.sent && m->size == wanted.size;
}

static void numbers_are_kept(void **state)
{
	/* dense, with gaps, and as nobody gives them: all want the same place */
	static const struct {
		uint32_t step, count, at_least;
	} rows[] = { { 1, 1, 1 }, { 1, 5000, 5000 }, { 3, 5000, 5000 },
		{ 1, BOUND + 5, BOUND }, { 1 << 18, 5000, 8 } };

	(void)state;
	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct sort_cache c = { 0 };
		uint32_t kept = 0;

		sort_cache_begin(&c, 5, 1000);
		assert_null(sort_cache_find(&c, 1));
		for (uint32_t n = 1; n <= rows[i].count; n++)
			add_texts(&c, n * rows[i].step, "");
		for (uint32_t n = 1; n <= rows[i].count; n++)
			kept += has(&c, n * rows[i].step);
		assert_in_range(kept, rows[i].at_least, BOUND);
		for (uint32_t n = 0; n < 20000; n++)
			assert_null(sort_cache_find(&c, UINT32_MAX - n));
		sort_cache_begin(&c, 5, 1000);
		assert_int_equal(has(&c, rows[i].step), 1);
		sort_cache_begin(&c, 5, 1001); /* the mailbox was made anew */
		assert_null(sort_cache_find(&c, rows[i].step));
		sort_cache_fini(&c);
	}
}

static bool text_is(
	const struct sort_cached *m, enum imap_sort_kind kind, const char *text)
{
	struct str kept = sort_cached_text(m, kind);

	return text ? kept.ptr && str_eq(kept, str_from(text)) : !kept.ptr;
}

static void texts_are_kept(void **state)
{
	struct sort_cache c = { 0 };
	const struct sort_cached *m;

	(void)state;
	_Static_assert(IMAP_SORT_FROM == 3 && IMAP_SORT_SUBJECT == 5, "the digits below");
	sort_cache_begin(&c, 5, 1000);
	add_texts(&c, 1, "3");
	m = sort_cache_find(&c, 1);
	assert_true(text_is(m, IMAP_SORT_FROM, "3"));
	assert_true(text_is(m, IMAP_SORT_SUBJECT, NULL));
	assert_false(m->is_reply);
	assert_null(m->ids);
	add_texts(&c, 1, "53"); /* the subject is new, From is kept as it was */
	m = sort_cache_find(&c, 1);
	assert_true(text_is(m, IMAP_SORT_FROM, "3"));
	assert_true(text_is(m, IMAP_SORT_SUBJECT, "53"));
	assert_true(m->is_reply);
	add_ids(&c, 1, "one", 3);
	add_texts(&c, 1, "");
	m = sort_cache_find(&c, 1);
	assert_int_equal(m->ids->n_references, 3);
	assert_true(str_eq(m->ids->references[2], STR_LIT("one")));
	assert_true(str_eq(m->ids->id, STR_LIT("one")));
	assert_true(text_is(m, IMAP_SORT_SUBJECT, "53"));
	sort_cache_give_back(&c);
	m = sort_cache_find(&c, 1);
	assert_null(m->ids);
	assert_true(text_is(m, IMAP_SORT_SUBJECT, NULL));
	assert_true(has(&c, 1));
	add_ids(&c, 1, "one", 1);
	assert_int_equal(sort_cache_find(&c, 1)->ids->n_references, 1);
	sort_cache_fini(&c);
}

static void texts_are_bounded(void **state)
{
	char *text = malloc(70001);
	struct sort_cache c = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 70000);
	text[70000] = '\0';
	sort_cache_begin(&c, 5, 1000);
	add_ids(&c, 1, text, 0);
	assert_null(sort_cache_find(&c, 1)->ids); /* too long */
	text[6000] = '\0';
	for (uint32_t uid = 2; uid < 1000; uid++) {
		add_ids(&c, uid, text, 8);
		add_texts(&c, uid, "5");
	}
	assert_non_null(sort_cache_find(&c, 2)->ids);
	assert_null(sort_cache_find(&c, 999)->ids);
	assert_true(has(&c, 999));
	for (uint32_t uid = 2; uid < 200000; uid++)
		add_texts(&c, uid, "34567");
	assert_true(text_is(sort_cache_find(&c, BOUND), IMAP_SORT_SUBJECT, NULL));
	assert_in_range(c.texts.used, 6 << 20, 9 << 20);
	sort_cache_fini(&c);
	free(text);
}

/* ── the answers ───────────────────────────────────────────────────────────────────── */

static const char *const deeds[] = {
	"APPEND INBOX {97+}\r\nDate: 3 Jan 2020 10:00:00 +0000\r\nSubject: Re: apple\r\n"
	"Message-ID: <2@x>\r\nReferences: <1@x>\r\n\r\nab\r\n",
	"APPEND INBOX {95+}\r\nSubject: Fwd: pear\r\nFrom: Zoe <a@x>\r\nTo: Bo <z@x>, c@x\r\n"
	"Cc: d@x\r\nIn-Reply-To: <2@x>\r\n\r\nabcdefgh",
	"APPEND INBOX \"01-Jan-2031 00:00:00 +0000\" {68+}\r\nSubject: apple\r\n"
	"Message-ID: <1@x>\r\nDate: 1 Feb 2020 00:00 +0000\r\n\r\na",
	"COPY 1:2 INBOX",
	"STORE 3 +FLAGS (\\Deleted)",
	"STORE 1 +FLAGS (\\Deleted)",
	"EXPUNGE",
	"SELECT Sent",
	"SELECT INBOX",
};

static const char *const questions[] = {
	"SORT (DATE) UTF-8 ALL",
	"SORT (REVERSE ARRIVAL SIZE) UTF-8 2:*",
	"SORT (SUBJECT DATE) UTF-8 ALL",
	"SORT (REVERSE FROM) UTF-8 ALL",
	"SORT (DISPLAYTO CC SUBJECT) UTF-8 ALL",
	"UID SORT (DATE) UTF-8 UNDELETED",
	"UID THREAD REFERENCES UTF-8 ALL",
	"THREAD REFS UTF-8 2:*",
	"THREAD ORDEREDSUBJECT UTF-8 ALL",
};

static unsigned random_below(unsigned *seed, size_t n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % (unsigned)n;
}

static void answers_are_the_same(void **state)
{
	struct memory_server server;
	unsigned seed = 3, known = 0;
	struct str said;

	(void)state;
	assert_return_code(memory_server_open(&server), 0);
	assert_return_code(memory_session_open(&server, 0, STR_LIT("")), 0);
	assert_return_code(memory_session_say(&server, 0, "SELECT INBOX", &said), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *deed = deeds[random_below(&seed, N_ROWS(deeds))];
		const char *asked = questions[random_below(&seed, N_ROWS(questions))];
		struct buf with = { 0 };

		assert_return_code(memory_session_say(&server, 0, deed, &said), 0);
		assert_return_code(memory_session_say(&server, 0, asked, &said), 0);
		known += server.serve.sort_cache.count;
		assert_return_code(buf_append(&with, said), 0);
		if (random_below(&seed, 3) == 0)
			sort_cache_fini(&server.serve.sort_cache);
		assert_return_code(memory_session_say(&server, 0, asked, &said), 0);
		if (!str_eq(buf_view(&with), said))
			fail_msg("%s\nbefore: %.*s\nthen: %.*s", asked,
				STR_ARG(buf_view(&with)), STR_ARG(said));
		buf_fini(&with);
	}
	assert_true(known > ROUNDS);
	memory_server_close(&server);
}

/* ── in the store ──────────────────────────────────────────────────────────────────── */

struct large { /* a mailbox of which images are made */
	struct memory_server server;
	struct buf answers[N_ROWS(questions)];
};

static void say(struct large *l, const char *command)
{
	struct str said;

	assert_return_code(memory_session_say(&l->server, 0, command, &said), 0);
	assert_non_null(memmem(said.ptr, said.len, "t OK", 4));
}

static void fill(struct large *l)
{
	say(l, "SELECT INBOX");
	say(l, "EXPUNGE"); /* no copies of what is \Deleted */
	for (size_t i = 0; i < 3; i++)
		say(l, deeds[i]);
	for (unsigned i = 0; i < 8; i++)
		say(l, "COPY 1:* INBOX");
}

/* Its process ends, and another one starts. */
static void start_anew(struct large *l)
{
	struct error err = { 0 };

	if (sort_stored_keep(&l->server.serve, &err) < 0)
		fail_msg("%s", err.text);
	sort_cache_fini(&l->server.serve.sort_cache);
}

static void ask_all(struct large *l, bool expect_same)
{
	for (size_t i = 0; i < N_ROWS(questions); i++) {
		struct str said;

		assert_return_code(
			memory_session_say(&l->server, 0, questions[i], &said), 0);
		if (expect_same && !str_eq(buf_view(&l->answers[i]), said))
			fail_msg("%s", questions[i]);
		buf_clear(&l->answers[i]);
		assert_return_code(buf_append(&l->answers[i], said), 0);
	}
}

static void damage(struct large *l, const char *how)
{
	char command[300];

	(void)snprintf(command, sizeof(command),
		"sqlite3 %s/index.sqlite 'UPDATE image SET %s WHERE kind > 0'",
		l->server.folder, how);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static void is_read_from_the_store(void **state)
{
	static const char *const damages[] = { "bytes = zeroblob(length(bytes))",
		"checksum = checksum + 1", "version = version + 1",
		"bytes = substr(bytes, 1, length(bytes) / 2)" };
	struct sort_cache *cache;
	struct large l = { .answers = { { 0 } } };
	uint32_t count;

	(void)state;
	assert_return_code(memory_server_open(&l.server), 0);
	assert_return_code(memory_session_open(&l.server, 0, STR_LIT("")), 0);
	cache = &l.server.serve.sort_cache;
	fill(&l);
	ask_all(&l, false);
	count = cache->count;
	assert_int_equal(count, 6 << 8);
	assert_int_equal(cache->fresh[IMAGE_DATES], count);
	start_anew(&l);
	ask_all(&l, true);
	assert_int_equal(cache->count, count);
	for (size_t i = IMAGE_DATES; i <= IMAGE_IDS; i++) /* nothing was read */
		assert_int_equal(cache->fresh[i], 0);
	sort_cache_give_back(cache);
	ask_all(&l, true);
	assert_int_equal(cache->fresh[IMAGE_TEXTS], 0);
	assert_int_equal(cache->fresh[IMAGE_IDS], 0);
	/* what is new is read */
	say(&l, "STORE 2:9 +FLAGS.SILENT (\\Deleted)");
	say(&l, "EXPUNGE");
	say(&l, deeds[1]);
	start_anew(&l);
	ask_all(&l, false);
	assert_int_equal(cache->fresh[IMAGE_DATES], 1);
	sort_cache_fini(cache);
	for (size_t i = 0; i < N_ROWS(damages); i++) {
		damage(&l, damages[i]);
		ask_all(&l, true);
		assert_int_equal(cache->fresh[IMAGE_DATES], cache->count);
		start_anew(&l);
	}
	ask_all(&l, true);
	assert_int_equal(cache->fresh[IMAGE_DATES], 0);
	assert_int_equal(cache->count, count - 8 + 1); /* without those that have gone */
	/* where charsets are read differently, nothing of it is taken */
	sort_cache_fini(cache);
	l.server.serve.reads_as++;
	ask_all(&l, false);
	l.server.serve.reads_as--;
	assert_int_equal(cache->fresh[IMAGE_DATES], cache->count);
	for (size_t i = 0; i < N_ROWS(questions); i++)
		buf_fini(&l.answers[i]);
	memory_server_close(&l.server);
}

#define LARGE 70000 /* its checksum is not compared for its header */

static void append_large(struct memory_server *server, char subject)
{
	char *text = calloc(1, LARGE + 100);
	struct str said;
	int len;

	assert_non_null(text);
	len = snprintf(
		text, LARGE, "APPEND Sent {%d+}\r\nSubject: %c\r\n\r\n", LARGE, subject);
	memset(text + len, 'x', LARGE - sizeof("Subject: c\r\n\r\n") + 1);
	assert_return_code(memory_session_say(server, 0, text, &said), 0);
	assert_non_null(memmem(said.ptr, said.len, "t OK", 4));
	free(text);
}

/* That of the first of them. */
static void overwrite_subject(const struct memory_server *server, char subject)
{
	char command[300];

	(void)snprintf(command, sizeof(command),
		"printf %c | dd of=%s/bodies/0001.pack bs=1 seek=%zu conv=notrunc"
		" status=none",
		subject, server->folder, sizeof("Subject: ") - 1);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

static void expect_order(struct memory_server *server, const char *order)
{
	struct str said;

	assert_return_code(
		memory_session_say(server, 0, "THREAD REFERENCES UTF-8 ALL", &said), 0);
	assert_return_code(
		memory_session_say(server, 0, "SORT (SUBJECT) UTF-8 ALL", &said), 0);
	if (!memmem(said.ptr, said.len, order, strlen(order)))
		fail_msg("%s: %.*s", order, STR_ARG(said));
}

/* The header of a body that nobody has looked at whole may be another one when it is
   mended. */
static void what_may_be_damaged_is_not_kept(void **state)
{
	struct memory_server server;
	struct str said;

	(void)state;
	assert_return_code(memory_server_open(&server), 0);
	assert_return_code(memory_session_open(&server, 0, STR_LIT("")), 0);
	append_large(&server, 'b');
	append_large(&server, 'c');
	assert_return_code(memory_session_say(&server, 0, "SELECT Sent", &said), 0);
	expect_order(&server, "* SORT 1 2\r\n");
	overwrite_subject(&server, 'd');
	expect_order(&server, "* SORT 2 1\r\n");
	overwrite_subject(&server, 'b');
	expect_order(&server, "* SORT 1 2\r\n");
	memory_server_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_kept),
		cmocka_unit_test(texts_are_kept),
		cmocka_unit_test(texts_are_bounded),
		cmocka_unit_test(answers_are_the_same),
		cmocka_unit_test(is_read_from_the_store),
		cmocka_unit_test(what_may_be_damaged_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
