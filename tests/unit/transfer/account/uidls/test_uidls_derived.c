/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What follows from a reading of the maildrop: ten messages of INBOX are read, something
 * happens, and what is derived is what the maildrop would show, or nothing is.
 */
#include "transfer/account/uidls/uidls_derived.h"
#include "transfer/write/memory_destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VALIDITY 0x65e9b2d4
#define FIRST 11 /* some were there before */
#define COUNT 10
#define NEXT (FIRST + COUNT)
#define ROOM 1200

struct world {
	struct settings settings;
	struct job job;
	struct memory_destination *memory;
	struct memory_kept_folder *inbox;
	struct uidl_side drop[ROOM], list[COUNT];
	struct uidl_match match;
	char texts[ROOM][UIDL_FORM_TEXT];
	enum uidl_form form;
};

static void comes(struct world *w, uint32_t uid, const char *header)
{
	const struct destination *to = &w->job.destination;
	struct mail m = { .uid = uid, .keywords = STR(""), .uidl = STR("") };
	struct error *err = &w->job.err;
	int64_t id = w->inbox->is.id;
	uint64_t bytes;

	assert_int_equal(to->ops->body(to->self, 0, strlen(header), err), 0);
	assert_int_equal(to->ops->bytes(to->self, 0, str_from(header), err), 0);
	assert_int_equal(to->ops->add(to->self, 0, id, &m, &bytes, err), 0);
}

static void goes(struct world *w, uint32_t uid)
{
	const struct destination *to = &w->job.destination;

	assert_int_equal(
		to->ops->expunge(to->self, w->inbox->is.id, uid, &w->job.err), 0);
}

/* The maildrop shows it behind the others. */
static struct uidl_side *shows(struct world *w, uint32_t uid, bool matched)
{
	size_t n = w->match.n_drop++;

	w->drop[n] = (struct uidl_side){ .id = (uint32_t)n + 1,
		.is_matched = matched,
		.partner = matched ? uid : 0,
		.uidl = uidl_form_write(w->form, uid, VALIDITY, w->texts[n]) };
	return &w->drop[n];
}

/* The maildrop showed all but the one at that place. */
static void lacks(struct world *w, size_t place)
{
	w->match.n_drop = 0;
	w->list[place].is_matched = false;
	for (size_t i = 0; i < COUNT; i++)
		if (w->list[i].is_matched)
			(void)shows(w, w->list[i].id, true);
}

static void begin(struct world *w, enum uidl_form form)
{
	const struct source_status status = { .uidvalidity = VALIDITY };
	const struct mail_folder inbox = { .name = STR("INBOX"), .special_use = STR("") };
	int64_t id;

	memset(w, 0, sizeof(*w));
	w->form = form;
	w->job.settings = &w->settings;
	w->memory = memory_destination_new(&w->job.destination);
	assert_int_equal(w->job.destination.ops->create_folder(
				 w->memory, &inbox, &status, &id, &w->job.err),
		0);
	w->inbox = &w->memory->now.folders[0];
	w->match = (struct uidl_match){
		.drop = w->drop, .inbox = w->list, .n_inbox = COUNT
	};
	for (uint32_t i = 0; i < COUNT; i++) {
		comes(w, FIRST + i, "Subject: x\r\n\r\n");
		w->list[i] = (struct uidl_side){ .id = FIRST + i, .is_matched = true };
		(void)shows(w, FIRST + i, true);
	}
}

/* ---- what the maildrop showed ---- */

static void one_has_another_form(struct world *w)
{
	w->drop[3].uidl = STR_LIT("qmail.14.alice");
}
static void the_first_is_not_shown(struct world *w)
{
	lacks(w, 0);
}
static void another_order(struct world *w)
{
	struct uidl_side first = w->drop[0];

	w->drop[0] = w->drop[1];
	w->drop[1] = first;
}
static void two_more(struct world *w)
{
	(void)shows(w, NEXT, false);
	(void)shows(w, NEXT + 1, false);
}
static void one_more_with_another(struct world *w)
{
	shows(w, NEXT, false)->uidl = STR_LIT("from-its-header");
}
static void one_more_of_no_form(struct world *w)
{
	one_has_another_form(w);
	shows(w, NEXT, false)->uidl = STR_LIT("");
}

/* ---- what happens then ---- */

static void two_come(struct world *w)
{
	comes(w, NEXT, "Subject: y\r\n\r\nX-UIDL: of the text\r\n");
	comes(w, NEXT + 1, "Subject: z\r\n\r\n");
}
static void one_brings_its_own(struct world *w)
{
	comes(w, NEXT, "Subject: y\r\nx-uidl: 0123\r\n\r\n");
	comes(w, NEXT + 1, "Subject: z\r\n\r\n");
}
static void one_comes_and_goes(struct world *w)
{
	two_come(w);
	goes(w, NEXT);
}
static void the_last_comes_and_goes(struct world *w)
{
	two_come(w);
	goes(w, NEXT + 1);
}
static void too_many_come(struct world *w)
{
	for (uint32_t i = 0; i < ROOM - COUNT; i++)
		comes(w, NEXT + i, "\r\n");
}
static void some_go(struct world *w)
{
	goes(w, FIRST);
	goes(w, FIRST + 5);
}
static void the_first_goes_two_come(struct world *w)
{
	goes(w, FIRST);
	two_come(w);
}
static void another_goes(struct world *w)
{
	goes(w, FIRST + 1);
}
static void one_gets_a_keyword(struct world *w)
{
	w->job.sync.keyword_changes++;
}
static void one_is_deleted(struct world *w)
{
	w->inbox->is.deleted = 1;
}
static void made_anew(struct world *w)
{
	w->inbox->is.uidvalidity++;
}
static void everything_is_required(struct world *w)
{
	w->settings.uidls = UIDLS_REQUIRE;
}

