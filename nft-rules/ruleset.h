/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_RULESET_H
#define NFT_RULES_RULESET_H
/* What is wanted of the kernel, in the words of the configuration: the source's
   addresses, the services, and what happens when nobody listens. */
#include "base/error.h"
#include "nft-rules/marks.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULES_TABLE "mailferry"  /* family inet; ours alone */
#define RULES_ROUTE_TABLE 19782U /* 0x4d46, "MF"; ours alone */
#define RULES_MARK_MASK 0x78000000U
#define RULES_MARK 0x10000000U
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

/* What becomes of a new flow to the source. */
enum rules_verdict {
	RULES_DIVERT, /* to the interceptor */
	RULES_DIRECT, /* to the source, as if we were not there */
	RULES_REFUSE, /* reset */
	RULES_DROP,   /* no answer */
	RULES_VERDICT_COUNT
};

const char *rules_verdict_name(enum rules_verdict verdict);
/* -ENOENT: no verdict is called so. */
int rules_verdict_by_name(const char *name, enum rules_verdict *ret);

#define RULES_ADMISSIONS_MAX 256

/* A verdict for the clients of a prefix; the longest prefix wins. */
struct rules_admission {
	int family;
	unsigned char address[16]; /* network order; an IPv4 one has 4 bytes */
	uint8_t prefix_len;
	uint16_t port; /* of the service, as clients use it; 0: of all */
	enum rules_verdict verdict;
};

/* How new flows get to a program that judges them. */
enum rules_queue {
	RULES_QUEUE_NONE, /* they do not: what no prefix decides is diverted */
	RULES_QUEUE_NFT,  /* nft's own `queue` expression */
	RULES_QUEUE_XT,   /* the xt target NFQUEUE through nft_compat */
};

#define RULES_QUEUE_FIRST 19782U /* "MF"; nobody else's, it is hoped: `check` looks */
#define RULES_QUEUES_MAX 16

/* How many: one for each processor. */
uint16_t rules_queues(void);

struct rules_service {
	char name[RULES_NAME_MAX]; /* [a-z][a-z0-9-]*, part of the counters' names */
	uint16_t port;             /* as clients use it */
	uint16_t listen_port;      /* of our listener */
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
	struct rules_service unseen[RULES_SERVICES_MAX]; /* counted, not diverted */
	size_t n_unseen;
	struct rules_admission admissions[RULES_ADMISSIONS_MAX];
	size_t n_admissions;
	enum rules_queue queue;
	uint16_t n_queues; /* from RULES_QUEUE_FIRST on */
	bool has_room;     /* the kernel decides by itself while there is room (room.h) */
	uint32_t new_connections; /* a second, of one network, then; 0: any number */
	enum rules_fail fail;
	uint32_t route_table;
	uint32_t rule_priority; /* of the first ip rule; rules.c finds the right one */
	struct marks marks;
};

/* Nothing to divert yet, fail closed, the default routing table and mark. */
void ruleset_init(struct ruleset *r);

/* 0, -ENOSPC or -EAFNOSUPPORT. An address that is there already is not added again. */
int ruleset_add_source(struct ruleset *r, const struct sockaddr *address);
int ruleset_add_upstream(struct ruleset *r, const struct sockaddr *address);

/* upstream_port, listen_port 0: as port. 0 or -ENOSPC. */
int ruleset_add_service(struct ruleset *r, const char *name, uint16_t port,
	uint16_t upstream_port, uint16_t listen_port);

/* A port of the source that is left to the kernel's routing, and only counted: what goes
   there we do not see. 0 or -ENOSPC; a port that is diverted, or there already, is not
   added. */
int ruleset_add_unseen(struct ruleset *r, const char *name, uint16_t port);

/* For the clients of a prefix ("192.0.2.0/24", "2001:db8::7"); port 0: all services. It
   replaces one for the same prefix and port. -EINVAL: no prefix, -ENOSPC. */
int ruleset_add_admission(
	struct ruleset *r, const char *prefix, uint16_t port, enum rules_verdict verdict);

/* Whether some flows are not simply diverted. */
bool ruleset_has_admission(const struct ruleset *r);
/* Whether some are admitted to the source, past us. */
bool ruleset_admits_direct(const struct ruleset *r);

/* Whether it can be installed at all: -EINVAL and a sentence. The functions below call
   it themselves. */
int ruleset_validate(const struct ruleset *r, struct error *err);

/* What the configuration asks for. */
struct settings;
int ruleset_from_settings(
	const struct settings *s, struct ruleset *ret_ruleset, struct error *err);

/* What becomes of a packet, as counted. */
enum rules_route {
	RULES_ROUTE_UNDECIDED, /* handshake and what comes before the login */
	RULES_ROUTE_SOURCE,
	RULES_ROUTE_BUSY,
	RULES_ROUTE_LOCAL,
	RULES_ROUTE_DIRECT,  /* past us, to the source: so admitted, or nobody listened
	                        and fail = open */
	RULES_ROUTE_REFUSED, /* reset: so admitted, or nobody listened and fail = closed
	                      */
	RULES_ROUTE_DROPPED, /* so admitted */
	RULES_ROUTE_UNSEEN,  /* a port that is not diverted: to the source, unread */
	RULES_ROUTE_COUNT
};

const char *rules_route_name(enum rules_route route);

#endif
