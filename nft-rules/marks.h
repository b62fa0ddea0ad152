/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_MARKS_H
#define NFT_RULES_MARKS_H
/*
 * The firewall marks that mailferry puts on packets and (SO_MARK) on its sockets.
 *
 * Three high bits are ours, the rest of a mark is 0: VPNs, multi-WAN and containers use
 * low and middle ones, and a rule of theirs (fwmark 0x2/0xff) must not take our sockets'
 * packets for its own. Only MARK_DIVERT is known to policy routing (packets that carry
 * it go to `lo`), and MARK_REFUSED to its wall; the others are for counting and route
 * like 0.
 *
 *   listener ──accept──► socket ──login──► route known
 *   MARK_LISTENER        MARK_UNDECIDED    MARK_SOURCE | MARK_LOCAL | MARK_BUSY
 *
 * The listener's mark is what an accepted socket is born with, and it is not counted by
 * the established-flow rule: a SYN that finds only the listener must reach `tproxy`.
 * Without a mark on the listener, net.ipv4.tcp_fwmark_accept=1 would give MARK_DIVERT to
 * the accepted socket, and its answers would be routed to `lo`.
 *
 * A new flow's SYN is judged in one chain and treated in the next (wanted.c). In between
 * it carries its verdict: that what becomes of it; none (0) when nobody judged. A packet
 * of a flow that goes past us carries MARK_REFUSED, too, when there is a wall: the
 * forward chain knows the connection by CT_MARK_DIRECT, which is in the conntrack mark
 * for as long as it lives. That bit is none of MARK_MASK: others copy a connection's mark
 * to its packets and back.
 *
 * Upstream sockets (bound to the client's address) need no mark.
 */
#define MARK_MASK 0x70000000U
#define CT_MARK_DIRECT 0x08000000U

enum mark {
	MARK_DIVERT = 0x10000000, /* on packets: deliver here, to a transparent socket */
	MARK_LISTENER = 0x20000000,  /* on listening sockets */
	MARK_UNDECIDED = 0x30000000, /* accepted, not logged in yet */
	MARK_SOURCE = 0x40000000,    /* relayed to the source */
	MARK_BUSY = 0x50000000,      /* held or refused while the account switches */
	MARK_LOCAL = 0x60000000,     /* served by the mailstore */
	MARK_REFUSED = 0x70000000, /* on packets: seen, nobody listens: the forward chain
	                              resets it. The wall is for what it has not seen */
	/* on SYNs between two chains */
	MARK_VERDICT_DIVERT = MARK_UNDECIDED,
	MARK_VERDICT_DIRECT = MARK_SOURCE,
	MARK_VERDICT_REFUSE = MARK_REFUSED,
};

#endif
