/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SYNs at a steady rate, each of another connection, and how long until each is answered.
 *
 *   bench_syn FIRST_ADDRESS ADDRESSES TARGET PORT RATE SECONDS
 *
 * Sent by a raw socket from as many addresses of this host as it says; the answers are
 * timed by the kernel as they come in, and ended by its own reset: nobody has a socket
 * for them. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PORTS 60000u
#define FIRST_PORT 2000u
#define NOT_ANSWERED UINT64_MAX
#define RECEIVE_BYTES (64 << 20)

struct syn {
	uint64_t sent_at, took; /* ns */
};

static struct {
	int fd;
	uint32_t first, addresses; /* host order */
	struct sockaddr_in to;
	struct syn *syns; /* by number: address and port follow from it */
	size_t n, sent, answered;
} b;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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

static void send_syn(size_t i)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} p = { .ip = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.tot_len = htons(sizeof(p)),
			.saddr = htonl(b.first + (uint32_t)(i / PORTS) % b.addresses),
			.daddr = b.to.sin_addr.s_addr },
		.tcp = { .source = htons((uint16_t)(FIRST_PORT + i % PORTS)),
			.dest = b.to.sin_port,
			.seq = htonl((uint32_t)i),
			.doff = 5,
			.syn = 1,
			.window = htons(64240) } };
	uint32_t sum = add_words(0, &p.ip.saddr, 8) + IPPROTO_TCP + sizeof(p.tcp);

	p.tcp.check = fold(add_words(sum, &p.tcp, sizeof(p.tcp)));
	b.syns[i].sent_at = now_ns();
	b.syns[i].took = NOT_ANSWERED;
	if (sendto(b.fd, &p, sizeof(p), 0, (const struct sockaddr *)&b.to, sizeof(b.to)) <
			0 &&
		errno != ENOBUFS)
		die("send");
}

static uint64_t arrival(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec t;

			memcpy(&t, CMSG_DATA(c), sizeof(t));
			return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
		}
	return now_ns();
}

static void take(const uint8_t *bytes, size_t len, uint64_t at)
{
	struct tcphdr tcp;
	size_t head = len ? (size_t)(bytes[0] & 15) * 4 : 0, i;

	if (len < head + sizeof(tcp))
		return;
	memcpy(&tcp, bytes + head, sizeof(tcp));
	i = ntohl(tcp.ack_seq) - 1;
	if (!tcp.syn || !tcp.ack || tcp.source != b.to.sin_port || i >= b.sent ||
		b.syns[i].took != NOT_ANSWERED)
		return;
	b.syns[i].took = at > b.syns[i].sent_at ? at - b.syns[i].sent_at : 0;
	b.answered++;
}

static bool receive_one(void)
{
	uint8_t bytes[2048], control[256];
	struct iovec v = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(b.fd, &m, MSG_DONTWAIT);

	if (n > 0)
		take(bytes, (size_t)n, arrival(&m));
	return n > 0;
}

static void receive_until(uint64_t end)
{
	for (uint64_t now = now_ns(); now < end; now = now_ns()) {
		struct pollfd fd = { .fd = b.fd, .events = POLLIN };
		struct timespec left = { .tv_nsec = (long)((end - now) % 1000000000u),
			.tv_sec = (time_t)((end - now) / 1000000000u) };

		if (ppoll(&fd, 1, &left, NULL) > 0)
			while (receive_one() && now_ns() < end)
				;
	}
}

static int compare(const void *x, const void *y)
{
	const struct syn *p = x, *q = y;

	return p->took < q->took ? -1 : p->took > q->took;
}

static double percentile(double part)
{
	return b.answered
	               ? (double)b.syns[(size_t)((double)(b.answered - 1) * part)].took /
	                         1e3
	               : 0;
}

static void open_socket(void)
{
	int on = 1, size = RECEIVE_BYTES;

	b.fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	if (b.fd < 0 || setsockopt(b.fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on)) < 0 ||
		setsockopt(b.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
		die("raw socket");
	(void)setsockopt(b.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(b.fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
}

int main(int argc, char **argv)
{
	struct in_addr first;
	uint64_t began;
	double rate, took;

	if (argc != 7 || inet_pton(AF_INET, argv[1], &first) != 1 ||
		inet_pton(AF_INET, argv[3], &b.to.sin_addr) != 1)
		return 2;
	b.to.sin_family = AF_INET;
	b.to.sin_port = htons((uint16_t)atoi(argv[4]));
	b.first = ntohl(first.s_addr);
	b.addresses = (uint32_t)atoi(argv[2]);
	rate = atof(argv[5]);
	b.n = (size_t)(rate * atof(argv[6]));
	b.syns = calloc(b.n ? b.n : 1, sizeof(*b.syns));
	if (!b.syns)
		die("memory");
	open_socket();
	began = now_ns();
	while (b.sent < b.n) {
		uint64_t due = began + (uint64_t)((double)b.sent * 1e9 / rate);

		if (now_ns() < due)
			receive_until(due);
		send_syn(b.sent);
		b.sent++;
	}
	took = (double)(now_ns() - began) / 1e9;
	receive_until(now_ns() + 300000000u);
	qsort(b.syns, b.n, sizeof(*b.syns), compare);
	(void)printf("{\"sent\": %zu, \"answered\": %zu, \"rate\": %.0f, \"p50\": %.1f, "
		     "\"p90\": %.1f, \"p99\": %.1f}\n",
		b.sent, b.answered, (double)b.sent / took, percentile(.5), percentile(.9),
		percentile(.99));
	free(b.syns);
	return 0;
}
