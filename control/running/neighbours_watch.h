/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_NEIGHBOURS_WATCH_H
#define CONTROL_RUNNING_NEIGHBOURS_WATCH_H
/*
 * Hosts of the source's own network that asked for its address (nft-rules/neighbours.h):
 * the kernel is asked every few seconds, and the registry remembers them as what passes
 * unseen (registry/unseen.h).
 */
#include "nft-rules/neighbours.h"
#include "registry/registry.h"

struct neighbours_watch {
	const struct settings *settings;
	struct registry *registry;
	struct neighbours *neighbours; /* NULL: not yet, or there is nothing to hear */
	uint64_t try_at, look_at;      /* monotonic */
	uint64_t say_at;               /* again that, monotonic */
	uint64_t looked_at;            /* the last look, monotonic */
	bool is_calm;                  /* no event says that not all are heard */
	struct {
		struct sockaddr_storage address;
		uint64_t at;           /* monotonic */
	} written[2 * NEIGHBOURS_MAX]; /* lately; the oldest goes */
	size_t next;
};

/* rules: as they are in the kernel. Errors are logged, and told of as an event. */
void neighbours_watch_tick(
	struct neighbours_watch *w, const struct ruleset *rules, uint64_t now_ms);
void neighbours_watch_end(struct neighbours_watch *w);

/* ---- and what is told of them ---- */

struct neighbours_seen {
	uint64_t hosts; /* 0: none */
	char text[256]; /* the newest of them: "192.0.2.7 (52:54:00:12:34:56), …" */
};

/* Since then; but those whom `source_neighbours` names. */
int neighbours_seen(struct registry *r, const struct settings *s, uint64_t since_ms,
	struct neighbours_seen *ret, struct error *err);
#define NEIGHBOURS_EVENT "neighbours" /* events.h: why not all of them are heard */
/* Whether they can be heard at all: the source is in a network of this host. */
bool neighbours_are_heard(const struct settings *s);

#endif
