/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/leg_probe.h"

#include "nft-rules/tun.h"
#include "source/leg.h"

#include "base/clock.h"
#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define WAIT_MS 2500 /* a SYN, and another after a second */
#define FLOWS_MAX ((size_t)2 * SETTINGS_SOURCES_MAX * SERVICE_COUNT)

/* Two of each: from our own address, then from the foreign one. */
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

size_t leg_upstreams(const struct settings *s,
	struct sockaddr_storage ret[static SETTINGS_SOURCES_MAX])
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ret[0];
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret[0];

	memset(&ret[0], 0, sizeof(ret[0]));
	if (!s->source_moved_to[0]) {
		memcpy(ret, s->sources, sizeof(s->sources));
		return s->n_sources;
	}
	v4->sin_family = AF_INET;
	if (inet_pton(AF_INET, s->source_moved_to, &v4->sin_addr) == 1)
		return 1;
	v6->sin6_family = AF_INET6;
	return inet_pton(AF_INET6, s->source_moved_to, &v6->sin6_addr) == 1;
}

struct sockaddr_storage leg_upstream(const struct settings *s)
{
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];

	return leg_upstreams(s, all) ? all[0] : s->sources[0];
}

static socklen_t length_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
	                               : sizeof(struct sockaddr_in6);
}

static int bind_to(int fd, int family, const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	int r;

	if (family == AF_INET) {
		(void)inet_pton(AF_INET, text, &v4.sin_addr);
		r = bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	} else {
		(void)inet_pton(AF_INET6, text, &v6.sin6_addr);
		r = bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
	}
	return r < 0 ? -errno : 0;
}

/* from: NULL: our own address. */
static int begin(const struct sockaddr_storage *to, const char *from, int *ret_fd)
{
	int r = 0;

	*ret_fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*ret_fd < 0)
		return -errno;
	if (from)
		r = bind_to(*ret_fd, to->ss_family, from);
	if (r == 0 && connect(*ret_fd, (const struct sockaddr *)to, length_of(to)) < 0)
		r = -errno;
	return r;
}

static void add_flow(struct probing *p, enum service_id service,
	const struct sockaddr_storage *to, const char *from)
{
	struct pollfd *fd = &p->fds[p->n];

	*fd = (struct pollfd){ .fd = -1, .events = POLLOUT };
	p->flows[p->n].service = service;
	p->flows[p->n].code = begin(to, from, &fd->fd);
	if (p->flows[p->n].code != -EINPROGRESS)
		fd_closep(&fd->fd);
	p->n++;
}

static void add_flows(struct probing *p, const struct settings *s,
	const struct sockaddr_storage *to, bool v6)
{
	for (int i = 0; i < SERVICE_COUNT; i++) {
		struct sockaddr_storage there = *to;
		in_port_t port = htons(s->services[i].upstream_port);

		if (!s->services[i].enabled || (to->ss_family == AF_INET6 && !v6))
			continue;
		if (to->ss_family == AF_INET)
			((struct sockaddr_in *)&there)->sin_port = port;
		else
			((struct sockaddr_in6 *)&there)->sin6_port = port;
		add_flow(p, (enum service_id)i, &there, NULL);
		add_flow(p, (enum service_id)i, &there,
			to->ss_family == AF_INET ? tun_foreign.address4
						 : tun_foreign.address6);
	}
}

static int outcome(int fd)
{
	int failed = 0;
	socklen_t size = sizeof(failed);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0 ? -errno
	                                                                : -failed;
}

static void note_own(struct probing *p, size_t i)
{
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof(own);

	if (i % 2 == 0 && !p->own[0] && p->flows[i].code == 0 &&
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
				p->flows[i].code = outcome(p->fds[i].fd);
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
	for (size_t i = 0; i + 1 < p->n; i += 2) {
		enum leg_way *way = &ret->of[p->flows[i].service];

		if (p->flows[i].code != 0)
			continue;
		if (!is_answered(p->flows[i + 1].code))
			*way = LEG_WAY_ELSEWHERE;
		else if (*way == LEG_WAY_UNKNOWN)
			*way = LEG_WAY_WORKS;
	}
}

int leg_probe_run(const struct settings *s, struct leg_probe *ret, struct error *err)
{
	CLEANUP(fd_closep) int tun = -1;
	struct sockaddr_storage all[SETTINGS_SOURCES_MAX];
	size_t n = leg_upstreams(s, all);
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
