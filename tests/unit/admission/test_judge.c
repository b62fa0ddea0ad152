/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a new connection: by its network's rate, by our load. */
#include "admission/judge.h"
#include "admission/kernel_room.h"
#include "admission/load.h"
#include "admission/reach.h"
#include "nft-rules/marks.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- rates ---- */

static size_t taken(struct rates *r, uint64_t network, uint64_t now_ms, size_t tries)
{
	size_t n = 0;

	for (size_t i = 0; i < tries; i++)
		n += rates_take(r, network, now_ms);
	return n;
}

static void test_rate(void **state)
{
	struct rates *r = rates_new(10);

	(void)state;
	assert_non_null(r);
	assert_int_equal(taken(r, 1, 1000, 100), 20); /* twice as many at once */
	assert_int_equal(taken(r, 2, 1000, 5), 5);    /* others do not notice */
	assert_int_equal(taken(r, 1, 1099, 100), 0);
	assert_int_equal(taken(r, 1, 1100, 100), 1);
	assert_int_equal(taken(r, 1, 2100, 100), 10);
	assert_int_equal(taken(r, 1, 1000000, 100), 20); /* never more than twice */
	assert_int_equal(taken(r, 1, 999000, 100), 0);   /* a clock that goes back */
	rates_free(r);
}

/* Half of the bucket, half of the rate; what a network had more of it loses. */
static void test_half_a_rate(void **state)
{
	struct rates *r = rates_new(10);

	(void)state;
	assert_non_null(r);
	assert_int_equal(taken(r, 1, 1000, 5), 5);
	rates_halve(r, true);
	assert_int_equal(taken(r, 1, 1000, 100), 10);
	assert_int_equal(taken(r, 2, 1000, 100), 10);
	assert_int_equal(taken(r, 2, 2000, 100), 5);
	rates_halve(r, false);
	assert_int_equal(taken(r, 2, 3000, 100), 10);
	assert_int_equal(taken(r, 3, 3000, 100), 20);
	rates_free(r);
	r = rates_new(1);
	assert_non_null(r);
	rates_halve(r, true);
	assert_int_equal(taken(r, 1, 1000, 100), 1);
	assert_int_equal(taken(r, 1, 2999, 100), 0);
	assert_int_equal(taken(r, 1, 3000, 100), 1);
	rates_free(r);
}

/* One a millisecond at 1000 a second, for a minute: the rate is kept to the piece. */
static void test_rate_is_exact(void **state)
{
	struct rates *r = rates_new(500);
	size_t n = 0;

	(void)state;
	assert_non_null(r);
	for (uint64_t ms = 0; ms < 60000; ms++)
		n += taken(r, 7, 1000 + ms, 1);
	assert_in_range(n, 500 * 61 - 1, 500 * 62);
	rates_free(r);
}

static void test_no_limit(void **state)
{
	struct rates *r = rates_new(0);

	(void)state;
	assert_non_null(r);
	assert_int_equal(taken(r, 1, 1, 100000), 100000);
	rates_free(r);
}

/* A flood from everywhere: whoever comes anew gets in, and nothing grows. */
static void test_many_networks(void **state)
{
	struct rates *r = rates_new(1);

	(void)state;
	assert_non_null(r);
	for (uint64_t network = 1; network < 500000; network++)
		assert_true(rates_take(r, network, network / 100));
	rates_free(r);
}

static void test_networks(void **state)
{
	static const unsigned char a[16] = { 192, 0, 2, 1 }, b[16] = { 192, 0, 2, 200 },
				   c[16] = { 192, 0, 3, 1 };
	static const unsigned char d[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 1, 0, 9 },
				   e[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 1, 0xff, 7 },
				   f[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 2 };

	(void)state;
	assert_true(rates_network(4, a) == rates_network(4, b));
	assert_true(rates_network(4, a) != rates_network(4, c));
	assert_true(rates_network(6, d) == rates_network(6, e));
	assert_true(rates_network(6, d) != rates_network(6, f));
	assert_true(rates_network(4, a) != rates_network(6, a));
}

/* ---- judging ---- */

static const struct str syn = STR("\x45\0\0\x28\0\0\0\0\x40\6\0\0\xc0\0\2\1\xcb\0\x71\x0a"
				  "\x9c\x40\0\x8f\0\0\0\1\0\0\0\0\x50\2\xfa\xf0\0\0\0\0");