static const struct row {
	const char *name;
	void (*before)(struct world *w), (*after)(struct world *w);
	enum uidl_form form;
	bool done;
	size_t late; /* derived */
} rows[] = {
	{ "nothing happens", NULL, NULL, UIDL_FORM_HEX_UID_FIRST, true, 0 },
	{ "two come", NULL, two_come, UIDL_FORM_HEX_UID_FIRST, true, 2 },
	{ "two come at a Cyrus", NULL, two_come, UIDL_FORM_UID, true, 2 },
	{ "some go", NULL, some_go, UIDL_FORM_HEX_UID_FIRST, true, 0 },
	{ "no form, some go", one_has_another_form, some_go, UIDL_FORM_HEX_UID_FIRST,
		true, 0 },
	{ "no form, two come", one_has_another_form, two_come, UIDL_FORM_HEX_UID_FIRST,
		false, 0 },
	{ "none has a form, two come", NULL, two_come, UIDL_FORM_NONE, false, 0 },
	{ "gone there while it was read, then here", the_first_is_not_shown,
		the_first_goes_two_come, UIDL_FORM_HEX_UID_FIRST, true, 2 },
	{ "not shown there, and still here", the_first_is_not_shown, NULL,
		UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "not shown there, another one goes here", the_first_is_not_shown, another_goes,
		UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "another order", another_order, NULL, UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "two were shown that come", two_more, two_come, UIDL_FORM_HEX_UID_FIRST, true,
		2 },
	{ "one was shown that has its own", one_more_with_another, two_come,
		UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "one was shown that has none", one_more_of_no_form, NULL,
		UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "one brings its own", NULL, one_brings_its_own, UIDL_FORM_HEX_UID_FIRST, false,
		0 },
	{ "one comes and goes", NULL, one_comes_and_goes, UIDL_FORM_HEX_UID_FIRST, false,
		0 },
	{ "the last comes and goes", NULL, the_last_comes_and_goes,
		UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "too many come", NULL, too_many_come, UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "one gets a keyword", NULL, one_gets_a_keyword, UIDL_FORM_HEX_UID_FIRST, false,
		0 },
	{ "one is \\Deleted", NULL, one_is_deleted, UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "INBOX is made anew", NULL, made_anew, UIDL_FORM_HEX_UID_FIRST, false, 0 },
	{ "everything is required", NULL, everything_is_required, UIDL_FORM_HEX_UID_FIRST,
		false, 0 },
};

static void judge(struct world *w, const struct row *row)
{
	char text[UIDL_FORM_TEXT];

	assert_int_equal(w->job.uidls.derived, row->late);
	if (!row->done)
		return;
	assert_int_equal(w->job.uidls.kept, 1);
	assert_int_equal(w->job.uidls.unproven, 0);
	for (size_t i = 0; i < row->late; i++) {
		const struct mail *m = &w->inbox->mail[w->inbox->count - 1 - i].is;
		struct str wanted = uidl_form_write(w->form, m->uid, VALIDITY, text);

		if (!str_eq(m->uidl, wanted))
			fail_msg("%s: UID %u has %.*s", row->name, m->uid,
				STR_ARG(m->uidl));
	}
}

static void run_row(struct world *w, const struct row *row)
{
	bool done = false;

	begin(w, row->form);
	if (row->before)
		row->before(w);
	assert_int_equal(uidls_remember(&w->job, &w->match), 0);
	if (row->after)
		row->after(w);
	assert_int_equal(uidls_derive(&w->job, &done), 0);
	if (done != row->done)
		fail_msg("%s: %s", row->name, done ? "derived" : "not derived");
	judge(w, row);
	w->job.destination.ops->free(w->job.destination.self);
}

static void derived(void **unused)
{
	static struct world w;

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&w, &rows[i]);
}

/* What came after one derivation is derived by the next, in its order. */
static void derived_again(void **unused)
{
	static struct world w;
	bool done = false;

	(void)unused;
	begin(&w, UIDL_FORM_HEX_UID_FIRST);
	assert_int_equal(uidls_remember(&w.job, &w.match), 0);
	comes(&w, NEXT, "\r\n");
	assert_int_equal(uidls_derive(&w.job, &done), 0);
	assert_true(done);
	goes(&w, NEXT);
	comes(&w, NEXT + 1, "\r\n");
	assert_int_equal(uidls_derive(&w.job, &done), 0);
	assert_true(done);
	assert_int_equal(w.inbox->mail[COUNT].is.pop3_order, COUNT + 2);
	assert_int_equal(w.job.uidls.derived, 2);
	w.job.destination.ops->free(w.job.destination.self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derived),
		cmocka_unit_test(derived_again),
	};

	return cmocka_run_group_tests_name("uidls_derived", tests, NULL, NULL);
}
