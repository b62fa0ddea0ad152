/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_KERNEL_ROOM_H
#define ADMISSION_KERNEL_ROOM_H
/* What the kernel lets in by itself (nft-rules/room.h), as the admission sees it: whether
   the rules know of that verdict, and how many it was. */
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct kernel_room {
	struct mnl_socket *netfilter; /* opened before the sandbox */
	bool is_there;                /* in the rules, when last looked at */
	uint64_t counter;             /* as the kernel has it */
	uint64_t admitted;            /* in all, since the start */
};

int kernel_room_open(struct kernel_room *r, struct error *err);
void kernel_room_close(struct kernel_room *r);

void kernel_room_look(struct kernel_room *r);
/* What the counter says now; -ENOENT: it is not there, another -errno: nobody knows. */
void kernel_room_take(struct kernel_room *r, int code, uint64_t counter);
/* From now on each comes to the queue. */
void kernel_room_end(struct kernel_room *r);

#endif