static void test_judge(void **state)
{
	struct judge j = { .rates = rates_new(1) };

	(void)state;
	assert_non_null(j.rates);
	assert_int_equal(judge_packet(&j, syn, 1), JUDGE_DIVERT);
	assert_int_equal(judge_packet(&j, syn, 1), JUDGE_DIVERT);
	assert_int_equal(judge_packet(&j, syn, 1), JUDGE_REFUSE);
	assert_int_equal(judge_packet(&j, str_take(syn, 33), 1), JUDGE_LEAVE);
	j.is_full = true;
	assert_int_equal(judge_packet(&j, syn, 5000), JUDGE_LEAVE);
	j.is_full = false;
	assert_int_equal(judge_packet(&j, syn, 5000), JUDGE_DIVERT);
	assert_int_equal(j.counts[JUDGE_DIVERT], 3);
	assert_int_equal(j.counts[JUDGE_REFUSE], 1);
	assert_int_equal(j.counts[JUDGE_LEAVE], 2);
	rates_free(j.rates);
}

/* It is let through and never accepted: not counted, or each `check` would look like a
   firewall that drops. */
static void test_flow_probe(void **state)
{
	char probe[40];
	struct judge j = { .rates = rates_new(1) };

	(void)state;
	assert_non_null(j.rates);
	memcpy(probe, syn.ptr, sizeof(probe));
	memcpy(probe + 12, "\xc6\x12\x4d\x46", 4); /* 198.18.77.70 */
	assert_int_equal(judge_packet(&j, str_of(probe, sizeof(probe)), 1), JUDGE_DIVERT);
	assert_int_equal(j.counts[JUDGE_DIVERT], 0);
	probe[15]++;
	assert_int_equal(judge_packet(&j, str_of(probe, sizeof(probe)), 1), JUDGE_DIVERT);
	assert_int_equal(j.counts[JUDGE_DIVERT], 1);
	rates_free(j.rates);
}

static void test_marks(void **state)
{
	struct judge j = { .marks = marks_of(0x78000000, 0x10000000) };

	(void)state;
	assert_int_equal(judge_mark(&j, JUDGE_DIVERT, 0), 0x30000000);
	assert_int_equal(judge_mark(&j, JUDGE_REFUSE, 0x82), 0x70000082);
	assert_int_equal(judge_mark(&j, JUDGE_LEAVE, 0xffffffff), 0x8fffffff);
	/* "divert" holds for the next ones, too; nothing else does */
	j.is_calm = true;
	assert_int_equal(judge_mark(&j, JUDGE_DIVERT, 0x82), 0x50000082);
	assert_int_equal(judge_mark(&j, JUDGE_REFUSE, 0x82), 0x70000082);
	assert_int_equal(judge_mark(&j, JUDGE_LEAVE, 0xffffffff), 0x8fffffff);
}

/* ---- load ---- */

