/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_DELIVERED_H
#define REGISTRY_DELIVERED_H
/*
 * Addresses by which mail was seen to come into an account's old mailbox after its move:
 * the material of `mailferry alias propose`. It opens nothing and leads nobody anywhere.
 *
 * Kept are only addresses of our domains that nobody is known to have, of plain letters,
 * that the source accepted from a client of ours lately: so nobody fills it with
 * addresses that are none. An account with DELIVERED_MAX of them has all of a domain,
 * perhaps, and no more are kept of that account; those of others do not notice.
 */
#include "registry/recipients.h"

#define DELIVERED_MAX 50 /* of an account; people have some */

int registry_note_delivered(struct registry *r, int64_t account,
	const struct str *addresses, size_t n, struct error *err);

struct delivered_row {
	struct str address;
	int64_t account;
	struct str name; /* of the account */
	uint64_t messages, first_at, last_at;
	uint64_t of_account; /* rows that the account has */
	uint64_t of_address; /* accounts that the address has */
};
/* By address. The callback may look up addresses. */
typedef int delivered_each_fn(void *context, const struct delivered_row *row);
int registry_each_delivered(
	struct registry *r, delivered_each_fn *each, void *context, struct error *err);

#endif
