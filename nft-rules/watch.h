/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_WATCH_H
#define NFT_RULES_WATCH_H
/*
 * Notices at once when somebody changes our table, our ip rules or our routes: `nft flush
 * ruleset`, a restart of nftables.service or firewalld, `ip rule del`. What changed is
 * not told: rules_install() finds out, and does nothing when all is as wanted. Our own
 * changes are noticed, too, but for the room's end (room.h).
 */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rules_watch;

#define RULES_WATCH_FDS 2

/* In the network namespace of the calling thread. 0 or -errno with the sentence. */
int rules_watch_new(
	uint32_t route_table, struct rules_watch **ret_watch, struct error *err);
void rules_watch_free(struct rules_watch **watch); /* NULL is fine */

/* Readable when there is something to read; the watch's own. */
void rules_watch_fds(
	const struct rules_watch *watch, int ret_fds[static RULES_WATCH_FDS]);

/* Reads what is there. true: something of ours changed, or too much came to be read. */
bool rules_watch_read(struct rules_watch *watch);

/* Whether a message of that bus (NETLINK_NETFILTER, NETLINK_ROUTE) is about something of
   ours; `bytes` is what one recv(2) brought. Any bytes are fine. */
bool rules_watch_concerns(int bus, uint32_t route_table, const void *bytes, size_t len);

#endif
