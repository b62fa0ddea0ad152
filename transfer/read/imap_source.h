/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_SOURCE_H
#define TRANSFER_IMAP_SOURCE_H
/*
 * The IMAP reader: EXAMINE and BODY.PEEK only, so that nothing at the source changes. A
 * mailbox that opens only by SELECT (which takes \Recent) has to be allowed by the admin.
 *
 * Commands are sent ahead of their answers, over up to `connections` connections, so that
 * neither round trips nor our disk keep the source waiting:
 *
 *   connection 0   EXAMINE a, UID FETCH 1:* (rows), EXAMINE b, UID FETCH 1:* …, then
 * bodies connection 1…  bodies, when there are so many that it pays
 */
#include "transfer/read/source.h"
#include "transfer/read/source_connection.h"

#include <sys/socket.h>

struct imap_source_options {
	const struct sockaddr_storage *addresses; /* with ports; tried in order; copied */
	size_t n_addresses;
	struct str login, password; /* copied, wiped at the end */
	unsigned connections;
	struct source_dialer dialer; /* {0}: by TCP */
	bool allow_select;           /* of what EXAMINE does not open */
};

#define IMAP_SOURCE_ADDRESSES_MAX 16

/* -ENOMEM. ret->ops->free() ends it. */
int imap_source_new(
	const struct imap_source_options *options, struct source *ret, struct error *err);

/* A further connection as the same user, for who changes the mailbox (transfer/back).
   Results as source_ops.connect. */
struct imap_connection;
int imap_source_log_in(
	const struct source *imap, struct imap_connection *ret, struct error *err);

#endif
