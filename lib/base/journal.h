/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H
/*
 * systemd's journal: an entry is a datagram of lines FIELD=value (systemd's "Native Journal
 * Protocol"; values here hold no control characters, so that its binary form is not
 * needed). Forty lines instead of libsystemd: that one would bring four libraries for
 * compression and encryption into each process that reads bytes from outside.
 */
#include "base/str.h"

#include <stdbool.h>

/* A socket to the journal, to be opened before a process gives up its rights; -errno: it
   is not there. */
int journal_open(void);

/* Whether stderr leads there already (systemd says so in JOURNAL_STREAM). */
bool journal_is_stderr(void);

struct journal_entry {
	int priority; /* as syslog(3) counts: 3 is an error, 7 debugging */
	const char *program, *session, *event; /* session: NULL for none */
	struct str text; /* key=value …: account, client and service become fields, too */
};

/* Never waits. False: it was not taken. */
bool journal_put(int fd, const struct journal_entry *e);

#endif
