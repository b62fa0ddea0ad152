/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/flow_probe.h"
#include "nft-rules/tun.h"

#include "base/clock.h"
#include "base/fd.h"
#include "settings/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLOWS_MAX ((size_t)RULES_ADDRESSES_MAX * RULES_SERVICES_MAX)
/* Of the client, one for each SYN: an answer names its flow. */
#define FIRST_PORT 40000
/* The first may meet an address that is not resolved yet. The second has ports of its
   own: a connection stays where its first SYN went. */
#define ROUNDS 2
#define PACKET_MAX 2048

struct packet {
	union {
		struct iphdr v4;
		struct ip6_hdr v6;
	} ip;
	struct tcphdr tcp;
};

struct flow {
	const struct sockaddr_storage *source;
	const struct rules_service *service;
	bool is_answered;
};

struct probe {
	struct flow flows[FLOWS_MAX];
	size_t n, answered;
	int tun;
};

/* ---- packets ---- */

static uint32_t add_words(uint32_t sum, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void set_checksum(struct tcphdr *tcp, const void *addresses, size_t len)
{
	uint32_t sum = add_words(0, addresses, len);

	sum += IPPROTO_TCP + sizeof(*tcp);
	tcp->check = 0;
	tcp->check = fold(add_words(sum, tcp, sizeof(*tcp)));
}

static void fill_v4(struct iphdr *ip, const struct sockaddr_storage *to)
{
	*ip = (struct iphdr){ .version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.tot_len = htons(sizeof(struct iphdr) + sizeof(struct tcphdr)) };
	(void)inet_pton(AF_INET, FLOW_PROBE_CLIENT4, &ip->saddr);
	ip->daddr = ((const struct sockaddr_in *)to)->sin_addr.s_addr;
	ip->check = fold(add_words(0, ip, sizeof(*ip)));
}

static void fill_v6(struct ip6_hdr *ip, const struct sockaddr_storage *to)
{
	memset(ip, 0, sizeof(*ip));
	ip->ip6_vfc = 6 << 4;
	ip->ip6_plen = htons(sizeof(struct tcphdr));
	ip->ip6_nxt = IPPROTO_TCP;
	ip->ip6_hlim = 64;
	(void)inet_pton(AF_INET6, FLOW_PROBE_CLIENT6, &ip->ip6_src);
	ip->ip6_dst = ((const struct sockaddr_in6 *)to)->sin6_addr;
}

/* number: of a flow in the first round; p->n more in the next. */
static int send_tcp(struct probe *p, size_t number, struct tcphdr tcp)
{
	const struct flow *flow = &p->flows[number % p->n];
	bool v6 = flow->source->ss_family == AF_INET6;
	size_t head = v6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	struct packet packet;
	uint8_t bytes[sizeof(packet)];

	tcp.source = htons((uint16_t)(FIRST_PORT + number));
	tcp.dest = htons(flow->service->port);
	tcp.doff = sizeof(tcp) / 4;
	tcp.window = htons(64240);
	if (v6) {
		fill_v6(&packet.ip.v6, flow->source);
		set_checksum(&tcp, &packet.ip.v6.ip6_src, 2 * sizeof(struct in6_addr));
	} else {
		fill_v4(&packet.ip.v4, flow->source);
		set_checksum(&tcp, &packet.ip.v4.saddr, 2 * sizeof(struct in_addr));
	}
	memcpy(bytes, &packet.ip, head);
	memcpy(bytes + head, &tcp, sizeof(tcp));
	return write(p->tun, bytes, head + sizeof(tcp)) < 0 ? -errno : 0;
}

static size_t header_length(const uint8_t *bytes, size_t len)
{
	if (len >= sizeof(struct iphdr) && bytes[0] >> 4 == 4 && bytes[9] == IPPROTO_TCP)
		return (size_t)(bytes[0] & 15) * 4;
	if (len >= sizeof(struct ip6_hdr) && bytes[0] >> 4 == 6 &&
		bytes[6] == IPPROTO_TCP)
		return sizeof(struct ip6_hdr);
	return len;
}

/* A SYN-ACK that belongs to a flow is ended with a RST, so that nobody accepts it. */
static void take(struct probe *p, const uint8_t *bytes, size_t len)
{
	size_t head = header_length(bytes, len), number;
	struct tcphdr tcp;
	struct flow *flow;

	if (len < head + sizeof(tcp))
		return;
	memcpy(&tcp, bytes + head, sizeof(tcp));
	if (ntohs(tcp.dest) < FIRST_PORT || !tcp.syn || !tcp.ack)
		return;
	number = (size_t)ntohs(tcp.dest) - FIRST_PORT;
	if (number >= ROUNDS * p->n)
		return;
	flow = &p->flows[number % p->n];
	p->answered += !flow->is_answered;
	flow->is_answered = true;
	(void)send_tcp(p, number, (struct tcphdr){ .rst = 1, .seq = tcp.ack_seq });
}

/* ---- the flows ---- */

static void listen_for(struct probe *p, unsigned ms)
{
	uint64_t end = clock_monotonic_ms() + ms, now;
	uint8_t bytes[PACKET_MAX];

	while (p->answered < p->n && (now = clock_monotonic_ms()) < end) {
		struct pollfd fd = { .fd = p->tun, .events = POLLIN };
		ssize_t n = 0;

		if (poll(&fd, 1, (int)(end - now)) > 0)
			n = read(p->tun, bytes, sizeof(bytes));
		if (n > 0)
			take(p, bytes, (size_t)n);
	}
}

static int try_all(struct probe *p)
{
	for (size_t round = 0; round < ROUNDS && p->answered < p->n; round++) {
		for (size_t i = 0; i < p->n; i++) {
			int code = p->flows[i].is_answered
			                   ? 0
			                   : send_tcp(p, round * p->n + i,
						     (struct tcphdr){
							     .syn = 1, .seq = htonl(1) });

			if (code < 0)
				return code;
		}
		listen_for(p, FLOW_PROBE_MS / ROUNDS);
	}
	return 0;
}

static void add_flows(struct probe *p, const struct ruleset *r, bool v6)
{
	for (size_t s = 0; s < r->n_sources; s++)
		for (size_t i = 0;
			i < r->n_services && (v6 || r->sources[s].ss_family == AF_INET);
			i++)
			p->flows[p->n++] = (struct flow){ .source = &r->sources[s],
				.service = &r->services[i] };
}

static int say_unanswered(const struct probe *p, const struct ruleset *r,
	char said[static FLOW_PROBE_TEXT_MAX], struct error *err)
{
	char blockers[BLOCKER_TEXT_MAX] = "", address[ADDRESS_TEXT_MAX];
	const struct flow *flow = p->flows;
	bool v4 = false, v6 = false;

	for (size_t i = 0; i < p->n; i++) {
		bool lost = !p->flows[i].is_answered;

		v4 = v4 || (lost && p->flows[i].source->ss_family == AF_INET);
		v6 = v6 || (lost && p->flows[i].source->ss_family == AF_INET6);
	}
	while (flow->is_answered)
		flow++;
	address_text(flow->source, address);
	(void)flow_probe_blockers(r, v4, v6, blockers, NULL);
	(void)snprintf(said, FLOW_PROBE_TEXT_MAX,
		"a client's connection to %s port %u does not reach us (%zu of %zu were "
		"answered): %s",
		address, flow->service->port, p->answered, p->n,
		blockers[0] ? blockers
			    : "nobody filters INPUT, so routing takes it away; see `ip "
			      "rule` and `nft list ruleset`");
	return error_set(err, -EHOSTUNREACH, "%s", said);
}

int flow_probe(
	const struct ruleset *r, char said[static FLOW_PROBE_TEXT_MAX], struct error *err)
{
	CLEANUP(fd_closep) int tun = -1;
	struct probe p = { 0 };
	bool v6 = false;
	int code = tun_open(&tun_client, &tun, &v6, err);

	if (code < 0)
		return code;
	p.tun = tun;
	add_flows(&p, r, v6);
	code = try_all(&p);
	if (code < 0)
		return error_errno(err, code, "sending a probe");
	return p.answered == p.n ? 0 : say_unanswered(&p, r, said, err);
}
