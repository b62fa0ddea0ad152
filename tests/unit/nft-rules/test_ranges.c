/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Prefixes as people write them, and the ranges that the kernel gets of them. */
#include "nft-rules/prefix.h"
#include "nft-rules/ranges.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_prefix(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: refused */
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.0/24" },
		{ "192.0.2.7", "192.0.2.7/32" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "::/0", "::/0" },
		{ "2001:DB8:0::7", "2001:db8::7/128" },
		{ "2001:db8::/29", "2001:db8::/29" },
		{ "192.0.2.7/24", NULL },
		{ "192.0.2.0/33", NULL },
		{ "192.0.2.0/", NULL },
		{ "192.0.2.0/x", NULL },
		{ "192.0.2.0/-1", NULL },
		{ "2001:db8::1/64", NULL },
		{ "2001:db8::/129", NULL },
		{ "example.com", NULL },
		{ "", NULL },
		{ "/8", NULL },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
			NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[PREFIX_TEXT_MAX] = "";
		struct prefix p;
		int code = prefix_parse(rows[i].text, &p);

		if (code == 0)
			prefix_text(&p, text);
		if (code != (rows[i].canonical ? 0 : -EINVAL) ||
			(rows[i].canonical && strcmp(text, rows[i].canonical) != 0))
			fail_msg(
				"row %zu \"%s\": %d \"%s\"", i, rows[i].text, code, text);
	}
}

static void append(char *text, const struct range *range, int family)
{
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
	size_t len = strlen(text);

	assert_non_null(inet_ntop(family, range->first, first, sizeof(first)));
	assert_non_null(inet_ntop(family, range->last, last, sizeof(last)));
	(void)snprintf(text + len, 512 - len, "%s%s-%s", len ? " " : "", first, last);
}

static const struct range_row {
	struct {
		const char *prefix;
		enum rules_verdict verdict;
		uint16_t port;
	} admissions[4];
	int family;
	uint16_t port;
	const char *direct, *drop;
} range_rows[] = {
	{ .family = AF_INET, .direct = "", .drop = "" },
	{ { { "192.0.2.0/24", RULES_DIRECT, 0 } }, AF_INET, 0, "192.0.2.0-192.0.2.255",
		"" },
	{ { { "192.0.2.0/24", RULES_DIRECT, 0 } }, AF_INET6, 0, "", "" },
	/* the longest wins, in whatever order they were said */
	{ { { "192.0.2.7", RULES_DIVERT, 0 }, { "192.0.2.0/24", RULES_DIRECT, 0 } },
		AF_INET, 0, "192.0.2.0-192.0.2.6 192.0.2.8-192.0.2.255", "" },
	{ { { "0.0.0.0/0", RULES_DIRECT, 0 }, { "10.0.0.0/8", RULES_DROP, 0 },
		  { "10.1.0.0/16", RULES_DIRECT, 0 },
		  { "10.1.2.0/23", RULES_DIVERT, 0 } },
		AF_INET, 0,
		"0.0.0.0-9.255.255.255 10.1.0.0-10.1.1.255 "
		"10.1.4.0-10.1.255.255 11.0.0.0-255.255.255.255",
		"10.0.0.0-10.0.255.255 10.2.0.0-10.255.255.255" },
	/* neighbours with one verdict are one range */
	{ { { "192.0.2.0/25", RULES_DIRECT, 0 }, { "192.0.2.128/25", RULES_DIRECT, 0 },
		  { "192.0.2.0/28", RULES_DIRECT, 0 } },
		AF_INET, 0, "192.0.2.0-192.0.2.255", "" },
	{ { { "255.255.255.255", RULES_DIRECT, 0 } }, AF_INET, 0,
		"255.255.255.255-255.255.255.255", "" },
	{ { { "::/0", RULES_DROP, 0 }, { "2001:db8::/29", RULES_DIRECT, 0 } }, AF_INET6,
		0, "2001:db8::-2001:dbf:ffff:ffff:ffff:ffff:ffff:ffff",
		"::-2001:db7:ffff:ffff:ffff:ffff:ffff:ffff "
		"2001:dc0::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	/* a service's own beside those of all */
	{ { { "10.0.0.0/8", RULES_DIRECT, 0 }, { "10.0.0.0/8", RULES_DROP, 25 } },
		AF_INET, 0, "10.0.0.0-10.255.255.255", "" },
	{ { { "10.0.0.0/8", RULES_DIRECT, 0 }, { "10.0.0.0/8", RULES_DROP, 25 },
		  { "10.9.0.0/16", RULES_DIRECT, 0 } },
		AF_INET, 25, "10.9.0.0-10.9.255.255",
		"10.0.0.0-10.8.255.255 10.10.0.0-10.255.255.255" },
};

static void check_row(const struct range_row *row, enum rules_verdict verdict,
	const char *wanted, struct range *ranges)
{
	char text[512] = "";
	struct ruleset r;
	size_t n;

	ruleset_init(&r);
	for (size_t j = 0; j < 4 && row->admissions[j].prefix; j++)
		assert_int_equal(
			ruleset_add_admission(&r, row->admissions[j].prefix,
				row->admissions[j].port, row->admissions[j].verdict),
			0);
	n = ranges_of(&r, row->family, row->port, verdict, ranges);
	for (size_t j = 0; j < n; j++)
		append(text, &ranges[j], row->family);
	if (strcmp(text, wanted) != 0)
		fail_msg("row %zu: \"%s\", expected \"%s\"", (size_t)(row - range_rows),
			text, wanted);
}

static void test_ranges(void **state)
{
	struct range *ranges = calloc(RANGES_MAX, sizeof(*ranges));

	(void)state;
	assert_non_null(ranges);
	for (size_t i = 0; i < sizeof(range_rows) / sizeof(range_rows[0]); i++) {
		check_row(&range_rows[i], RULES_DIRECT, range_rows[i].direct, ranges);
		check_row(&range_rows[i], RULES_DROP, range_rows[i].drop, ranges);
	}
	free(ranges);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* The verdict of one address, the slow way. */
static enum rules_verdict slow_verdict(const struct ruleset *r, uint32_t address)
{
	const struct rules_admission *best = NULL;

	for (size_t i = 0; i < r->n_admissions; i++) {
		const struct rules_admission *a = &r->admissions[i];
		uint32_t prefix,
			mask = a->prefix_len ? UINT32_MAX << (32 - a->prefix_len) : 0;

		memcpy(&prefix, a->address, sizeof(prefix));
		if ((address & mask) == ntohl(prefix) &&
			(!best || a->prefix_len > best->prefix_len))
			best = a;
	}
	return best ? best->verdict : RULES_DIVERT;
}

static bool in_ranges(const struct range *ranges, size_t n, uint32_t address)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t first, last;

		memcpy(&first, ranges[i].first, sizeof(first));
		memcpy(&last, ranges[i].last, sizeof(last));
		if (ntohl(first) <= address && address <= ntohl(last))
			return true;
	}
	return false;
}

