/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is said of bodies that were lost, and how many things are still wrong. */
#include "transfer/account/results/again_result.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct lost *add(struct lost_list *list, int64_t mailbox, const char *name)
{
	struct lost *l = lost_add(list);

	assert_non_null(l);
	l->messages = l->n_copies = 1;
	l->copies[0] = (struct lost_copy){ mailbox, 7, str_from(name) };
	list->inspected.lost++;
	list->inspected.found++;
	return l;
}

static json_t *result(const struct lost_list *list, const char *source)
{
	char *text = again_result_json(list, str_from(source));
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	free(text);
	return o;
}

static void expect(const json_t *o, const char *key, json_int_t wanted)
{
	if (json_integer_value(json_object_get(o, key)) != wanted)
		fail_msg("%s: %s", key, json_dumps(o, 0));
}

static const char *why(const json_t *o, size_t i, const char *key)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(o, "messages"), i), key));
}

static void test_each_with_its_reason(void **state)
{
	struct lost_list list = { .inspected = { .found = 3, .unused = 1 } };
	struct lost *l;
	json_t *o;

	(void)state;
	l = add(&list, 1, "INBOX"); /* with a copy: two messages of one body */
	l->has_origin = l->is_mended = true;
	l->messages = 2;
	list.inspected.lost++;
	list.inspected.found++;
	(void)add(&list, 1, "INBOX");
	l = add(&list, 2, "\xff odd");
	l->has_origin = true;
	l->why = STR_LIT("it is gone at the source");
	(void)add(&list, 0, "");
	l = add(&list, 2, "Sent");
	l->has_origin = true;
	o = result(&list, "the source is away");
	expect(o, "lost", 6);
	expect(o, "mended", 2);
	expect(o, "other", 2); /* of the three one is only room */
	assert_int_equal(again_result_left(&list), 6);
	assert_int_equal(json_array_size(json_object_get(o, "messages")), 4);
	assert_non_null(strstr(why(o, 0, "why"), "came here after the move"));
	assert_string_equal(why(o, 1, "mailbox"), "?");
	assert_string_equal(why(o, 1, "why"), "it is gone at the source");
	assert_non_null(strstr(why(o, 2, "why"), "on its way in"));
	assert_non_null(strstr(why(o, 3, "why"), "not asked for it"));
	assert_string_equal(
		json_string_value(json_object_get(o, "source")), "the source is away");
	json_decref(o);
	lost_fini(&list);
}

static void test_nothing_and_not_looked_through(void **state)
{
	struct lost_list list = { .inspected = { .found = 2, .unused = 2 } };
	json_t *o;

	(void)state;
	assert_int_equal(again_result_left(&list), 0);
	(void)snprintf(list.error, sizeof(list.error), "it is damaged");
	assert_int_equal(again_result_left(&list), 1);
	o = result(&list, "");
	assert_string_equal(
		json_string_value(json_object_get(o, "error")), "it is damaged");
	json_decref(o);
	lost_fini(&list);
}

/* The registry's row stays small: the rest is counted. */
static void test_very_many(void **state)
{
	struct lost_list list = { 0 };
	json_t *o;

	(void)state;
	for (int i = 0; i < 10000; i++)
		(void)add(&list, 1, "INBOX");
	o = result(&list, "");
	expect(o, "lost", 10000);
	assert_int_equal(json_array_size(json_object_get(o, "messages")), LOST_NAMED_MAX);
	assert_int_equal(again_result_left(&list), 10000);
	json_decref(o);
	lost_fini(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_with_its_reason),
		cmocka_unit_test(test_nothing_and_not_looked_through),
		cmocka_unit_test(test_very_many),
	};

	return cmocka_run_group_tests_name("again result", tests, NULL, NULL);
}
