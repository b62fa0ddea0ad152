/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/ruleset.h"
#include "nft-rules/prefix.h"

#include "base/address.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ruleset_init(struct ruleset *r)
{
	*r = (struct ruleset){ 0 };
	r->fail = RULES_FAIL_CLOSED;
	r->route_table = RULES_ROUTE_TABLE;
	r->rule_priority = RULES_ROUTE_PRIORITY;
	r->marks = marks_of(RULES_MARK_MASK, RULES_MARK);
}

static int add_address(
	struct sockaddr_storage *list, size_t *n, const struct sockaddr *address)
{
	struct sockaddr_storage copy;

	if (!address_from_socket(address, &copy))
		return -EAFNOSUPPORT;
	for (size_t i = 0; i < *n; i++)
		if (address_is_same_host(&list[i], &copy))
			return 0;
	if (*n == RULES_ADDRESSES_MAX)
		return -ENOSPC;
	list[(*n)++] = copy;
	return 0;
}

int ruleset_add_source(struct ruleset *r, const struct sockaddr *address)
{
	return add_address(r->sources, &r->n_sources, address);
}

int ruleset_add_upstream(struct ruleset *r, const struct sockaddr *address)
{
	return add_address(r->upstreams, &r->n_upstreams, address);
}

int ruleset_add_service(struct ruleset *r, const char *name, uint16_t port,
	uint16_t upstream_port, uint16_t listen_port)
{
	struct rules_service *service = &r->services[r->n_services];

	if (r->n_services == RULES_SERVICES_MAX)
		return -ENOSPC;
	(void)snprintf(service->name, sizeof(service->name), "%s", name);
	service->port = port;
	service->upstream_port = upstream_port ? upstream_port : port;
	service->listen_port = listen_port ? listen_port : port;
	r->n_services++;
	return 0;
}

static bool has_port(const struct rules_service *list, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].port == port)
			return true;
	return false;
}

int ruleset_add_unseen(struct ruleset *r, const char *name, uint16_t port)
{
	struct rules_service *service = &r->unseen[r->n_unseen];

	if (has_port(r->services, r->n_services, port) ||
		has_port(r->unseen, r->n_unseen, port))
		return 0;
	if (r->n_unseen == RULES_SERVICES_MAX)
		return -ENOSPC;
	(void)snprintf(service->name, sizeof(service->name), "%s", name);
	service->port = service->upstream_port = port;
	r->n_unseen++;
	return 0;
}

static const char *const verdict_names[] = { "divert", "direct", "refuse", "drop" };
_Static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == RULES_VERDICT_COUNT,
	"a name for each verdict");

const char *rules_verdict_name(enum rules_verdict verdict)
{
	return (unsigned)verdict < RULES_VERDICT_COUNT ? verdict_names[verdict] : "?";
}

int rules_verdict_by_name(const char *name, enum rules_verdict *ret)
{
	for (int i = 0; i < RULES_VERDICT_COUNT; i++)
		if (!strcmp(name, verdict_names[i])) {
			*ret = (enum rules_verdict)i;
			return 0;
		}
	return -ENOENT;
}

static struct rules_admission *find_admission(
	struct ruleset *r, const struct prefix *p, uint16_t port)
{
	for (size_t i = 0; i < r->n_admissions; i++) {
		struct rules_admission *a = &r->admissions[i];

		if (a->family == p->family && a->prefix_len == p->len &&
			a->port == port &&
			!memcmp(a->address, p->address, sizeof(p->address)))
			return a;
	}
	return NULL;
}

int ruleset_add_admission(
	struct ruleset *r, const char *prefix, uint16_t port, enum rules_verdict verdict)
{
	struct rules_admission *a;
	struct prefix p;

	if (prefix_parse(prefix, &p) < 0)
		return -EINVAL;
	a = find_admission(r, &p, port);
	if (!a && r->n_admissions == RULES_ADMISSIONS_MAX)
		return -ENOSPC;
	if (!a)
		a = &r->admissions[r->n_admissions++];
	*a = (struct rules_admission){
		.family = p.family, .prefix_len = p.len, .port = port, .verdict = verdict
	};
	memcpy(a->address, p.address, sizeof(a->address));
	return 0;
}

uint16_t rules_queues(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > RULES_QUEUES_MAX ? RULES_QUEUES_MAX : (uint16_t)cpus;
}

bool ruleset_has_admission(const struct ruleset *r)
{
	return r->n_admissions || r->queue != RULES_QUEUE_NONE;
}

bool ruleset_admits_direct(const struct ruleset *r)
{
	for (size_t i = 0; i < r->n_admissions; i++)
		if (r->admissions[i].verdict == RULES_DIRECT)
			return true;
	return false;
}

/* Names become part of nft identifiers. */
static bool name_is_valid(const char *name)
{
	if (!islower((unsigned char)name[0]))
		return false;
	for (const char *c = name; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) &&
			*c != '-')
			return false;
	return true;
}

static int validate_service(const struct ruleset *r, size_t i, struct error *err)
{
	const struct rules_service *service = &r->services[i];

	if (!name_is_valid(service->name))
		return error_set(err, -EINVAL,
			"service name '%s': use lower-case letters, digits and '-'",
			service->name);
	if (!service->port || !service->upstream_port)
		return error_set(err, -EINVAL,
			"service %s has port 0: give it one from 1 to 65535",
			service->name);
	for (size_t j = 0; j < i; j++) {
		if (!strcmp(service->name, r->services[j].name))
			return error_set(
				err, -EINVAL, "service %s is there twice", service->name);
		if (service->port == r->services[j].port)
			return error_set(err, -EINVAL,
				"services %s and %s have the same port %u: give one of "
				"them another",
				r->services[j].name, service->name, service->port);
	}
	return 0;
}

static bool is_any(const struct sockaddr_storage *address)
{
	static const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 };
	static const struct sockaddr_in any4 = { .sin_family = AF_INET };
	struct sockaddr_storage any = { 0 };

	memcpy(&any, &any6, sizeof(any6));
	if (address->ss_family == AF_INET)
		memcpy(&any, &any4, sizeof(any4));
	return address_is_same_host(address, &any);
}

int ruleset_validate(const struct ruleset *r, struct error *err)
{
	if (!r->n_sources)
		return error_set(err, -EINVAL,
			"no source address: set `source` to the old server's address");
	for (size_t i = 0; i < r->n_sources; i++)
		if (is_any(&r->sources[i]))
			return error_set(err, -EINVAL,
				"the source address is 0.0.0.0 or ::, which would match "
				"nothing: use the old server's own address");
	if (!r->n_services)
		return error_set(err, -EINVAL,
			"no service to divert: enable one under `services`");
	/* 253 to 255 are default, main and local: everybody's. */
	if (!r->route_table || (r->route_table >= 253 && r->route_table <= 255))
		return error_set(err, -EINVAL,
			"routing table %u belongs to the system: use another number",
			r->route_table);
	if (!(r->marks.divert & r->marks.mask))
		return error_set(
			err, -EINVAL, "the divert mark is 0, which every packet carries");
	for (size_t i = 0; i < r->n_services; i++) {
		int code = validate_service(r, i, err);

		if (code)
			return code;
	}
	return 0;
}
