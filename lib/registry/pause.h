/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_PAUSE_H
#define REGISTRY_PAUSE_H
/*
 * The admin has stopped all transfers for a while: the fact "paused".
 *
 * No move and no sweep begins; one that runs ends at its next second, with all that is
 * here kept, unless its account is busy: nobody would be let in meanwhile, so the switch
 * is finished. The way back is not a transfer in this sense.
 */
#include "registry/registry.h"

/* since: wall milliseconds, 0: they go on. */
int registry_paused(struct registry *r, uint64_t *ret_since, struct error *err);
/* Fine when it is so already, and then changes nothing. */
int registry_set_paused(struct registry *r, bool paused, struct error *err);

#endif
