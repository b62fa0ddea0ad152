/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SHARED_CONNECTION_LIMITS_H
#define INTERCEPTOR_SHARED_CONNECTION_LIMITS_H
/*
 * How many connections there are, over all workers, which passwords are known, and what
 * the source has said of mail: the memory that they share.
 *
 * Each worker counts in a row of its own, in memory that all can read, and adds the rows
 * up when it must decide. When a worker dies, its row is set to zero and is right again.
 * One row more is for those who have retired (messages/takeover.h); their master tells
 * how many connections they have.
 * Who has not logged in is counted in prelogin_limits.h.
 */
#include "interceptor/shared/known_passwords.h"
#include "interceptor/shared/prelogin_limits.h"
#include "interceptor/shared/source_answers.h"

#define LIMITS_SLOW 64 /* accounts whose user has waited for the move in vain */

enum login_result { LOGIN_TO_SOURCE, LOGIN_TO_LOCAL, LOGIN_FAILED, LOGIN_RESULT_COUNT };

/* How long clients were held while their account switched: up to 1, 3, 10, 30 and 60 s,
   and longer. */
#define HELD_BUCKETS 6

struct connection_counts {
	int64_t slow[LIMITS_SLOW];
	uint32_t next_slow;
	uint32_t connections;
	uint32_t accepted; /* since the worker began; it may wrap */
	uint32_t logins[LOGIN_RESULT_COUNT];
	uint32_t held[HELD_BUCKETS];
	uint32_t held_s; /* in all */
	struct prelogin_counts prelogin;
};

struct connection_limits {
	struct connection_counts *rows;    /* shared */
	struct known_passwords *passwords; /* shared */
	struct known_networks *known;      /* shared */
	struct source_answers *answers;    /* shared */
	unsigned n_rows;
	unsigned first; /* number of the first worker; those of others have others */
	uint64_t key;
	int fd; /* of the memory, for connection_limits_attach() */
};

/* Makes the memory. 0 or -errno. */
int connection_limits_init(
	struct connection_limits *t, unsigned n_workers, unsigned first);
/* What those whose memory it is have learnt: networks, passwords, answers. One of another
   version is passed over. */
void connection_limits_inherit(struct connection_limits *t, int fd);
/* The row of those who have retired. */
void connection_limits_set_retired(
	struct connection_limits *t, uint32_t connections, uint32_t accepted);
/* In a worker, with the master's descriptor. -EBADMSG: it is something else. */
int connection_limits_attach(struct connection_limits *t, int fd);
void connection_limits_clear_row(struct connection_limits *t, unsigned worker);

uint32_t connections_counted(const struct connection_limits *t);
/* All that were ever accepted, but for workers that are gone. */
uint64_t connections_accepted(const struct connection_limits *t);
void connection_limits_add_connection(
	struct connection_limits *t, unsigned worker, int change);

void connection_limits_count_login(
	struct connection_limits *t, unsigned worker, enum login_result result);
void connection_limits_count_hold(
	struct connection_limits *t, unsigned worker, uint64_t ms);
/* As JSON: what was counted by the workers that there are. */
void connection_limits_tally(const struct connection_limits *t, char *text, size_t size);

/* Accounts that take longer to move than a client is held. */
void connection_limits_remember_slow(
	struct connection_limits *t, unsigned worker, int64_t account);
bool connection_limits_is_slow(const struct connection_limits *t, int64_t account);

#endif
