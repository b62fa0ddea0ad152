/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_RECIPIENTS_H
#define REGISTRY_RECIPIENTS_H
/*
 * Recipients that went to the source: the material of `mailferry report`.
 *
 * The interceptor counts in memory and hands its sums over now and then (every few
 * seconds, and at its end), all in one transaction that waits for no disk: what a power
 * cut takes is a few seconds of counting. One row for each address, client and day (UTC).
 */
#include "registry/registry.h"

#define RECIPIENT_DAYS 400        /* how long they are kept: a year's yearly mail */
#define RECIPIENT_ROWS_MAX 100000 /* of one day; more is a flood, not correspondence */
#define RECIPIENTS_REFUSED ""     /* the address under which refused ones are summed up */
#define RECIPIENTS_MORE "*"       /* likewise those beyond RECIPIENT_ROWS_MAX */
#define DAY_MS UINT64_C(86400000)

struct recipients_seen {
	struct str local, domain; /* as parsed; folded here */
	struct str client;        /* its IP address as text */
	uint64_t first_at, last_at;
	uint64_t accepted,
		refused; /* by the source's answers to RCPT; a refused address is
	                    not kept: guessed ones must not fill the registry */
};
int registry_count_recipients(struct registry *r, const struct recipients_seen *seen,
	size_t n, struct error *err);

struct recipients_row {
	struct str address, client;
	uint64_t day; /* since 1970 */
	uint64_t first_at, last_at, count;
};
/* From that day on, by address, client, day. The callback may look up addresses. */
typedef int recipients_each_fn(void *context, const struct recipients_row *row);
int registry_each_recipients(struct registry *r, uint64_t since_day,
	recipients_each_fn *each, void *context, struct error *err);

#endif
