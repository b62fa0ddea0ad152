/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MESSAGES_TAKEOVER_H
#define MESSAGES_TAKEOVER_H
/*
 * One generation of a program follows the other without a gap.
 *
 *   new ──TAKE_OVER──► old        over the old one's own socket, as root
 *       ◄─HANDED(fd)…, TAKEN_OVER─   copies of what it listens on; the old one goes on
 *   (the new one reads its settings, opens what it needs, enters its sandbox)
 *       ──RETIRE──► old           it accepts nothing more, and drops its lock
 *       ◄─…, TAKEN_OVER──         what the new one must know of its sessions
 *   (the new one accepts; the old one ends with its last session)
 *
 * Listening sockets are never closed in between, so nobody who connects is refused; what
 * comes waits in them for the moment. Until RETIRE the new one may fail as it likes. From
 * then on the connection is the old one's master: when it is lost, the old one ends, as
 * workers do without their master. So there is always one that knows of all sessions.
 */
#include "base/error.h"
#include "messages/exchange.h"

#include <sys/types.h>

#define TAKEOVER_DOOR "door"
#define TAKEOVER_MEMORY "memory"
#define TAKEOVER_QUEUE "queue"

/* What the old one says; takes fd (-1: none). 0 or -errno, which ends it. */
typedef int takeover_fn(
	void *context, const struct message *m, int fd, struct error *err);

/* Connects and asks; *ret_last: the last answer's numbers. Returns the connection or
   -errno: -ECONNREFUSED, none runs. */
int takeover_begin(const char *run_dir, const char *socket_name, takeover_fn *handed,
	void *context, struct message *ret_last, struct error *err);
/* RETIRE. told(): each answer but the last one, which is *ret_last's numbers. */
int takeover_retire(int connection, takeover_fn *told, void *context,
	struct message *ret_last, struct error *err);

/* The same of what was sent without a question: the supervisor hands over what it kept
   while nobody listened (control/running/kept.h). The connection stays the caller's. */
int takeover_receive(int connection, takeover_fn *told, void *context,
	struct message *ret_last, struct error *err);

/* What the old one does: HANDED, with that name and number and a copy of fd. As
   message_send(). */
int takeover_hand(struct channel *to, const char *what, uint64_t number, int fd);

/* Whether whoever connected may ask so: root, or, of programs that were not started by
   root, their own user. */
bool takeover_is_allowed(int connection, uid_t started_by);

#endif
