/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/leg_probe.h"

#include "control/check/dial.h"
#include "nft-rules/tun.h"
#include "source/leg.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define WAIT_MS 2500 /* a SYN, and another after a second */

/* Each service of each address is asked from these. */
enum { FROM_OWN, FROM_FOREIGN, FROM_OUTER, FROM_COUNT };
#define FLOWS_MAX ((size_t)FROM_COUNT * SETTINGS_SOURCES_MAX * SERVICE_COUNT)

struct flow {
	enum service_id service;
	int code; /* 0: connected; -EINPROGRESS: nothing heard */
};

struct probing {
	struct flow flows[FLOWS_MAX];
	struct pollfd fds[FLOWS_MAX];
	size_t n;
	char *own; /* [ADDRESS_TEXT_MAX] */
};

/* Where a connection comes from; address "": the kernel chooses. */
struct from {
	char address[ADDRESS_TEXT_MAX], interface[IF_NAMESIZE];
};

static int bind_to(int fd, const char *text)
{
	struct sockaddr_storage a;

	if (!address_read(text, &a))
		return -EINVAL;
	return bind(fd, (const struct sockaddr *)&a, address_length(&a)) < 0 ? -errno : 0;
}

/* ---- our addresses ---- */

static bool same_address(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	if (!a || a->sa_family != b->ss_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 &&
	       !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		       &((const struct sockaddr_in6 *)b)->sin6_addr,
		       sizeof(struct in6_addr));
}

/* That the kernel would take towards `to`; nothing is sent. */
static bool own_address(const struct sockaddr_storage *to, struct sockaddr_storage *ret)
{
	CLEANUP(fd_closep) int fd = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	return fd >= 0 &&
	       connect(fd, (const struct sockaddr *)to, address_length(to)) == 0 &&
	       getsockname(fd, (struct sockaddr *)ret, &len) == 0;
}

static bool is_usable(const struct ifaddrs *i, int family)
{
	if (!i->ifa_addr || i->ifa_addr->sa_family != family ||
		!(i->ifa_flags & IFF_UP) || i->ifa_flags & IFF_LOOPBACK ||
		strcmp(i->ifa_name, tun_foreign.name) == 0)
		return false;
	return family != AF_INET6 ||
	       !IN6_IS_ADDR_LINKLOCAL(
		       &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)
				->sin6_addr);
}

static const struct ifaddrs *find_own(
	const struct ifaddrs *all, const struct sockaddr_storage *own)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next)
		if (same_address(i->ifa_addr, own))
			return i;
	return NULL;
}

static const struct ifaddrs *find_outer(
	const struct ifaddrs *all, const struct ifaddrs *inner, int family)
{
	for (const struct ifaddrs *i = all; i && inner; i = i->ifa_next)
		if (is_usable(i, family) && strcmp(i->ifa_name, inner->ifa_name) != 0)
			return i;
	return NULL;
}

/* An address on another interface than the one towards `to`, which is to be answered by
   that one. false: we have none. */
static bool outer_address(const struct sockaddr_storage *to, struct from *ret)
{
	struct sockaddr_storage own = { 0 }, address;
	const struct ifaddrs *inner, *outer;
	struct ifaddrs *all;

	if (!own_address(to, &own) || getifaddrs(&all) < 0)
		return false;
	inner = find_own(all, &own);
	outer = find_outer(all, inner, to->ss_family);
	if (outer && address_from_socket(outer->ifa_addr, &address)) {
		address_text(&address, ret->address);
		(void)snprintf(
			ret->interface, sizeof(ret->interface), "%s", inner->ifa_name);
	}
	freeifaddrs(all);
	return outer != NULL;
}

/* ---- connections ---- */

static int begin(const struct sockaddr_storage *to, const struct from *from, int *ret_fd)
{
	int r = 0;

	*ret_fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0)
		return -errno;
	if (from->interface[0] &&
		setsockopt(*ret_fd, SOL_SOCKET, SO_BINDTODEVICE, from->interface,
			(socklen_t)strlen(from->interface)) < 0)
		return -errno;
	if (from->address[0])
		r = bind_to(*ret_fd, from->address);
	if (r == 0 &&
		connect(*ret_fd, (const struct sockaddr *)to, address_length(to)) < 0)
		r = -errno;
	return r;
}

