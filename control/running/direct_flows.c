/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/direct_flows.h"

#include "base/address.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "nft-rules/conntrack.h"
#include "nft-rules/tcp_sockets.h"
#include "nft-rules/tun.h"
#include "registry/unseen.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* What began since then might as well have begun after the switch. */
#define LOOK_MS 1000
#define REST 20 /* so many times as long as a look took, at the least */
/* One so old that is ours has its socket already. */
#define YOUNG_MS 2000
#define GONE_MAX                                                                         \
	((size_t)PAST_COUNT * RULES_SERVICES_MAX) /* more are told to be over later */

static const char *const reasons[PAST_COUNT] = {
	[PAST_ADMITTED] = "admitted to the source",
	[PAST_OPEN] = UNSEEN_DIRECT_OPEN,
};

/* An end of a connection of this host: a client whom we serve, or as whom we are
   connected to the source. Of an address of this host each port is: nobody is a client by
   it whose socket is not here. */
struct own {
	unsigned char address[16];
	uint16_t port; /* 0: any */
};

struct counting {
	const struct ruleset *rules;
	bool stays_open;
	struct buf own; /* of struct own, sorted */
	uint64_t now;   /* wall clock */
	uint64_t open[PAST_COUNT][RULES_SERVICES_MAX];
};

/* ---- ours ---- */

static struct own own_key(const struct sockaddr_storage *client)
{
	struct own key = {
		.port = client->ss_family == AF_INET
		                ? ((const struct sockaddr_in *)client)->sin_port
		                : ((const struct sockaddr_in6 *)client)->sin6_port
	};
	struct str address = address_bytes(client);

	memcpy(key.address, address.ptr, address.len);
	return key;
}

static int add_own(void *context, const struct sockaddr_storage *end)
{
	struct counting *c = context;
	struct own key = own_key(end);

	return buf_append(&c->own, str_of((const char *)&key, sizeof(key)));
}

/* From them our probes have come; they are nobody's. */
static int add_probes(struct counting *c)
{
	const char *const addresses[] = { tun_foreign.address4, tun_foreign.address6,
		tun_client.address4, tun_client.address6 };
	struct sockaddr_storage address;
	int code = 0;

	for (size_t i = 0; code == 0 && i < sizeof(addresses) / sizeof(addresses[0]); i++)
		code = address_read(addresses[i], &address) ? add_own(c, &address)
		                                            : -EINVAL;
	return code;
}

/* Before the rules are in the kernel tracks connections now and then, as when it judges
   rules on trial: one of ours whose end it has not seen stays established for days. */
static int add_own_addresses(struct counting *c, struct error *err)
{
	struct ifaddrs *all;
	int code = add_probes(c);

	if (getifaddrs(&all) < 0)
		return error_errno(err, -errno, "reading this host's addresses");
	for (const struct ifaddrs *i = all; i && code == 0; i = i->ifa_next) {
		struct sockaddr_storage address;

		if (!i->ifa_addr || !address_from_socket(i->ifa_addr, &address))
			continue;
		address_set_port(&address, 0);
		code = add_own(c, &address);
	}
	freeifaddrs(all);
	return code < 0 ? error_errno(err, code, "reading this host's addresses") : 0;
}

static int compare_own(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct own));
}

static int read_own(struct counting *c, struct error *err)
{
	int code = tcp_ends_each(add_own, c, err);
	struct str all;

	if (code == 0)
		code = add_own_addresses(c, err);
	all = buf_view(&c->own);
	if (code == 0 && all.len)
		qsort((void *)(uintptr_t)all.ptr, all.len / sizeof(struct own),
			sizeof(struct own), compare_own);
	return code;
}

static bool has_own(const struct counting *c, const struct own *key)
{
	struct str all = buf_view(&c->own);

	return all.len && bsearch(key, all.ptr, all.len / sizeof(*key), sizeof(*key),
				  compare_own) != NULL;
}

/* One that begins only later began before the clock was set back. */
static bool is_young(const struct counting *c, const struct linked_flow *f)
{
	return f->started_ms && f->started_ms + YOUNG_MS > c->now &&
	       f->started_ms <= clock_wall_ms();
}

/* Asked for before the tracked connections are: what is ours and not young is there. */
static bool is_own(const struct counting *c, const struct linked_flow *f)
{
	struct own key = own_key(&f->client), any_port = key;

	any_port.port = 0;
	return is_young(c, f) || has_own(c, &key) || has_own(c, &any_port);
}

/* ---- past us ---- */

/* Only diverted services are here: the ports that are not are unseen for everybody. */
static int count(void *context, const struct linked_flow *f)
{
	struct counting *c = context;
	size_t i = (size_t)(f->service - c->rules->services);

	if (!f->is_alive || i >= c->rules->n_services)
		return 0;
	if (f->is_direct)
		c->open[PAST_ADMITTED][i]++;
	else if (c->stays_open && !is_own(c, f))
		c->open[PAST_OPEN][i]++;
	return 0;
}

