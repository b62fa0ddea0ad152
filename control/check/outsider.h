/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_OUTSIDER_H
#define CONTROL_CHECK_OUTSIDER_H
/*
 * A question to a server that is not ours. Commands and `mailferry up` are root, and what
 * it answers may be anything: so a child asks, which is the interceptor's user without
 * its groups, in a sandbox that has sockets and no file.
 */
#include "settings/settings.h"

struct outsider {
	/* Before the sandbox, as who we are, our descriptors being closed. NULL: there is
	   nothing to be opened. */
	int (*prepare)(void *context, struct error *err);
	int (*ask)(void *context, struct error *err);
};

/* Both run in the child; all that is left of it here is what ask() has written to *result
   (plain memory), and what it returned, with the sentence. Somebody else may have written
   it: lengths and ends of texts in it are for the caller to check. -EIO: the child has
   ended otherwise. */
int outsider_ask(const struct settings *s, const struct outsider *o, void *context,
	void *result, size_t size, struct error *err);

#endif
