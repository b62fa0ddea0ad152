/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_RULES_H
#define NFT_RULES_RULES_H
/*
 * The kernel's side of mailferry: which packets come to the interceptor, who counts
 * them, and what happens to them when nobody listens.
 *
 *   struct ruleset ──► plan (data) ──► text             rules_text(), no kernel needed
 *                        │    ▲
 *               one batch│    │dumps                    everything else
 *                        ▼    │
 *                        kernel: table inet mailferry, an ip rule, a routing table
 *
 * All functions act on the network namespace of the calling thread and need
 * CAP_NET_ADMIN there (rules_text() apart). Nothing is kept between two calls. Errors are
 * sentences which name the statement that the kernel refused.
 */
#include "base/buf.h"
#include "base/error.h"
#include "nft-rules/ruleset.h"

/* The wanted state as text, appended to *text: a file that `nft -f` takes, with the
   `ip rule` and `ip route` commands as comments. No kernel involved. */
int rules_text(const struct ruleset *r, struct buf *text, struct error *err);

/* The same for what the kernel holds now (with the counters' values). Nothing there:
   appends nothing. */
int rules_show(uint32_t route_table, struct buf *text, struct error *err);

/* Makes the kernel hold exactly this. The table is replaced in one transaction, and only
   when it differs: counters keep their values either way. On error everything is as it
   was. *ret_changed: false when there was nothing to do. */
int rules_install(const struct ruleset *r, bool *ret_changed, struct error *err);

struct rules_count;

/* The same; counters that are not in the kernel yet begin with these values. */
int rules_install_from(const struct ruleset *r, const struct rules_count *start,
	size_t n_start, bool *ret_changed, struct error *err);

/* Lets the kernel judge the table's transaction without committing it. */
int rules_dry_run(const struct ruleset *r, struct error *err);

/* Appends one line for each difference between wanted and kernel to *lines. */
int rules_check(
	const struct ruleset *r, struct buf *lines, size_t *ret_n, struct error *err);

/* Tables (neighbours.h, too), ip rules and routes; fine when nothing is there. */
int rules_remove(uint32_t route_table, bool *ret_changed, struct error *err);

/* ---- counters ---- */

struct rules_count {
	char service[RULES_NAME_MAX];
	enum rules_route route;
	uint64_t packets_in, bytes_in;   /* from clients */
	uint64_t packets_out, bytes_out; /* to clients */
};

#define RULES_COUNTS_MAX ((size_t)RULES_SERVICES_MAX * RULES_ROUTE_COUNT)

/* In the order in which the kernel lists them; -ENOENT: no rules installed. */
int rules_counters(struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err);

/* Of these, those of ports that are not diverted and that clients have used since the
   rules went in: who logs in there is not known to us. */
int rules_unseen(struct rules_count ret_counts[static RULES_COUNTS_MAX], size_t *ret_n,
	struct error *err);

/* ---- what this kernel can do ---- */

#define RULES_FEATURES_MAX 20

struct rules_feature {
	const char *name;          /* "tproxy" */
	int code;                  /* 0: there, else -errno */
	char text[ERROR_TEXT_MAX]; /* what is wrong and the cure; "" when nothing is */
};

/* Asks the kernel about each thing the rules need, without changing anything; the
   settings under /proc/sys/net that would spoil them count as features too. An error is
   returned only when the asking itself failed. */
int rules_probe(struct rules_feature ret_features[static RULES_FEATURES_MAX],
	size_t *ret_n, struct error *err);

/* How new flows can get to a program that judges them: nft's own expression before the xt
   target; RULES_QUEUE_NONE: not at all. */
int rules_probe_queue(enum rules_queue *ret_queue, struct error *err);

/* Whether the kernel can decide by itself while there is room (room.h): sets that packets
   fill, and limits in them. */
int rules_probe_room(bool *ret_has, struct error *err);

#endif
