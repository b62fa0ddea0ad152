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

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULES_TABLE "mailferry"  /* family inet; ours alone */
#define RULES_ROUTE_TABLE 19782U /* 0x4d46, "MF"; ours alone */
#define RULES_ROUTE_PRIORITY                                                             \
	1000U /* of the ip rule: before main (32766) and what VPN tools                  \
	         commonly add above it, after local (0) */

#define RULES_ADDRESSES_MAX 16 /* as many as the settings allow */
#define RULES_SERVICES_MAX 16  /* seven exist; keeps one batch below 64 KiB */
#define RULES_NAME_MAX 32      /* with the NUL; "submission" is the longest of ours */

enum rules_fail {
	RULES_FAIL_OPEN,   /* nobody listens: to the source, as if we were not there */
	RULES_FAIL_CLOSED, /* nobody listens: reset. The rule once accounts live here */
};

struct rules_service {
	char name[RULES_NAME_MAX]; /* [a-z][a-z0-9-]*, part of the counters' names */
	uint16_t port;             /* as clients use it; our listener waits there too */
	uint16_t upstream_port;    /* at the source */
};

/* The wanted state. */
struct ruleset {
	struct sockaddr_storage sources[RULES_ADDRESSES_MAX]; /* as clients use them */
	size_t n_sources;
	struct sockaddr_storage upstreams[RULES_ADDRESSES_MAX]; /* where it answers us */
	size_t n_upstreams; /* 0: at `sources` (it has not moved) */
	struct rules_service services[RULES_SERVICES_MAX];
	size_t n_services;
	enum rules_fail fail;
	uint32_t route_table;
	uint32_t mark_divert; /* MARK_DIVERT, unless a test wants another */
};

/* Nothing to divert yet, fail closed, the default routing table and mark. */
void ruleset_init(struct ruleset *r);

/* 0, -ENOSPC or -EAFNOSUPPORT. An address that is there already is not added again. */
int ruleset_add_source(struct ruleset *r, const struct sockaddr *address);
int ruleset_add_upstream(struct ruleset *r, const struct sockaddr *address);

/* upstream_port 0: as port. 0 or -ENOSPC. */
int ruleset_add_service(
	struct ruleset *r, const char *name, uint16_t port, uint16_t upstream_port);

/* Whether it can be installed at all: -EINVAL and a sentence. The functions below call
   it themselves. */
int ruleset_validate(const struct ruleset *r, struct error *err);

/* What the configuration asks for. */
struct settings;
int ruleset_from_settings(
	const struct settings *s, struct ruleset *ret_ruleset, struct error *err);

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

/* Lets the kernel judge the table's transaction without committing it. */
int rules_dry_run(const struct ruleset *r, struct error *err);

/* Appends one line for each difference between wanted and kernel to *lines. */
int rules_check(
	const struct ruleset *r, struct buf *lines, size_t *ret_n, struct error *err);

/* Table, ip rules and routes; fine when nothing is there. */
int rules_remove(uint32_t route_table, bool *ret_changed, struct error *err);

/* ---- counters ---- */

enum rules_route {
	RULES_ROUTE_UNDECIDED, /* handshake and what comes before the login */
	RULES_ROUTE_SOURCE,
	RULES_ROUTE_BUSY,
	RULES_ROUTE_LOCAL,
	RULES_ROUTE_DIRECT,  /* past us, to the source: nobody listened, fail = open */
	RULES_ROUTE_REFUSED, /* reset: nobody listened, fail = closed */
	RULES_ROUTE_COUNT
};

const char *rules_route_name(enum rules_route route);

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

/* ---- what this kernel can do ---- */

#define RULES_FEATURES_MAX 16

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

#endif
