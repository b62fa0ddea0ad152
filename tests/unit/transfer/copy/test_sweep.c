/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What still comes to a server in memory, brought into a real store as the mailstore does
 * it: each message once, whatever breaks and whatever the sweep has forgotten since.
 */
#include "transfer/copy/sweep.h"

#include "mailstore/serve/delivery.h"
#include "mailstore/store/fixture.h"
#include "mailstore/store/source_side.h"
#include "transfer/account/results/sweep_state.h"
#include "transfer/read/memory_source.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define VALIDITY 77u
#define LARGE (STORE_INLINE_MAX + 1000)
#define CERTIFICATE                                                                      \
	"{\"time\":\"t1\",\"folders\":["                                                 \
	"{\"name\":\"INBOX\",\"result\":\"equal\",\"uidvalidity\":77,\"uidnext\":5},"    \
	"{\"name\":\"Gone here\",\"result\":\"equal\",\"uidvalidity\":9,\"uidnext\":2}]}"

struct world {
	struct fixture *f;
	struct memory_source *source;
	struct sweep sweep;
	char *state;    /* as the registry keeps it */
	unsigned fails; /* so many deliveries are not taken */
};

/* ---- the mailstore's part ---- */

static int hand_on(void *context, const struct sweep_folder *folder, const struct mail *m,
	int fd, struct error *err)
{
	struct world *w = context;
	struct delivery d = { .what = DELIVERY_SWEEP,
		.fd = fd,
		.swept = { .folder = folder->name,
			.uidvalidity = folder->uidvalidity,
			.uid = m->uid,
			.flags = m->flags,
			.keywords = m->keywords,
			.date = m->date,
			.zone = m->zone } };
	/* which limit what the source has in no way */
	struct serve serve = {
		.store = w->f->store, .message_bytes = 1, .quota = { 1, 1 }
	};
	struct delivery *list[] = { &d };

	if (w->fails) {
		w->fails--;
		return error_set(err, -EREMOTEIO, "451");
	}
	deliveries_run(&serve, list, 1);
	if (d.code < 0)
		*err = d.err;
	return d.code;
}

static int count_row(void *context, const struct store_message *m)
{
	unsigned *n = context;

	(*n)++;
	assert_true(m->flags & FLAG_RECENT);
	return 0;
}

static unsigned count(struct world *w, const char *name)
{
	struct error err = { 0 };
	unsigned n = 0;

	OK(store_each_message(w->f->store, get_mailbox(w->f, name).id, 1, UINT32_MAX,
		count_row, &n, &err));
	return n;
}

/* ---- a round, as a process of its own ---- */

static int round_with(struct world *w, bool forgets, struct error *err)
{
	struct source from = memory_source(w->source);
	struct str state = forgets || !w->state ? STR_LIT("") : str_from(w->state);
	char *next;
	int r;

	sweep_init(&w->sweep, &from);
	w->sweep.hand_on = hand_on;
	w->sweep.context = w;
	w->sweep.spool_folder = "/tmp";
	assert_int_equal(
		sweep_state_read(&w->sweep, STR_LIT(CERTIFICATE), state, err), 0);
	r = sweep_round(&w->sweep, err);
	next = sweep_state_write(&w->sweep, STR_LIT(CERTIFICATE));
	assert_non_null(next);
	free(w->state);
	w->state = next;
	sweep_fini(&w->sweep);
	return r;
}

static void begin(struct world *w, void **state)
{
	struct memory_folder *inbox, *gone;
	struct error err = { 0 };

	*w = (struct world){ .f = *state, .source = calloc(1, sizeof(*w->source)) };
	assert_non_null(w->source);
	OK(store_begin(w->f->store, &err));
	OK(store_create_mailbox(w->f->store,
		&(struct mailbox){
			.name = STR("INBOX"), .separator = '/', .uidvalidity = VALIDITY },
		NULL, &err));
	OK(store_commit(w->f->store, &err));
	inbox = memory_add_folder(w->source, "INBOX");
	inbox->uidvalidity = VALIDITY;
	for (uint32_t uid = 1; uid < 5; uid++)
		(void)memory_add(inbox, uid, 10);
	gone = memory_add_folder(w->source, "Gone here");
	gone->uidvalidity = 9;
	gone->uidnext = 2;
}

static void end(struct world *w)
{
	free(w->state);
	free(w->source);
}

static struct memory_folder *inbox_of(struct world *w)
{
	return memory_folder(w->source, "INBOX");
}

/* ---- the cases ---- */

static void test_new_mail_comes_once(void **state)
{
	struct error err = { 0 };
	struct world w;
	struct memory_message *m;

	begin(&w, state);
	OK(round_with(&w, false, &err));
	assert_int_equal(count(&w, "INBOX"), 0);
	m = memory_add(inbox_of(&w), 5, 100);
	m->flags = MAIL_SEEN | MAIL_FLAGGED;
	(void)memory_add(inbox_of(&w), 8, LARGE);
	(void)memory_add(memory_folder(w.source, "Gone here"), 2, 7);
	OK(round_with(&w, false, &err));
	assert_int_equal(count(&w, "INBOX"), 3); /* whose mailbox is gone: INBOX */
	OK(round_with(&w, false, &err));
	OK(round_with(&w, true, &err)); /* the registry is an old one */
	assert_int_equal(count(&w, "INBOX"), 3);
	OK(store_verify(w.f->store, &err));
	end(&w);
}

