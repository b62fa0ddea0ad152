/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/alarms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct told {
	struct message last;
	size_t n, ends;
	uint64_t sum;
};

static void take(void *context, const struct message *m)
{
	struct told *t = context;

	if (m->type == MESSAGE_ALARMS_END) {
		t->ends++;
		return;
	}
	t->last = *m;
	t->n++;
	t->sum += m->number;
}

static void raise_alarm(struct alarms *a, const char *kind, const char *account,
	const char *text, uint64_t number, uint64_t now)
{
	struct message m = { .type = MESSAGE_ALARM,
		.service = str_from(kind),
		.account = str_from(account),
		.text = str_from(text),
		.number = number };

	alarms_take(a, &m, now);
}

static struct told ask(const struct alarms *a)
{
	struct told t = { .n = 0 };

	alarms_tell(a, take, &t);
	assert_int_equal(t.ends, 1);
	return t;
}

static void same_ones_are_counted(void **state)
{
	struct alarms a = { .n = 0 };
	struct told t;

	(void)state;
	assert_int_equal(ask(&a).n, 0);
	raise_alarm(&a, "damage", "alice", "first", 0, 1000);
	raise_alarm(&a, "damage", "alice", "second", 0, 2000);
	raise_alarm(&a, "damage", "bob", "x", 0, 2000);
	raise_alarm(&a, "refused-logins", "", "", 40, 2000);
	t = ask(&a);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.sum, 2 + 1 + 40);
	raise_alarm(&a, "damage", "alice", "", 0, 3000); /* the sentence stays */
	assert_string_equal(a.at[0].text, "second");
	assert_int_equal(a.at[0].last_at, 3000);
}

static void old_ones_count_no_more(void **state)
{
	struct alarms a = { .n = 0 };

	(void)state;
	raise_alarm(&a, "refused-logins", "", "", 100, 0);
	raise_alarm(&a, "refused-logins", "", "", 7, ALARM_WINDOW_MS);
	assert_int_equal(ask(&a).sum, 107); /* the window before, and this one */
	raise_alarm(&a, "refused-logins", "", "", 3, 2 * ALARM_WINDOW_MS);
	assert_int_equal(ask(&a).sum, 10);
	raise_alarm(&a, "refused-logins", "", "", 1, 9 * ALARM_WINDOW_MS);
	assert_int_equal(ask(&a).sum, 1);
}

static void the_oldest_makes_room(void **state)
{
	struct alarms a = { .n = 0 };
	char name[32];

	(void)state;
	for (unsigned i = 0; i <= ALARMS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "user%u", i);
		raise_alarm(&a, "damage", name, "x", 0, 1000 + i);
	}
	assert_int_equal(ask(&a).n, ALARMS_MAX);
	assert_string_equal(a.at[0].subject, name);
	/* names and sentences that are too long are cut, and still the same */
	memset(name, 'k', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	raise_alarm(&a, name, "", "x", 0, 5000);
	raise_alarm(&a, name, "", "x", 0, 5001);
	assert_int_equal(ask(&a).sum, ALARMS_MAX - 1 + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_ones_are_counted),
		cmocka_unit_test(old_ones_count_no_more),
		cmocka_unit_test(the_oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
