/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_TALLY_H
#define INTERCEPTOR_TALLY_H
/*
 * How many connections there are, over all workers: the one thing they share.
 *
 * Each worker counts in a row of its own, in memory that all can read, and adds the rows
 * up when it must decide. When a worker dies, its row is set to zero and is right again.
 * Addresses are counted in hashed buckets: two that share one are counted together, which
 * errs to the safe side and, with the key random, cannot be aimed at anybody.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TALLY_BUCKETS 16384 /* few of many clients share one; 64 KiB for each worker */

#define TALLY_SLOW 64 /* accounts whose user has waited for his move in vain */

struct tally_row {
	int64_t slow[TALLY_SLOW];
	uint32_t next_slow;
	uint32_t connections;
	uint32_t waiting[TALLY_BUCKETS]; /* not logged in, by client address */
};

struct tally {
	struct tally_row *rows; /* shared */
	unsigned n_rows;
	uint64_t key;
};

int tally_init(struct tally *t, unsigned n_workers); /* before the workers are forked */
void tally_clear_row(struct tally *t, unsigned worker);

uint32_t tally_bucket(const struct tally *t, const struct sockaddr *client);
uint32_t tally_connections(const struct tally *t);
uint32_t tally_waiting(const struct tally *t, uint32_t bucket);

void tally_add_connection(struct tally *t, unsigned worker, int change);
void tally_add_waiting(struct tally *t, unsigned worker, uint32_t bucket, int change);

/* Accounts that take longer to move than a client is held. */
void tally_remember_slow(struct tally *t, unsigned worker, int64_t account);
bool tally_is_slow(const struct tally *t, int64_t account);

#endif