static void test_load(void **state)
{
	static const struct {
		const char *name;
		struct load_view view;
		enum load_reason from_room, again; /* from room; and while it is so */
	} rows[] = {
		{ "nothing is known", { 0 }, LOAD_ROOM, LOAD_ROOM },
		{ "queue empty", { .waiting = 0, .backlog = 4096 }, LOAD_ROOM,
			LOAD_ROOM },
		{ "queue a third full", { .waiting = 1365, .backlog = 4096 }, LOAD_ROOM,
			LOAD_ACCEPT_QUEUE },
		{ "queue half full", { .waiting = 2048, .backlog = 4096 },
			LOAD_ACCEPT_QUEUE, LOAD_ACCEPT_QUEUE },
		{ "sessions", { .sessions = 19999, .sessions_max = 20000 }, LOAD_ROOM,
			LOAD_SESSIONS },
		{ "all sessions", { .sessions = 20000, .sessions_max = 20000 },
			LOAD_SESSIONS, LOAD_SESSIONS },
		{ "memory", { .free_kib = 4, .all_kib = 100 }, LOAD_ROOM, LOAD_MEMORY },
		{ "no memory", { .free_kib = 2, .all_kib = 100 }, LOAD_MEMORY,
			LOAD_MEMORY },
		{ "no answer yet", { .silent_ms = 200 }, LOAD_ROOM, LOAD_ROOM },
		{ "no answer", { .silent_ms = LOAD_SILENCE_MS + 1 }, LOAD_SILENCE,
			LOAD_SILENCE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum load_reason reason = load_judge(&rows[i].view, LOAD_ROOM);

		if (reason != rows[i].from_room)
			fail_msg("%s: %s", rows[i].name, load_reason_name(reason));
		for (int before = 1; before < LOAD_REASON_COUNT; before++) {
			reason = load_judge(&rows[i].view, (enum load_reason)before);
			if (reason != rows[i].from_room &&
				(reason != rows[i].again || (int)reason != before))
				fail_msg("%s, before %s: %s", rows[i].name,
					load_reason_name((enum load_reason)before),
					load_reason_name(reason));
		}
	}
}

/* What is not known is not calm, nor is what has room but is near its mark. */
static void test_calm(void **state)
{
	static const struct {
		const char *name;
		struct load_view view;
		bool is_calm;
	} rows[] = {
		/* waiting, backlog, sessions, their limit, free, all memory, silence */
		{ "nothing is near its mark", { 1, 4096, 18999, 20000, 5, 100, 1000 },
			true },
		{ "no listener", { 0, 0, 1, 20000, 50, 100, 0 }, false },
		{ "queue a quarter full", { 1024, 4096, 1, 20000, 50, 100, 0 }, false },
		{ "nobody has answered yet", { 0, 4096, 0, 0, 50, 100, 0 }, false },
		{ "19 of 20 sessions", { 0, 4096, 19000, 20000, 50, 100, 0 }, false },
		{ "memory", { 0, 4096, 1, 20000, 4, 100, 0 }, false },
		{ "memory is not known", { 0, 4096, 1, 20000, 0, 0, 0 }, false },
		{ "silent", { 0, 4096, 1, 20000, 50, 100, LOAD_CALM_MS + 1 }, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct load_view v = rows[i].view;

		if (load_is_calm(&v) != rows[i].is_calm)
			fail_msg("%s: calm %d", rows[i].name, !rows[i].is_calm);
		/* who is not let in is not let in by the kernel either */
		for (int before = 0; before < LOAD_REASON_COUNT; before++)
			if (load_is_calm(&v) &&
				load_judge(&v, (enum load_reason)before) != LOAD_ROOM)
				fail_msg("%s: calm, and full", rows[i].name);
	}
}

static void test_calm_after_load(void **state)
{
	static const struct load_view unknown = { 0 },
				      calm = { 1, 4096, 1, 20000, 50, 100, 0 },
				      load = { 2048, 4096, 1, 20000, 50, 100, 0 };
	static const struct {
		const struct load_view *view;
		uint64_t now;
		bool is_calm;
	} rows[] = {
		{ &unknown, 100, false },
		{ &calm, 200, true }, /* at the start: at once */
		{ &load, 300, false },
		{ &calm, 400, false },
		{ &load, 500, false },
		{ &calm, 500 + LOAD_CALM_AFTER_MS - 1, false },
		{ &calm, 500 + LOAD_CALM_AFTER_MS, true },
		/* the interceptor is gone: it had load, perhaps */
		{ &unknown, 2000, false },
		{ &calm, 2100, false },
		{ &calm, 2000 + LOAD_CALM_AFTER_MS, true },
	};
	struct load_calm c = { 0 }, loaded = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (load_calm_look(&c, rows[i].view, rows[i].now) != rows[i].is_calm)
			fail_msg("row %zu: calm %d", i, c.is_calm);
	/* a start into load */
	assert_false(load_calm_look(&loaded, &load, 100));
	assert_false(load_calm_look(&loaded, &calm, 200));
	assert_true(load_calm_look(&loaded, &calm, 100 + LOAD_CALM_AFTER_MS));
}

static void test_admitted(void **state)
{
	static const struct {
		int code;
		uint64_t counter, admitted;
		bool is_there;
	} rows[] = {
		{ 0, 5, 5, true }, { 0, 5, 5, true }, { 0, 12, 12, true },
		{ 0, 3, 15, true }, /* rules that were made anew */
		{ -ENOENT, 0, 15, false }, { 0, 4, 19, true }, { -ENOBUFS, 0, 19, false },
		{ 0, 5, 20, true }, /* the rules are the same */
	};
	struct kernel_room r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		kernel_room_take(&r, rows[i].code, rows[i].counter);
		if (r.admitted != rows[i].admitted || r.is_there != rows[i].is_there)
			fail_msg("row %zu: %d, %d", i, (int)r.admitted, r.is_there);
	}
}

static void test_memory(void **state)
{
	uint64_t free_kib = 7, all_kib = 7;

	(void)state;
	assert_true(load_read_memory(
		STR_LIT("MemTotal:       4038312 kB\nMemFree:         100 kB\n"
			"MemAvailable:   2000000 kB\nBuffers: 1 kB\n"),
		&free_kib, &all_kib));
	assert_int_equal(free_kib, 2000000);
	assert_int_equal(all_kib, 4038312);
	assert_false(load_read_memory(STR_LIT("MemTotal: 1 kB\n"), &free_kib, &all_kib));
	assert_false(load_read_memory(
		STR_LIT("MemTotal: x kB\nMemAvailable: 3 kB"), &free_kib, &all_kib));
	assert_false(load_read_memory(STR_LIT(""), &free_kib, &all_kib));
	assert_int_equal(free_kib, 2000000);
}

/* ---- reach ---- */

static void test_reach(void **state)
{
	static const struct {
		uint64_t at_ms, diverted, accepted;
		bool is_judged, is_blocked;
	} rows[] = {
		{ 1000, 100, 50, false, false },  /* where it begins */
		{ 1500, 200, 50, false, false },  /* too soon */
		{ 4000, 200, 140, true, false },  /* some were scans */
		{ 7100, 207, 140, false, false }, /* too few */
		{ 7200, 208, 140, true, true },   /* none arrives */
		{ 10300, 300, 150, true,
			false }, /* a tenth is enough for life to go on */
		{ 13400, 400, 151, true, true },
		{ 13500, 900, 3, false, true }, /* a worker began anew: another window */
		{ 16600, 1000, 103, true, false },
	};
	struct reach r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_judged =
			reach_look(&r, rows[i].diverted, rows[i].accepted, rows[i].at_ms);

		if (is_judged != rows[i].is_judged || r.is_blocked != rows[i].is_blocked)
			fail_msg("row %zu: judged %d, blocked %d", i, is_judged,
				r.is_blocked);
	}
}