static int check_kept(void *context, const struct store_message *m)
{
	(void)context;
	assert_int_equal(m->flags, FLAG_RECENT | FLAG_ANSWERED);
	assert_str(m->keywords, "$Forwarded Work");
	assert_int_equal(m->date, 1700000000);
	assert_int_equal(m->zone, -90);
	assert_int_equal(m->body_len, 33);
	return 0;
}

static void test_flags_and_date_are_kept(void **state)
{
	struct error err = { 0 };
	struct world w;
	struct memory_message *m;

	begin(&w, state);
	m = memory_add(inbox_of(&w), 5, 33);
	m->flags = MAIL_ANSWERED;
	m->keywords = "$Forwarded Work";
	m->date = 1700000000;
	m->zone = -90;
	OK(round_with(&w, false, &err));
	assert_int_equal(count(&w, "INBOX"), 1);
	OK(store_each_message(w.f->store, get_mailbox(w.f, "INBOX").id, 1, UINT32_MAX,
		check_kept, NULL, &err));
	end(&w);
}

/* The connection breaks at each event; the next round begins with all that was noted, or
   with nothing. */
static void test_broken_anywhere(void **state)
{
	struct error err = { 0 };
	unsigned done = 0;
	struct world w;

	begin(&w, state);
	w.source->backwards = true;
	for (uint64_t at = 1, uid = 5; !done; at++) {
		for (int i = 0; i < 3; i++)
			(void)memory_add(inbox_of(&w), (uint32_t)uid++, 20);
		w.source->events = 0;
		w.source->break_at = at;
		done = round_with(&w, at % 2 == 0, &err) == 0;
		w.source->break_at = 0;
		OK(round_with(&w, at % 2 == 0, &err));
		assert_int_equal(count(&w, "INBOX"), uid - 5);
		assert_true(at < 1000);
	}
	OK(store_verify(w.f->store, &err));
	end(&w);
}

static void test_what_is_not_taken_comes_later(void **state)
{
	struct error err = { 0 };
	struct world w;

	begin(&w, state);
	(void)memory_add(inbox_of(&w), 5, 20);
	(void)memory_add(inbox_of(&w), 6, 20);
	w.fails = 1;
	assert_int_equal(round_with(&w, false, &err), -EREMOTEIO);
	assert_int_equal(count(&w, "INBOX"), 0);
	OK(round_with(&w, false, &err));
	assert_int_equal(count(&w, "INBOX"), 2);
	end(&w);
}

static void test_unreadable_is_not_passed_over(void **state)
{
	struct error err = { 0 };
	struct world w;

	begin(&w, state);
	for (uint32_t uid = 5; uid < 8; uid++)
		(void)memory_add(inbox_of(&w), uid, 20);
	w.source->unreadable = 6;
	OK(round_with(&w, false, &err));
	assert_int_equal(count(&w, "INBOX"), 1);
	assert_non_null(strstr(w.state, "does not give a message"));
	w.source->unreadable = 0;
	OK(round_with(&w, false, &err));
	assert_int_equal(count(&w, "INBOX"), 3);
	assert_null(strstr(w.state, "does not give a message"));
	end(&w);
}

static void test_made_anew_and_new_are_named(void **state)
{
	struct error err = { 0 };
	struct memory_folder *fresh;
	struct world w;

	begin(&w, state);
	(void)memory_add(inbox_of(&w), 5, 20);
	inbox_of(&w)->uidvalidity = VALIDITY + 1;
	fresh = memory_add_folder(w.source, "Fresh");
	fresh->uidvalidity = 3;
	(void)memory_add(fresh, 1, 20);
	OK(round_with(&w, false, &err));
	assert_int_equal(count(&w, "INBOX"), 0);
	assert_non_null(strstr(w.state, "made it anew (UIDVALIDITY 78, was 77)"));
	assert_non_null(strstr(w.state, "new at the source and not brought: 1 message"));
	end(&w);
}

static void note_base(struct world *w, const char *body, int64_t date)
{
	const struct body_place place = store_body_inline(str_from(body));
	const struct store_message m = { .flags = FLAG_RECENT,
		.keywords = STR(""),
		.uidl = STR(""),
		.date = date,
		.size = strlen(body) };
	const int64_t inbox = get_mailbox(w->f, "INBOX").id;
	struct error err = { 0 };

	OK(store_begin(w->f->store, &err));
	for (uint32_t uid = 1; uid < 5; uid++)
		OK(store_add(w->f->store, inbox, &m, &place, NULL, &err));
	OK(store_note_switch(w->f->store, &err));
	OK(store_commit(w->f->store, &err));
}

/* What was there at the switch, under another UID and the same UIDVALIDITY (Courier), is
   no new mail; what only looks like it is. */
