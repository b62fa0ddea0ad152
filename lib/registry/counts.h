/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_COUNTS_H
#define REGISTRY_COUNTS_H
/*
 * What the kernel has counted, by service and route, kept over its rules' end.
 *
 *   kernel  the kernel's own numbers, as they were read last: new rules begin with them
 *   total   all that was ever counted; never gets smaller, also when somebody sets the
 *           kernel's numbers back
 *   minute, hour, day   what was counted in each (UTC), for COUNT_*_KEPT_MS
 *
 * One table for all of them, which stays small: a row for each service and route that
 * counted something in that time. It has a file of its own beside the registry, since
 * `up` writes it every two seconds: what workers remember of logins (recent.h) is good
 * until somebody writes the registry.
 */
#include "registry/registry.h"

#define COUNTS_FILE "counts.sqlite" /* in state_dir; root's alone */

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS UINT64_C(3600000)
#define COUNT_MINUTES_KEPT_MS (48 * HOUR_MS)
#define COUNT_HOURS_KEPT_MS (60 * 24 * HOUR_MS)
#define COUNT_DAYS_KEPT_MS (3653 * 24 * HOUR_MS) /* ten years */

enum count_span {
	COUNT_KERNEL,
	COUNT_TOTAL,
	COUNT_MINUTE,
	COUNT_HOUR,
	COUNT_DAY,
	COUNT_SPAN_COUNT
};

/* Those of a time, by name; -ENOENT. */
int count_period_by_name(const char *name, enum count_span *ret);
/* How long one of them is. */
uint64_t count_period_ms(enum count_span period);
/* The shortest that is still kept for what was counted since then. */
enum count_span count_period_since(uint64_t since_ms, uint64_t now_ms);

enum count_of { COUNT_PACKETS_IN, COUNT_BYTES_IN, COUNT_PACKETS_OUT, COUNT_BYTES_OUT };
#define COUNT_NUMBERS 4

struct count {
	struct str service, route;
	uint64_t at; /* when its time began; wall clock */
	uint64_t n[COUNT_NUMBERS];
};

/* How much more that is than it was. Less than it was: somebody set it back, and it began
   anew at 0. */
uint64_t count_gained(uint64_t was, uint64_t is);

/* The kernel's numbers now, which are read inside the transaction: two that do so at a
   time add nothing twice. read: sets *ret, and *ret_n; what it borrows stays until it is
   called again. now_ms: wall clock; 0: they are kept in the total alone. */
typedef int count_read_fn(
	void *context, const struct count **ret, size_t *ret_n, struct error *err);
int registry_keep_counts(struct registry *r, uint64_t now_ms, count_read_fn *read,
	void *context, struct error *err);

typedef int count_each_fn(void *context, const struct count *c);
/* Those of that span whose time began then or later, the oldest first. */
int registry_each_count(struct registry *r, enum count_span span, uint64_t since_ms,
	count_each_fn *each, void *context, struct error *err);
/* The same, each service and route once, with its sum. */
int registry_sum_counts(struct registry *r, enum count_span span, uint64_t since_ms,
	count_each_fn *each, void *context, struct error *err);

#endif
