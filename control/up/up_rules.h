/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UP_UP_RULES_H
#define CONTROL_UP_UP_RULES_H
/*
 * The kernel's rules while `mailferry up` runs, and after it.
 *
 *   begin     an account lives here: in, and refusing, before anything else can fail
 *   leg       from which address we go to the source is found out
 *   open      the interceptor listens: in, and a client's connection is tried
 *   tick      they follow the registry: closed as soon as an account is on its way
 *   (watch)   somebody took them away: back at once, logged, an event for `status`
 *   leave     the service is restarted: they stay as they are
 *   end       nobody lives here: out. Else they stay, and refuse
 *
 * Closed stays closed: once an account lives here, rules go only by `rules remove`.
 */
#include "control/terminal/control.h"
#include "event/loop.h"
#include "nft-rules/ruleset.h"
#include "registry/registry.h"

struct up_rules;

/* settings and registry outlive it. */
int up_rules_new(const struct settings *settings, struct registry *registry,
	struct up_rules **ret_rules, struct error *err);
void up_rules_free(struct up_rules **rules); /* after its loop has ended */

int up_rules_begin(struct up_rules *u, struct error *err);
/* The same for an account that comes between begin and open. */
void up_rules_await(struct up_rules *u);
/* is_resumed: after an upgrade; the source is asked only when what is known of it is not
   enough. Up to a minute. */
int up_rules_find_leg(struct up_rules *u, bool is_resumed, struct error *err);
/* Whether the rules may be opened before that is found out: somebody lives here, or is
   served already. */
bool up_rules_need_no_leg(struct up_rules *u);
/* Watches from then on. */
int up_rules_open(struct up_rules *u, struct loop *loop, struct error *err);
void up_rules_tick(struct up_rules *u);
/* As they are in the kernel; NULL: not yet. Until the next tick. */
const struct ruleset *up_rules_in(const struct up_rules *u);
/* Ends the watch; the rules stay as they are, for the next start. */
void up_rules_leave(struct up_rules *u);
/* Ends the watch, and the rules as above. */
int up_rules_end(struct up_rules *u, struct error *err);

#endif
