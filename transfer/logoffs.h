/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_LOGOFFS_H
#define TRANSFER_LOGOFFS_H
/* Asks the interceptor when the users of parked accounts have logged off, or when all
   their sessions could change sides, and wakes those accounts. */
#include "event/channel.h"
#include "registry/registry.h"
#include "settings/settings.h"
#include "transfer/roster.h"

struct logoffs {
	const struct settings *settings;
	struct roster *roster;
	struct loop *loop;
	struct channel interceptor;
	uint64_t live_at; /* monotonic: the next question about sides */
};

void logoffs_init(struct logoffs *l, const struct settings *settings,
	struct roster *roster, struct loop *loop);
/* Now and then: asks about those that were not asked about; wakes those whose time has
   come, whoever is logged in. */
void logoffs_await(struct logoffs *l);
/* Wakes those that were held and are not any more: nobody reads them unseen now, or a
   copy that waits for its user's password is to be brought up to date. */
void logoffs_release(struct logoffs *l, struct registry *r);
void logoffs_close(struct logoffs *l); /* may be called twice */

#endif
