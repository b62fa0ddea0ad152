/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/counts_keep.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

/* Of services and routes; as many as there are. */
struct list {
	struct rules_count counts[RULES_COUNTS_MAX];
	size_t n;
};

/* ---- from the registry's rows to ours and back ---- */

static struct count to_kept(const struct rules_count *c)
{
	return (struct count){ .service = str_from(c->service),
		.route = str_from(rules_route_name(c->route)),
		.n = { c->packets_in, c->bytes_in, c->packets_out, c->bytes_out } };
}

static void set_numbers(struct rules_count *c, const uint64_t n[static COUNT_NUMBERS])
{
	c->packets_in = n[COUNT_PACKETS_IN];
	c->bytes_in = n[COUNT_BYTES_IN];
	c->packets_out = n[COUNT_PACKETS_OUT];
	c->bytes_out = n[COUNT_BYTES_OUT];
}

static struct rules_count *entry(struct list *l, struct str service, struct str route)
{
	struct rules_count c = { .route = RULES_ROUTE_COUNT };

	for (size_t i = 0; i < l->n; i++)
		if (str_eq(str_from(l->counts[i].service), service) &&
			str_eq(str_from(rules_route_name(l->counts[i].route)), route))
			return &l->counts[i];
	for (int i = 0; i < RULES_ROUTE_COUNT; i++)
		if (str_eq(route, str_from(rules_route_name((enum rules_route)i))))
			c.route = (enum rules_route)i;
	if (c.route == RULES_ROUTE_COUNT || l->n == RULES_COUNTS_MAX)
		return NULL;
	(void)snprintf(c.service, sizeof(c.service), "%.*s", STR_ARG(service));
	l->counts[l->n] = c;
	return &l->counts[l->n++];
}

/* A service or a route of another version is left out. */
static int take(void *context, const struct count *c)
{
	struct rules_count *to = entry(context, c->service, c->route);

	if (to)
		set_numbers(to, c->n);
	return 0;
}

/* ---- keeping ---- */

struct reading {
	struct list kernel;
	struct count rows[RULES_COUNTS_MAX];
};

static int read_kernel(
	void *context, const struct count **ret, size_t *ret_n, struct error *err)
{
	struct reading *r = context;
	int code = rules_counters(r->kernel.counts, &r->kernel.n, err);

	if (code < 0)
		return code;
	for (size_t i = 0; i < r->kernel.n; i++)
		r->rows[i] = to_kept(&r->kernel.counts[i]);
	*ret = r->rows;
	*ret_n = r->kernel.n;
	return 0;
}

int counts_save(struct registry *r, struct error *err)
{
	struct reading reading;
	int code = registry_keep_counts(r, clock_wall_ms(), read_kernel, &reading, err);

	return code == -ENOENT ? 0 : code;
}

/* What cannot be read counts from 0. */
int counts_install(struct registry *registry, const struct ruleset *rules,
	bool *ret_changed, struct error *err)
{
	struct list kept = { .n = 0 };

	if (registry)
		(void)registry_each_count(registry, COUNT_KERNEL, 0, take, &kept, NULL);
	return rules_install_from(rules, kept.counts, kept.n, ret_changed, err);
}

/* ---- reading ---- */

/* Adds to each what the kernel has counted since it was kept. */
static int add_news(struct registry *registry, struct list *l, struct error *err)
{
	struct list kept = { .n = 0 }, now = { .n = 0 };
	int code = registry_each_count(registry, COUNT_KERNEL, 0, take, &kept, err);

	if (code == 0)
		code = rules_counters(now.counts, &now.n, err);
	for (size_t i = 0; i < now.n && code == 0; i++) {
		struct count is = to_kept(&now.counts[i]);
		struct rules_count *before = entry(&kept, is.service, is.route);
		struct rules_count *to = entry(l, is.service, is.route);
		struct count was, sum;

		if (!before || !to)
			continue;
		was = to_kept(before);
		sum = to_kept(to);
		for (int k = 0; k < COUNT_NUMBERS; k++)
			sum.n[k] += count_gained(was.n[k], is.n[k]);
		set_numbers(to, sum.n);
	}
	return code;
}

int counts_total(struct registry *registry,
	struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err)
{
	struct list l = { .n = 0 };
	int code;

	if (!registry)
		return rules_counters(ret_counts, ret_n, err);
	code = registry_each_count(registry, COUNT_TOTAL, 0, take, &l, err);
	if (code == 0)
		code = add_news(registry, &l, err);
	if (code < 0 && code != -ENOENT)
		return code;
	for (size_t i = 0; i < l.n; i++)
		ret_counts[i] = l.counts[i];
	*ret_n = l.n;
	return code;
}

int counts_since(struct registry *registry, uint64_t since_ms,
	struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err)
{
	enum count_span period = count_period_since(since_ms, clock_wall_ms());
	uint64_t from = since_ms - since_ms % count_period_ms(period);
	struct list l = { .n = 0 };
	int code = registry_sum_counts(registry, period, from, take, &l, err);

	if (code == 0)
		code = add_news(registry, &l, err);
	if (code < 0 && code != -ENOENT) /* the rules may be out now */
		return code;
	for (size_t i = 0; i < l.n; i++)
		ret_counts[i] = l.counts[i];
	*ret_n = l.n;
	return 0;
}
