/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NET_PIPES_H
#define NET_PIPES_H
/*
 * Pipes to splice through, lent to the directions that have bytes on the move.
 *
 * 1 MiB each: with the default 64 KiB a gigabyte costs twice the system calls. The kernel
 * gives a user without CAP_SYS_RESOURCE 64 MiB of them (pipe-user-pages-soft), so their
 * number is limited; a direction that gets none copies instead.
 */
#include <stddef.h>

#define PIPE_SIZE 1048576
#define PIPES_MAX 24 /* of one worker: two workers stay below the kernel's limit */

struct pipe_ends {
	int read_end, write_end;
	size_t held; /* bytes inside */
	struct pipe_ends *next;
};

struct pipes {
	struct pipe_ends *idle;
	size_t count;
};

void pipes_init(struct pipes *p);
void pipes_fini(struct pipes *p); /* those that are lent stay with the borrower */

/* NULL: there is none to be had. */
struct pipe_ends *pipes_lend(struct pipes *p);
/* One that still holds bytes is closed: they were somebody's mail. */
void pipes_give_back(struct pipes *p, struct pipe_ends *ends);

#endif