/* Many prefixes at random, as many as there may be: each range agrees with the slow way
   at its edges and beside them. */
static void test_many(void **state)
{
	struct range *ranges = calloc(RANGES_MAX, sizeof(*ranges));
	uint32_t seed = 7;

	(void)state;
	assert_non_null(ranges);
	for (int round = 0; round < 20; round++) {
		struct ruleset r;
		size_t n;

		ruleset_init(&r);
		while (r.n_admissions < RULES_ADMISSIONS_MAX) {
			uint32_t len = next_random(&seed) % 13;
			uint32_t address = next_random(&seed) << 20;
			char text[64];

			address &= len ? UINT32_MAX << (32 - len) : 0;
			(void)snprintf(text, sizeof(text), "%u.%u.%u.%u/%u",
				address >> 24, address >> 16 & 255, address >> 8 & 255,
				address & 255, len);
			assert_int_equal(
				ruleset_add_admission(&r, text, 0,
					(enum rules_verdict)(next_random(&seed) %
							     RULES_VERDICT_COUNT)),
				0);
		}
		n = ranges_of(&r, AF_INET, 0, RULES_DIRECT, ranges);
		for (uint32_t a = 0; a < 4096; a++)
			for (uint32_t edge = 0; edge < 2; edge++) {
				uint32_t address = (a << 20) - edge;

				assert_int_equal(in_ranges(ranges, n, address),
					slow_verdict(&r, address) == RULES_DIRECT);
			}
	}
	free(ranges);
}

static void test_too_many(void **state)
{
	struct ruleset r;

	(void)state;
	ruleset_init(&r);
	for (unsigned i = 0; i < RULES_ADMISSIONS_MAX; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "10.0.%u.%u", i >> 8, i & 255);
		assert_int_equal(ruleset_add_admission(&r, text, 0, RULES_DROP), 0);
	}
	assert_int_equal(ruleset_add_admission(&r, "10.9.9.9", 0, RULES_DROP), -ENOSPC);
	assert_int_equal(ruleset_add_admission(&r, "10.0.0.9", 0, RULES_DIRECT), 0);
	assert_int_equal(ruleset_add_admission(&r, "nonsense", 0, RULES_DROP), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
