/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/session/unseen_flows.h"

#include "base/clock.h"
#include "base/hash.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_MAX 512 /* of one transaction: logins wait for it */

struct unseen_flow {
	LIST_ENTRY(unseen_flow) same_bucket;
	LIST_ENTRY(unseen_flow) changed;
	char client[CLIENT_TEXT_MAX];
	enum service_id service;
	bool is_changed;
	uint64_t first_at, last_at;
	uint64_t news;               /* connections that the registry does not know of */
	uint64_t open, open_written; /* now; as the registry knows */
	char why[];
};

void client_text(const union endpoint *e, char text[static CLIENT_TEXT_MAX])
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr network;

	if (e->any.sa_family == AF_INET6) {
		network = e->v6.sin6_addr;
		memset(&network.s6_addr[8], 0, 8);
		(void)inet_ntop(AF_INET6, &network, address, sizeof(address));
		(void)snprintf(text, CLIENT_TEXT_MAX, "%s/64", address);
	} else {
		(void)inet_ntop(AF_INET, &e->v4.sin_addr, text, CLIENT_TEXT_MAX);
	}
}

void unseen_flows_init(struct unseen_flows *all)
{
	for (size_t i = 0; i < UNSEEN_BUCKETS; i++)
		LIST_INIT(&all->buckets[i]);
	LIST_INIT(&all->changed);
}

static void drop(struct unseen_flow *f)
{
	if (f->is_changed)
		LIST_REMOVE(f, changed);
	LIST_REMOVE(f, same_bucket);
	free(f);
}

void unseen_flows_fini(struct unseen_flows *all)
{
	for (size_t i = 0; i < UNSEEN_BUCKETS; i++)
		while (!LIST_EMPTY(&all->buckets[i]))
			drop(LIST_FIRST(&all->buckets[i]));
}

static unsigned bucket_of(const char *client, const char *why)
{
	uint64_t hash = hash_bytes(HASH_FIRST, str_from(client));

	return (unsigned)(hash_bytes(hash, str_from(why)) % UNSEEN_BUCKETS);
}

static void changes(struct unseen_flows *all, struct unseen_flow *f)
{
	f->last_at = clock_wall_ms();
	if (!f->is_changed)
		LIST_INSERT_HEAD(&all->changed, f, changed);
	f->is_changed = true;
}

static struct unseen_flow *add(struct unseen_flows *all, const char *client,
	enum service_id service, const char *why)
{
	size_t size = strlen(why) + 1;
	struct unseen_flow *f = calloc(1, sizeof(*f) + size);

	if (!f)
		return NULL;
	memcpy(f->client, client, strlen(client) + 1);
	memcpy(f->why, why, size);
	f->service = service;
	f->first_at = clock_wall_ms();
	LIST_INSERT_HEAD(&all->buckets[bucket_of(client, why)], f, same_bucket);
	return f;
}

struct unseen_flow *unseen_flows_begin(struct unseen_flows *all,
	const union endpoint *client, enum service_id service, const char *why)
{
	char text[CLIENT_TEXT_MAX];
	struct unseen_flow *f;

	client_text(client, text);
	LIST_FOREACH(f, &all->buckets[bucket_of(text, why)], same_bucket)
	if (f->service == service && strcmp(f->client, text) == 0 &&
		strcmp(f->why, why) == 0)
		break;
	if (!f)
		f = add(all, text, service, why);
	if (!f)
		return NULL;
	f->open++;
	f->news++;
	changes(all, f);
	return f;
}

void unseen_flows_end(struct unseen_flows *all, struct unseen_flow *f)
{
	if (!f)
		return;
	f->open--;
	changes(all, f);
}

bool unseen_flow_is_written(const struct unseen_flow *f)
{
	return f->open_written > 0;
}

const char *unseen_flow_why(const struct unseen_flow *f)
{
	return f->why;
}

static struct unseen row_of(const struct unseen_flow *f)
{
	return (struct unseen){ .client = str_from(f->client),
		.service = str_from(service_name(f->service)),
		.why = str_from(f->why),
		.first_at = f->first_at,
		.last_at = f->last_at,
		.count = f->news,
		.open = f->open };
}

static void is_written(struct unseen_flow *f)
{
	LIST_REMOVE(f, changed);
	f->is_changed = false;
	f->news = 0;
	f->open_written = f->open;
	if (!f->open)
		drop(f);
}

int unseen_flows_write(
	struct unseen_flows *all, struct registry *r, unsigned worker, struct error *err)
{
	struct unseen rows[WRITE_MAX];
	struct unseen_flow *f;
	size_t n;
	int code = 0;

	while (code == 0 && !LIST_EMPTY(&all->changed)) {
		n = 0;
		LIST_FOREACH(f, &all->changed, changed)
		{
			if (n == WRITE_MAX)
				break;
			rows[n++] = row_of(f);
		}
		code = registry_write_unseen(r, worker, rows, n, err);
		for (size_t i = 0; code == 0 && i < n; i++)
			is_written(LIST_FIRST(&all->changed));
	}
	return code;
}
