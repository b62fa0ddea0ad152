/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/kernel_room.h"

#include "base/log.h"
#include "nft-rules/netlink.h"
#include "nft-rules/room.h"

#include <errno.h>

int kernel_room_open(struct kernel_room *r, struct error *err)
{
	int code = netlink_open(NETLINK_NETFILTER, &r->netfilter, err);

	if (code == 0 && room_admitted(r->netfilter, &r->counter) == 0)
		r->is_there = true; /* what was before us is not ours */
	return code;
}

void kernel_room_close(struct kernel_room *r)
{
	netlink_close(&r->netfilter);
}

/* Rules that were made anew count from 0. */
void kernel_room_take(struct kernel_room *r, int code, uint64_t counter)
{
	r->is_there = code == 0;
	if (code == -ENOENT)
		r->counter = 0;
	if (code < 0)
		return;
	r->admitted += counter < r->counter ? counter : counter - r->counter;
	r->counter = counter;
}

void kernel_room_look(struct kernel_room *r)
{
	uint64_t counter = 0;
	int code = room_admitted(r->netfilter, &counter);

	kernel_room_take(r, code, counter);
}

void kernel_room_end(struct kernel_room *r)
{
	struct error err = { 0 };

	if (r->netfilter && room_end(r->netfilter, &err) < 0)
		log_warning(NULL, "room", "error=\"%s\"", err.text);
}
