/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_PROTOCOLS_PROBE_H
#define INTERCEPTOR_PROTOCOLS_PROBE_H
/*
 * Asks the source, now and then, what it shows on a service before login, from our own
 * address, and keeps the answer as facts in the registry.
 */
#include "event/loop.h"
#include "interceptor/protocols/offer.h"
#include "net/stream.h"

struct probe_ops {
	/* The facts are new: the workers shall look. */
	void (*changed)(void *context, enum service_id service);
};

struct probe {
	struct loop *loop;
	const struct settings *settings;
	const struct protocol *protocol;
	enum service_id service;
	enum offer_kind kind; /* on which kind of connection it is asked */
	const struct probe_ops *ops;
	void *context;
	struct stream *source; /* NULL: none is running */
	void *machine;
	struct arena arena;
	struct buf from_source, to_source;
	uint64_t next_at, deadline, ended_at; /* loop time */
	uint64_t recipients_at;               /* when it is asked about recipients next */
	size_t address;                       /* the next of the source's to be asked */
	bool connecting;
	bool asks_recipients; /* this time */
	bool failed;          /* the last one; said once, not every time */
};

/* The service has a protocol. */
void probe_init(struct probe *p, struct loop *loop, const struct settings *settings,
	enum service_id service, enum offer_kind kind, const struct probe_ops *ops,
	void *context);
/* Now and then: begins and times out. */
void probe_tick(struct probe *p);
/* The source has refused what it was shown to offer: it is asked again in seconds. */
void probe_soon(struct probe *p);

#endif
