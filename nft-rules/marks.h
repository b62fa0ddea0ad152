/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_MARKS_H
#define NFT_RULES_MARKS_H
/*
 * The firewall marks that mailferry puts on packets and (SO_MARK) on its sockets.
 *
 * Four bits are ours, those of `mark_mask`: high ones, if the admin does not choose
 * others, because VPNs, multi-WAN and containers use low and middle ones, and a rule of
 * theirs (fwmark 0x2/0xff) must not take our sockets' packets for its own. The rest of a
 * mark is theirs: it is neither looked at nor changed. Only MARK_DIVERT is known to
 * policy routing (packets that carry it go to `lo`), and MARK_REFUSED to its wall; the
 * others are for counting and route like MARK_NONE.
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
 * forward chain knows the connection by the direct bit, which is in the conntrack mark
 * for as long as it lives. That bit is on no packet: others copy a connection's mark to
 * its packets and back.
 *
 * Upstream sockets (bound to the client's address) need no mark.
 */
#include <stdint.h>

/* Numbers: mark_bits() says where they lie. */
enum mark {
	MARK_NONE,
	MARK_DIVERT,    /* on packets: deliver here, to a transparent socket */
	MARK_LISTENER,  /* on listening sockets */
	MARK_UNDECIDED, /* accepted, not logged in yet */
	MARK_SOURCE,    /* relayed to the source */
	MARK_BUSY,      /* held or refused while the account switches */
	MARK_LOCAL,     /* served by the mailstore */
	MARK_REFUSED,   /* on packets: seen, nobody listens: the forward chain resets it.
	                   The wall is for what it has not seen */
	/* on SYNs between two chains */
	MARK_VERDICT_DIVERT = MARK_UNDECIDED,
	MARK_VERDICT_DIVERT_ALL = MARK_BUSY, /* and so those that come next (room.h) */
	MARK_VERDICT_DIRECT = MARK_SOURCE,
	MARK_VERDICT_REFUSE = MARK_REFUSED,
};

/* Which bits they are. */
struct marks {
	uint32_t mask;   /* of packets and sockets */
	uint32_t divert; /* MARK_DIVERT: `mark` */
	uint32_t direct; /* of a connection: it goes to the source, for ever */
};

/* The number's bits at the places of the mask's. */
static inline uint32_t marks_place(uint32_t mask, uint32_t number)
{
	uint32_t bits = 0;

	for (; mask; mask &= mask - 1, number >>= 1)
		if (number & 1)
			bits |= mask & -mask;
	return bits;
}

/* mark_mask's lowest bit is for connections; mark: in the other three, as the settings
   have it. */
static inline struct marks marks_of(uint32_t mark_mask, uint32_t mark)
{
	uint32_t mask = mark_mask & (mark_mask - 1);

	return (struct marks){ mask, mark, mark_mask & ~mask };
}

/* What has the place of `mark`, when that is not the first one, gets the first one. */
static inline uint32_t mark_bits(const struct marks *m, enum mark mark)
{
	uint32_t bits = marks_place(m->mask, mark);

	if (mark == MARK_DIVERT)
		return m->divert;
	return bits && bits == m->divert ? marks_place(m->mask, MARK_DIVERT) : bits;
}

#endif
