/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_JUDGE_H
#define ADMISSION_JUDGE_H
/*
 * What becomes of a new connection that no prefix has decided (nft-rules).
 *
 *   the packet cannot be read     leave
 *   we have no room (load.h)      leave
 *   its network begins too many   refuse
 *   else                          divert
 *
 * "Leave" is no verdict: the kernel's rules then do what the fail mode says, at once. So
 * nobody waits for a service that cannot serve, and who lives here does not get past us.
 *
 * While it is calm (load.h) "divert" holds for those who come in the next two seconds,
 * too (nft-rules/room.h): they do not come here, but for those of busy networks.
 */
#include "admission/rates.h"
#include "base/str.h"
#include "nft-rules/marks.h"

enum judgement { JUDGE_DIVERT, JUDGE_REFUSE, JUDGE_LEAVE, JUDGEMENT_COUNT };

struct judge {
	struct rates *rates;
	struct marks marks;
	bool is_full; /* as load.h last saw it */
	bool is_calm; /* the kernel may let the next ones in by itself (room.h) */
	uint64_t counts[JUDGEMENT_COUNT]; /* since the start; no flow probes */
};

enum judgement judge_packet(struct judge *j, struct str packet, uint64_t now_ms);

/* The packet's mark as the rules read it; others' bits stay. */
uint32_t judge_mark(const struct judge *j, enum judgement judgement, uint32_t mark);

const char *judgement_name(enum judgement judgement);

#endif