static void test_uid_given_anew(void **state)
{
	static const struct {
		const char *body;
		int64_t date;
		unsigned comes;
	} rows[] = {
		{ "it is here\r\n", 1700000000, 0 },
		{ "it is here\r\n", 1700000000, 0 }, /* once more */
		{ "it is hers\r\n", 1700000000, 1 },
		{ "it is here\r\n", 1700000001, 1 },
		{ "it is here, too\r\n", 1700000000, 1 },
	};
	struct error err = { 0 };
	struct world w;
	unsigned n = 4;

	begin(&w, state);
	note_base(&w, rows[0].body, rows[0].date);
	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct memory_message *m =
			memory_add(inbox_of(&w), 5 + i, (unsigned)strlen(rows[i].body));

		m->body = rows[i].body;
		m->date = rows[i].date;
		n += rows[i].comes;
		OK(round_with(&w, i % 2, &err));
		assert_int_equal(count(&w, "INBOX"), n);
	}
	OK(round_with(&w, true, &err));
	assert_int_equal(count(&w, "INBOX"), n);
	end(&w);
}

/* ---- what others do there ---- */

static bool is_told(struct world *w, const char *text)
{
	return strstr(w->state, text) != NULL;
}

static void test_what_others_change_is_told(void **state)
{
	struct error err = { 0 };
	struct memory_folder *trash;
	struct world w;

	begin(&w, state);
	inbox_of(&w)->highestmodseq = 10;
	trash = memory_add_folder(w.source, "INBOX.Trash");
	trash->uidvalidity = 4;
	(void)memory_add(trash, 1, 10);
	for (int i = 0; i < 2; i++)
		OK(round_with(&w, false, &err));
	assert_false(is_told(&w, "change"));
	/* new mail, and what its owner has marked read elsewhere before */
	memory_add(inbox_of(&w), 5, 10)->flags = MAIL_SEEN;
	(void)memory_add(inbox_of(&w), 6, 10);
	inbox_of(&w)->highestmodseq = 12;
	OK(round_with(&w, false, &err));
	OK(round_with(&w, false, &err));
	assert_false(is_told(&w, "change"));
	/* the source empties it by itself */
	memory_remove(trash, 1);
	OK(round_with(&w, false, &err));
	assert_false(is_told(&w, "change"));

	memory_find(inbox_of(&w), 6)->flags |= MAIL_SEEN;
	OK(round_with(&w, false, &err));
	assert_true(is_told(&w, "messages read there: 1"));
	inbox_of(&w)->highestmodseq = 13;
	OK(round_with(&w, false, &err));
	assert_true(is_told(&w, "flags changed there"));
	memory_remove(inbox_of(&w), 2);
	(void)memory_add(inbox_of(&w), 7, 10);
	memory_remove(inbox_of(&w), 3);
	OK(round_with(&w, false, &err));
	assert_true(is_told(&w, "messages removed there: 1"));
	/* it stays told, when all is quiet again */
	OK(round_with(&w, false, &err));
	assert_true(is_told(&w, "messages removed there: 1"));
	memory_remove_folder(w.source, "Gone here");
	OK(round_with(&w, false, &err));
	assert_true(is_told(&w, "\"removed there\""));
	end(&w);
}

/* ---- without memory ---- */

static unsigned until_failure; /* so many allocations succeed, then one does not */

/* A mapping each, that nobody may touch once it was given back: in a library that was not
   built for it the sanitizer does not see it. */
static void *allocate(size_t size)
{
	max_align_t *p;

	if (!until_failure--)
		return NULL;
	p = mmap(NULL, size + sizeof(*p), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	memcpy(p, &size, sizeof(size));
	return p + 1;
}

static void give_back(void *bytes)
{
	max_align_t *p = bytes;
	size_t size;

	if (!p)
		return;
	memcpy(&size, --p, sizeof(size));
	assert_int_equal(mprotect(p, size + sizeof(*p), PROT_NONE), 0);
}

static void test_no_memory_for_what_is_noted(void **state)
{
	struct error err = { 0 };
	char *text = NULL;
	struct world w;

	begin(&w, state);
	(void)memory_add(inbox_of(&w), 5, 100);
	OK(round_with(&w, false, &err));
	json_set_alloc_funcs(allocate, give_back);
	for (unsigned n = 0; !text || strcmp(text, w.state) != 0; n++) {
		struct source from = memory_source(w.source);

		until_failure = UINT_MAX;
		sweep_init(&w.sweep, &from);
		OK(sweep_state_read(
			&w.sweep, STR_LIT(CERTIFICATE), str_from(w.state), &err));
		give_back(text);
		until_failure = n;
		text = sweep_state_write(&w.sweep, STR_LIT(CERTIFICATE));
		sweep_fini(&w.sweep);
	}
	json_set_alloc_funcs(malloc, free);
	give_back(text);
	end(&w);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_new_mail_comes_once),
		CASE(test_flags_and_date_are_kept),
		CASE(test_broken_anywhere),
		CASE(test_what_is_not_taken_comes_later),
		CASE(test_unreadable_is_not_passed_over),
		CASE(test_made_anew_and_new_are_named),
		CASE(test_uid_given_anew),
		CASE(test_what_others_change_is_told),
		CASE(test_no_memory_for_what_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
