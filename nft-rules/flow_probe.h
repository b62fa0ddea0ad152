/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_FLOW_PROBE_H
#define NFT_RULES_FLOW_PROBE_H
/*
 * Does a client's SYN reach our listener? Tried, not concluded from the rules of others:
 * a packet comes in by a tun interface of ours, goes through whatever this host does with
 * a client's (NAT, our table, policy routing, INPUT), and its answer must come out there.
 *
 *   198.18.77.70, 2001:2:0:4d46::1 ── tun ──► SYN to each source and port
 *                                  ◄───────── SYN-ACK (then a RST: no session begins)
 *
 * Rules must be in, and the interceptor listen. Whoever is asked by interface names may
 * answer another one than the clients'.
 */
#include "nft-rules/ruleset.h"

#define FLOW_PROBE_MS 2000 /* more than any router needs, with a retransmission */

/* Its addresses, which no admission may turn away. */
#define FLOW_PROBE_CLIENT4 "198.18.77.70"
#define FLOW_PROBE_CLIENT6 "2001:2:0:4d46::1"

/* Who else judges packets of IPv4 (v4), of IPv6 (v6) on their way to a local socket, with
   the cure in that program's own words, where it has some; "" when nobody does. */
#define BLOCKER_TEXT_MAX 4096 /* RULES_ADDRESSES_MAX rich rules, and two chains more */
int flow_probe_blockers(const struct ruleset *r, bool v4, bool v6,
	char text[static BLOCKER_TEXT_MAX], struct error *err);

#define FLOW_PROBE_TEXT_MAX (BLOCKER_TEXT_MAX + 256)

/* 0: all were answered. -EHOSTUNREACH with a sentence, whole in `said` (a command that
   is to be typed may be longer than an error): which port got no answer, whose INPUT
   chain may be why, and the statement that cures it. Another -errno: it could not be
   tried. */
int flow_probe(const struct ruleset *r, char said[static FLOW_PROBE_TEXT_MAX],
	struct error *err);

#endif
