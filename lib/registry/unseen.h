/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_UNSEEN_H
#define REGISTRY_UNSEEN_H
/*
 * Connections whose bytes we do not see: TLS for a name that we hold no key for, which
 * goes to the source as it is. Whose mailbox is read that way cannot be known; but when
 * it comes from a client address from which an account logs in, it may be that one's.
 * Such an account does not switch: the client would go on to see its old mailbox.
 *
 * So do connections past us (`mailferry admit … direct`), of which only their number is
 * known: while there are any by which mail is read, they hold every account.
 *
 * Hosts of the source's own network need not come through this router
 * (nft-rules/neighbours.h): whether they read mail is not known, so they are told of
 * and hold nobody.
 *
 * A client address is that of the host, in IPv6 its network of 64 bits (hosts change the
 * rest by themselves). Each worker writes its own rows, so that those of a dead one can
 * be told to be over.
 */
#include "registry/registry.h"

/* The client of all connections that go past us, and who writes of them. */
#define UNSEEN_DIRECT "direct clients"
#define UNSEEN_DIRECT_WORKER 1000000u
/* Why, of those that nobody has admitted. */
#define UNSEEN_DIRECT_OPEN "begun before the rules, or while nobody listened"

/* The service of a host that may reach the source past us, and who writes of them. The
   client is its whole address, count how often it was heard. */
#define UNSEEN_NEIGHBOUR "any"
#define UNSEEN_NEIGHBOUR_WORKER 1000001u

/* An account logs in from an address for so long after it did. */
#define CLIENT_LATELY_MS (UINT64_C(7) * 86400000)
#define CLIENTS_MAX 32 /* addresses of one account; the newest are kept */
/* Of what is over the newest are kept: of a client and service so many, and so many of
   all clients from whose address nobody logs in. */
#define UNSEEN_NAMES_MAX 64
#define UNSEEN_ROWS_MAX 10000
#define UNSEEN_KEPT_MS (UINT64_C(30) * 86400000)

struct unseen {
	struct str client;
	struct str service; /* "imaps" */
	struct str why;     /* "no key for mail.example.com" */
	uint64_t first_at, last_at;
	uint64_t count; /* connections */
	uint64_t open;  /* of them, now */
};

/* What a worker has seen since it last wrote: count is what comes on top, open what there
   is now. One transaction. */
int registry_write_unseen(struct registry *r, unsigned worker, const struct unseen *rows,
	size_t n, struct error *err);
/* What is too old or too much of what is over; looks at every row, so now and then. */
int registry_forget_unseen(struct registry *r, struct error *err);
/* The worker is gone, or begins, and with it all that was open. */
int registry_unseen_over(struct registry *r, unsigned worker, struct error *err);
/* Likewise all workers. What goes past us does not end with them: who writes of it looks
   for it. */
int registry_unseen_all_over(struct registry *r, struct error *err);

/* Those that were there since then; what is open first, then the newest. */
typedef int unseen_each_fn(void *context, const struct unseen *u);
int registry_each_unseen(struct registry *r, uint64_t since_ms, unseen_each_fn *each,
	void *context, struct error *err);

/* ---- whose they may be ---- */

/* Why an account does not switch (it lives at the source), or who goes past us (here). */
struct unseen_reader {
	struct str account;
	enum route route;
	enum stage stage;
	struct unseen what; /* the one that ended last, or is open */
};
typedef int unseen_reader_fn(void *context, const struct unseen_reader *u);
/* One for each account. An open connection by which mail is read counts, and one that is
   over when its client has come more than once, for so long after its end: it may come
   again. Not those that the admin has allowed. */
int registry_each_unseen_reader(struct registry *r, uint64_t again_ms,
	unseen_reader_fn *each, void *context, struct error *err);

/* 1: that one is held, *ret (strings in the arena) says by what; 0: it is not. */
int registry_is_held(struct registry *r, int64_t account, uint64_t again_ms,
	struct arena *arena, struct unseen *ret, struct error *err);
/* EVENT_ARRIVE with its result, unless the account is held by then, or one of its clients
   had such a connection since it switched. It is one transaction. A worker writes its row
   before the source gets a byte of the connection. So either that row is found here, or
   the connection finds the account here, and is reported as one that goes past us.
   0: done. 1: nothing has changed, *ret as above. -EPERM: it is switching no more. */
struct account_arrival {
	int64_t account;
	uint64_t again_ms; /* as above */
	struct str by;
	struct account_result result;
};
int registry_arrive(struct registry *r, const struct account_arrival *a,
	struct arena *arena, struct unseen *ret, struct error *err);
/* The admin has said that it may switch all the same, or takes that back. */
int registry_allow_unseen(
	struct registry *r, int64_t account, bool allowed, struct error *err);

#endif