/* from: NULL: there is none. */
static void add_flow(struct probing *p, enum service_id service,
	const struct sockaddr_storage *to, const struct from *from)
{
	struct pollfd *fd = &p->fds[p->n];
	struct flow *flow = &p->flows[p->n];

	*fd = (struct pollfd){ .fd = -1, .events = POLLOUT };
	flow->service = service;
	flow->code = from ? begin(to, from, &fd->fd) : -EADDRNOTAVAIL;
	if (flow->code != -EINPROGRESS)
		fd_closep(&fd->fd);
	p->n++;
}

static void add_flows(struct probing *p, const struct settings *s,
	const struct sockaddr_storage *to, bool v6)
{
	struct from own = { 0 }, foreign = { 0 }, outer = { 0 };
	struct sockaddr_storage there = *to;
	bool has_outer = outer_address(to, &outer);

	(void)snprintf(foreign.address, sizeof(foreign.address), "%s",
		to->ss_family == AF_INET ? tun_foreign.address4 : tun_foreign.address6);
	for (int i = 0; i < SERVICE_COUNT; i++) {
		if (!s->services[i].enabled || (to->ss_family == AF_INET6 && !v6))
			continue;
		dial_set_port(&there, s, (enum service_id)i);
		add_flow(p, (enum service_id)i, &there, &own);
		add_flow(p, (enum service_id)i, &there, &foreign);
		add_flow(p, (enum service_id)i, &there, has_outer ? &outer : NULL);
	}
}

static void note_own(struct probing *p, size_t i)
{
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof(own);

	if (i % FROM_COUNT == FROM_OWN && !p->own[0] && p->flows[i].code == 0 &&
		getsockname(p->fds[i].fd, (struct sockaddr *)&own, &len) == 0)
		address_text(&own, p->own);
}

static void wait_for_all(struct probing *p)
{
	uint64_t end = clock_monotonic_ms() + WAIT_MS, now;
	size_t left = 1;

	while (left && (now = clock_monotonic_ms()) < end) {
		if (poll(p->fds, p->n, (int)(end - now)) < 0 && errno != EINTR)
			break;
		left = 0;
		for (size_t i = 0; i < p->n; i++) {
			if (p->fds[i].fd >= 0 && p->fds[i].revents) {
				p->flows[i].code = dial_outcome(p->fds[i].fd);
				note_own(p, i);
				fd_closep(&p->fds[i].fd);
			}
			left += p->fds[i].fd >= 0;
		}
	}
	for (size_t i = 0; i < p->n; i++)
		fd_closep(&p->fds[i].fd);
}

/* Any answer will do; ICMP from somewhere between (EHOSTUNREACH) is none. */
static bool is_answered(int code)
{
	return code == 0 || code == -ECONNREFUSED;
}

/* One address of the source that is answered another way spoils the service. */
static void judge(const struct probing *p, struct leg_probe *ret)
{
	for (size_t i = 0; i < p->n; i += FROM_COUNT) {
		const struct flow *flows = &p->flows[i];
		enum leg_way *way = &ret->of[flows->service];

		if (flows[FROM_OWN].code != 0)
			continue;
		if (!is_answered(flows[FROM_FOREIGN].code) &&
			!is_answered(flows[FROM_OUTER].code))
			*way = LEG_WAY_ELSEWHERE;
		else if (*way == LEG_WAY_UNKNOWN)
			*way = LEG_WAY_WORKS;
	}
}

int leg_probe_run(const struct settings *s, struct leg_probe *ret, struct error *err)
{
	CLEANUP(fd_closep) int tun = -1;
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];
	size_t n = settings_upstreams(s, all);
	struct probing p = { .own = ret->own };
	bool v6 = false;
	int code;

	*ret = (struct leg_probe){ 0 };
	code = tun_open(&tun_foreign, &tun, &v6, err);
	if (code < 0)
		return code;
	for (size_t i = 0; i < n; i++)
		add_flows(&p, s, &all[i], v6);
	wait_for_all(&p);
	judge(&p, ret);
	return 0;
}

bool leg_probe_names(const struct settings *s, const struct leg_probe *p, bool smtp,
	char text[static LEG_SERVICES_MAX])
{
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < SERVICE_COUNT; i++) {
		enum service_id id = (enum service_id)i;

		if (!s->services[i].enabled || leg_is_smtp(id) != smtp ||
			p->of[i] != LEG_WAY_ELSEWHERE)
			continue;
		(void)snprintf(text + len, LEG_SERVICES_MAX - len, "%s%s", len ? " " : "",
			service_name(id));
		len = strlen(text);
	}
	return len > 0;
}