static void test_queues(void **state)
{
	struct queue_state s = { .longest = 5 };

	(void)state;
	assert_true(queue_state_read(
		STR_LIT("    7      1     99 2   128     0     0      500  1\n"
			"19782   4711      3 2   128     1     2      100  1\n"
			"19783   4712     12 2   128     0     0       20  1\n"
			"19784   4713    400 2   128     9     9     9999  1\n"),
		19782, 2, &s));
	assert_int_equal(s.waiting, 15);
	assert_int_equal(s.longest, 12);
	assert_int_equal(s.dropped, 3);
	assert_int_equal(s.offered, 120);
	assert_int_equal(queue_state_overruns(&s, 100), 5);
	assert_int_equal(queue_state_overruns(&s, 106), 0); /* read at another moment */
	/* one queue is left, with a socket that may be somebody else's by now */
	assert_true(queue_state_read(
		STR_LIT("19782 4711 12 2 128 0 0 120 1\n"), 19782, 2, &s));
	/* the queue is handed on to another process */
	queue_state_begin(&s, 0);
	assert_int_equal(queue_state_overruns(&s, 0), 0);
	assert_true(queue_state_read(
		STR_LIT("19782 4711 2 2 128 0 0 150 1\n"), 19782, 2, &s));
	assert_int_equal(queue_state_overruns(&s, 37), 3); /* of 42, 2 wait */
	/* its ids wrap, more than once */
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_true(queue_state_read(
			STR_LIT("19782 4711 0 2 128 0 0 3000000000 1\n"), 19782, 2, &s));
		assert_true(queue_state_read(
			STR_LIT("19782 4711 0 2 128 0 0 149 1\n"), 19782, 2, &s));
	}
	assert_int_equal(s.offered, (3ULL << 32) + 149);
	assert_int_equal(queue_state_overruns(&s, (3ULL << 32) + 40), 1);
	/* and opened anew */
	assert_true(
		queue_state_read(STR_LIT("19782 4811 0 2 128 0 0 7 1\n"), 19782, 2, &s));
	assert_int_equal(queue_state_overruns(&s, 7), 0);
	assert_false(queue_state_read(STR_LIT("19782 x\n\n"), 19782, 2, &s));
	assert_false(queue_state_read(STR_LIT(""), 19782, 2, &s));
	assert_int_equal(s.longest, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_half_a_rate),
		cmocka_unit_test(test_rate_is_exact),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_many_networks),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_flow_probe),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_calm),
		cmocka_unit_test(test_calm_after_load),
		cmocka_unit_test(test_admitted),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