struct taking {
	struct direct_flows *to;
	const struct ruleset *rules;
	struct arena arena;
	struct unseen gone[GONE_MAX]; /* of services that are not diverted any more */
	size_t n_gone;
};

static size_t fill_rows(const struct direct_flows *d, const struct counting *c,
	struct unseen rows[static PAST_COUNT * RULES_SERVICES_MAX])
{
	uint64_t now = clock_wall_ms();
	size_t n = 0;

	for (size_t k = 0; k < PAST_COUNT * c->rules->n_services; k++) {
		size_t past = k % PAST_COUNT, i = k / PAST_COUNT;
		uint64_t before = d->open[past][i], is_now = c->open[past][i];

		if (!is_now && !before)
			continue;
		rows[n++] = (struct unseen){ .client = STR_LIT(UNSEEN_DIRECT),
			.service = str_from(c->rules->services[i].name),
			.why = str_from(reasons[past]),
			.first_at = now,
			.last_at = now,
			.count = is_now > before ? is_now - before : 0,
			.open = is_now };
	}
	return n;
}

/* The registry has it now. */
static void keep(struct direct_flows *d, const struct counting *c)
{
	d->any = false;
	for (size_t past = 0; past < PAST_COUNT; past++)
		for (size_t i = 0; i < c->rules->n_services; i++) {
			d->open[past][i] = c->open[past][i];
			d->any = d->any || d->open[past][i];
		}
}

static int take_gone(struct taking *t, const struct unseen *u)
{
	struct unseen *to = &t->gone[t->n_gone];

	if (t->n_gone == GONE_MAX)
		return 0;
	*to = *u;
	to->client = STR_LIT(UNSEEN_DIRECT);
	to->service = arena_str(&t->arena, u->service);
	to->why = arena_str(&t->arena, u->why);
	to->count = to->open = 0;
	if (!to->service.ptr || !to->why.ptr)
		return -ENOMEM;
	t->n_gone++;
	return 0;
}

/* What one before us wrote as open may have ended while nobody looked. */
static int take_written(void *context, const struct unseen *u)
{
	struct taking *t = context;

	if (!u->open || !str_eq(u->client, STR_LIT(UNSEEN_DIRECT)))
		return 0;
	for (size_t k = 0; k < PAST_COUNT * t->rules->n_services; k++) {
		size_t past = k % PAST_COUNT, i = k / PAST_COUNT;

		if (!str_eq(u->service, str_from(t->rules->services[i].name)) ||
			!str_eq(u->why, str_from(reasons[past])))
			continue;
		t->to->open[past][i] = u->open;
		t->to->any = true;
		return 0;
	}
	return take_gone(t, u);
}

/* The ports that we do not divert any more are unseen for everybody, and told of so. */
static int begin(struct direct_flows *d, const struct ruleset *rules, struct error *err)
{
	struct taking t = { .to = d, .rules = rules };
	int code;

	arena_init(&t.arena);
	code = registry_each_unseen(d->registry, clock_wall_ms(), take_written, &t, err);
	if (code == 0)
		code = registry_write_unseen(
			d->registry, UNSEEN_DIRECT_WORKER, t.gone, t.n_gone, err);
	arena_fini(&t.arena);
	d->has_begun = code == 0;
	return code;
}

static int look(struct direct_flows *d, const struct ruleset *rules, struct error *err)
{
	struct unseen rows[PAST_COUNT * RULES_SERVICES_MAX];
	struct counting c = {
		.rules = rules, .stays_open = d->stays_open, .now = clock_wall_ms()
	};
	int code;

	buf_init(&c.own, 0);
	code = d->stays_open ? read_own(&c, err) : 0;
	if (code == 0)
		code = conntrack_each(rules, count, &c, err);
	buf_fini(&c.own);
	if (code < 0)
		return code;
	code = registry_write_unseen(
		d->registry, UNSEEN_DIRECT_WORKER, rows, fill_rows(d, &c, rows), err);
	if (code == 0)
		keep(d, &c);
	return code;
}

void direct_flows_tick(
	struct direct_flows *d, const struct ruleset *rules, uint64_t now_ms)
{
	struct error err = { 0 };
	uint64_t rest;
	int code;

	if (now_ms < d->look_at)
		return;
	code = d->has_begun ? 0 : begin(d, rules, &err);
	/* those that were admitted stay when the prefix is taken back */
	if (code == 0 && (d->any || d->stays_open || ruleset_admits_direct(rules)))
		code = look(d, rules, &err);
	if (code < 0)
		log_warning(NULL, "direct-flows", "error=\"%s\"",
			err.text[0] ? err.text : strerror(-code));
	rest = (clock_monotonic_ms() - now_ms) * REST;
	d->look_at = now_ms + (rest > LOOK_MS ? rest : LOOK_MS);
}
