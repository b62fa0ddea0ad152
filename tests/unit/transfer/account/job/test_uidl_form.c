/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which form unique-ids have, and that none is taken for one that some do not have. */
#include "transfer/account/job/uidl_form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define VALIDITY 1700000000u /* 6553f100 */

static const struct form_row {
	enum uidl_form form;
	const char *of_171; /* what UID 171 has */
} rows[] = {
	{ UIDL_FORM_HEX_UID_FIRST, "000000ab6553f100" },
	{ UIDL_FORM_HEX_VALIDITY_FIRST, "6553f100000000ab" },
	{ UIDL_FORM_UID, "171" },
	{ UIDL_FORM_VALIDITY_DOT_UID, "1700000000.171" },
	{ UIDL_FORM_VALIDITY_DASH_UID, "1700000000-171" },
	{ UIDL_FORM_COURIER, "UID171-1700000000" },
	{ UIDL_FORM_NONE, "" },
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == UIDL_FORM_COUNT, "each");

/* n messages, of which the one at `odd` has another unique-id. */
static enum uidl_form learn(const struct form_row *row, size_t n, size_t odd)
{
	struct uidl_forms f;
	char text[UIDL_FORM_TEXT];

	uidl_forms_begin(&f);
	for (uint32_t uid = 1; uid <= n; uid++)
		uidl_forms_see(&f,
			uid == odd ? STR_LIT("0123456789abcdef")
				   : uidl_form_write(row->form, uid * 3, VALIDITY, text),
			uid * 3, VALIDITY);
	return uidl_forms_learnt(&f);
}

static void written(void **state)
{
	char text[UIDL_FORM_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)uidl_form_write(rows[i].form, 171, VALIDITY, text);
		assert_string_equal(text, rows[i].of_171);
	}
	assert_string_equal(
		uidl_form_write(UIDL_FORM_COURIER, UINT32_MAX, UINT32_MAX, text).ptr,
		"UID4294967295-4294967295");
}

static void learnt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(learn(&rows[i], UIDL_FORM_SAMPLES, 0), rows[i].form);
		assert_int_equal(learn(&rows[i], 5000, 0), rows[i].form);
		assert_int_equal(
			learn(&rows[i], UIDL_FORM_SAMPLES - 1, 0), UIDL_FORM_NONE);
		assert_int_equal(learn(&rows[i], 5000, 5000), UIDL_FORM_NONE);
		assert_int_equal(learn(&rows[i], 5000, 1), UIDL_FORM_NONE);
	}
}

/* Two forms fit while the numbers are equal. */
static void doubtful(void **state)
{
	struct uidl_forms f;

	(void)state;
	uidl_forms_begin(&f);
	for (uint32_t i = 0; i < UIDL_FORM_SAMPLES; i++)
		uidl_forms_see(&f, STR_LIT("0000000700000007"), 7, 7);
	assert_int_equal(uidl_forms_learnt(&f), UIDL_FORM_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(learnt),
		cmocka_unit_test(doubtful),
	};

	return cmocka_run_group_tests_name("uidl_form", tests, NULL, NULL);
}
