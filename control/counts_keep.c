/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/counts_keep.h"

#include "base/arena.h"
#include "base/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define FACT STR_LIT("counters")
#define NUMBERS 4

/* A line for each service and route: "imap source 12 3400 10 99000". */
static int write_all(
	struct buf *text, const struct rules_count *counts, size_t n, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < n && code == 0; i++)
		code = buf_printf(text,
			"%s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			counts[i].service, rules_route_name(counts[i].route),
			counts[i].packets_in, counts[i].bytes_in, counts[i].packets_out,
			counts[i].bytes_out);
	return code < 0 ? error_errno(err, code, "keeping the counters") : 0;
}

int counts_save(struct registry *r, struct error *err)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	struct buf text;
	size_t n = 0;
	int code = rules_counters(counts, &n, err);

	if (code < 0)
		return code == -ENOENT ? 0 : code;
	buf_init(&text, 0);
	code = write_all(&text, counts, n, err);
	if (code == 0)
		code = registry_set_fact(r, FACT, buf_view(&text), err);
	buf_fini(&text);
	return code;
}

static bool read_line(struct str line, struct rules_count *ret)
{
	struct rules_count c = { .route = RULES_ROUTE_COUNT };
	struct str service = str_split(&line, ' '), route = str_split(&line, ' ');
	uint64_t *const numbers[NUMBERS] = { &c.packets_in, &c.bytes_in, &c.packets_out,
		&c.bytes_out };

	for (int i = 0; i < RULES_ROUTE_COUNT; i++)
		if (str_eq(route, str_from(rules_route_name((enum rules_route)i))))
			c.route = (enum rules_route)i;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!str_to_u64(str_split(&line, ' '), numbers[i]))
			return false;
	(void)snprintf(c.service, sizeof(c.service), "%.*s", STR_ARG(service));
	*ret = c;
	return c.route < RULES_ROUTE_COUNT;
}

/* What cannot be read counts from 0. */
static size_t load(
	struct registry *r, struct rules_count ret_counts[static RULES_COUNTS_MAX])
{
	struct arena arena;
	struct str text;
	size_t n = 0;

	arena_init(&arena);
	if (registry_fact(r, FACT, &arena, &text, NULL) == 0)
		while (text.len && n < RULES_COUNTS_MAX)
			n += read_line(str_split(&text, '\n'), &ret_counts[n]);
	arena_fini(&arena);
	return n;
}

int counts_install(struct registry *registry, const struct ruleset *rules,
	bool *ret_changed, struct error *err)
{
	struct rules_count start[RULES_COUNTS_MAX];
	size_t n = registry ? load(registry, start) : 0;

	return rules_install_from(rules, start, n, ret_changed, err);
}
