/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_KEPT_H
#define CONTROL_RUNNING_KEPT_H
/*
 * Sockets that outlive a restart of the service (`systemctl restart`): where clients
 * connect to the interceptor, and the kernel's queues of admission, each with what waits
 * in it. systemd keeps them while no process of ours runs (FileDescriptorStoreMax=).
 *
 *   SIGTERM   the programs that run hand copies over (messages/takeover.h), which go to
 *             systemd, each with a name: "interceptor.imap.0", "admission.queue.19782"
 *   start     taken before anything can fail, and systemd forgets them at once: one that
 *             does not start closes them by its end, and the fail mode holds
 *   programs  the first interceptor and the first admission are handed theirs, take what
 *             fits the settings and close the rest
 *
 * systemd holds nothing while the service runs: the sockets of an interceptor that died
 * would swallow connections that the fail mode is for.
 */
#include "base/error.h"
#include "base/str.h"
#include "control/running/generations.h"
#include "event/channel.h"

#define KEPT_MAX 8192     /* 256 workers with both families of eight services, and more */
#define KEPT_WORD_MAX 31  /* of a name's second part */
#define KEPT_NAME_MAX 255 /* as systemd allows */

struct kept_socket {
	enum up_program program;
	char what[KEPT_WORD_MAX + 1];
	uint32_t number;
	int fd; /* -1: given away */
};

struct kept {
	size_t n;
	struct kept_socket sockets[KEPT_MAX];
};

/* What a name says; false: it is none of ours. */
bool kept_read_name(struct str name, struct kept_socket *ret);

/* What the mailferry before this one left; NULL: nothing. Once, at the very start of the
   process. */
struct kept *kept_take(void);
void kept_free(struct kept *k); /* closes what was not given away; NULL: nothing */
/* Whether one of these programs (bits: 1 << UP_INTERCEPTOR) has anything to leave. */
bool kept_concerns(unsigned programs);
/* Asks these programs (bits: 1 << UP_INTERCEPTOR) for their sockets, and leaves them
   with systemd. What cannot be kept is logged; its clients are refused until the next
   start. */
void kept_leave(const char *run_dir, unsigned programs);

/* Gives each of these programs what is its own, at its next start, by a channel of the
   loop. Frees k, and closes the rest; NULL: nothing. 0 or -errno. */
int kept_hand(struct kept *k, struct loop *loop, struct generations *programs,
	unsigned which, struct channel channels[static UP_PROGRAM_COUNT]);

#endif
