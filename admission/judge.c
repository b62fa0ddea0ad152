/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/judge.h"

#include "nft-rules/flow_probe.h"
#include "wire/packet.h"

#include <arpa/inet.h>
#include <string.h>

static const char *const names[] = { "divert", "refuse", "leave" };
_Static_assert(sizeof(names) / sizeof(names[0]) == JUDGEMENT_COUNT, "a name for each");

const char *judgement_name(enum judgement judgement)
{
	return names[judgement];
}

/* The SYN by which `up` and `check` try the way: no connection comes of it. */
static bool is_flow_probe(const struct tcp_packet *p)
{
	const char *text = p->version == 4 ? FLOW_PROBE_CLIENT4 : FLOW_PROBE_CLIENT6;
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(p->version == 4 ? AF_INET : AF_INET6, text, address) == 1 &&
	       memcmp(p->from, address, p->version == 4 ? 4 : sizeof(address)) == 0;
}

enum judgement judge_packet(struct judge *j, struct str packet, uint64_t now_ms)
{
	struct tcp_packet p;
	bool readable = tcp_packet_read(packet, &p);
	enum judgement judgement = JUDGE_LEAVE;

	if (readable && !j->is_full)
		judgement = rates_take(j->rates, rates_network(p.version, p.from), now_ms)
		                    ? JUDGE_DIVERT
		                    : JUDGE_REFUSE;
	if (!readable || !is_flow_probe(&p))
		j->counts[judgement]++;
	return judgement;
}

uint32_t judge_mark(const struct judge *j, enum judgement judgement, uint32_t mark)
{
	static const enum mark marks[] = { [JUDGE_DIVERT] = MARK_VERDICT_DIVERT,
		[JUDGE_REFUSE] = MARK_VERDICT_REFUSE,
		[JUDGE_LEAVE] = MARK_NONE };
	enum mark verdict = judgement == JUDGE_DIVERT && j->is_calm
	                            ? MARK_VERDICT_DIVERT_ALL
	                            : marks[judgement];

	return (mark & ~j->marks.mask) | mark_bits(&j->marks, verdict);
}
