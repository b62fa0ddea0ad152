/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_UNSEEN_FLOWS_H
#define INTERCEPTOR_SESSION_UNSEEN_FLOWS_H
/*
 * A worker's connections that go to the source with bytes that it cannot see, by client,
 * service and reason. The registry gets the changes with each tick of the worker, before
 * the first of a kind goes on to the source, and before the worker answers that an
 * account's sessions have ended: the transfer then asks the registry (registry/unseen.h).
 */
#include "interceptor/sockets/endpoint.h"
#include "registry/unseen.h"

#include <sys/queue.h>

#define UNSEEN_BUCKETS 256
#define UNSEEN_WHY_MAX 300 /* a name has 255 */

/* Of one client and service, for one reason; the sessions hold it. */
struct unseen_flow;

struct unseen_flows {
	LIST_HEAD(, unseen_flow) buckets[UNSEEN_BUCKETS];
	LIST_HEAD(, unseen_flow) changed; /* what the registry does not have yet */
};

void unseen_flows_init(struct unseen_flows *all);
void unseen_flows_fini(struct unseen_flows *all);

/* NULL: no memory. */
struct unseen_flow *unseen_flows_begin(struct unseen_flows *all,
	const union endpoint *client, enum service_id service, const char *why);
void unseen_flows_end(
	struct unseen_flows *all, struct unseen_flow *f); /* f may be NULL */
/* The registry knows that one of these is open. Before, no byte of it may reach the
   source: an account of that client could arrive here meanwhile (registry_arrive()). */
bool unseen_flow_is_written(const struct unseen_flow *f);
const char *unseen_flow_why(const struct unseen_flow *f);

/* 0; -EBUSY: kept for the next time. */
int unseen_flows_write(
	struct unseen_flows *all, struct registry *r, unsigned worker, struct error *err);

/* The host's address, or its network's (registry/unseen.h). */
#define CLIENT_TEXT_MAX 64
void client_text(const union endpoint *e, char text[static CLIENT_TEXT_MAX]);

#endif
