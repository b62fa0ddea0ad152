/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/judge.h"

#include "nft-rules/marks.h"
#include "wire/packet.h"

static const char *const names[] = { "divert", "refuse", "leave" };
_Static_assert(sizeof(names) / sizeof(names[0]) == JUDGEMENT_COUNT, "a name for each");

const char *judgement_name(enum judgement judgement)
{
	return names[judgement];
}

static enum judgement judge(struct judge *j, struct str packet, uint64_t now_ms)
{
	struct tcp_packet p;

	if (j->is_full || !tcp_packet_read(packet, &p))
		return JUDGE_LEAVE;
	return rates_take(j->rates, rates_network(p.version, p.from), now_ms)
	               ? JUDGE_DIVERT
	               : JUDGE_REFUSE;
}

enum judgement judge_packet(struct judge *j, struct str packet, uint64_t now_ms)
{
	enum judgement judgement = judge(j, packet, now_ms);

	j->counts[judgement]++;
	return judgement;
}

uint32_t judge_mark(enum judgement judgement, uint32_t mark)
{
	static const uint32_t marks[] = { [JUDGE_DIVERT] = MARK_VERDICT_DIVERT,
		[JUDGE_REFUSE] = MARK_VERDICT_REFUSE,
		[JUDGE_LEAVE] = 0 };

	return (mark & ~MARK_MASK) | marks[judgement];
}
