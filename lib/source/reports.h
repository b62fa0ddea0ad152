/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SOURCE_REPORTS_H
#define SOURCE_REPORTS_H
/*
 * Delivery reports that wait for the smart host: a folder of the interceptor's user in
 * state_dir, a file for each. Its first line is for whom it is, the rest is the message.
 *
 *   a worker       makes a file without a name, syncs it, gives it its name
 *   the runner     sends it, and removes it          (one in all generations: a lock)
 *
 * A file that has a name is complete, and its delivery is done: the worker calls
 * reports_add() behind the delivery and before the client's 250. A worker that is killed
 * before the name was given leaves nothing behind; the client has no 250, sends the
 * message again, and that one is reported. Killed behind it, the report is here. So the
 * start has nothing to decide. A runner that is killed between the smart host's 250 and
 * the removal sends it once more, with the same Message-ID.
 */
#include "base/buf.h"
#include "settings/settings.h"

/* Anybody can name any sender. So one address, and one client's network, has at most as
   many as there are places left: one that floods stops at a half, two at a third each,
   and however many they are, as much is left for the others. */
#define REPORTS_MAX 1000 /* each is two syncs of the disk; then there are none */
#define REPORTS_BYTES_MAX (64 << 20) /* of all of them */
#define REPORT_MAX 1048576 /* of one: 100 recipients and a header take less than 400 KB */
#define REPORT_NAME_MAX 80

struct reports_view {
	unsigned n;
	uint64_t bytes, oldest_at; /* wall-clock ms; 0: there is none */
};

/* -ENOENT: there is no folder yet. */
int reports_look(const struct settings *s, struct reports_view *ret);

struct report {
	const char *id; /* nobody else's, a file name without a '-' */
	struct str recipient, message;
	uint64_t network; /* of the client that has asked for it; 0: not known */
};
/* Durable when it returns 0. -EDQUOT: there are REPORTS_MAX or REPORTS_BYTES_MAX, or that
   recipient or network has as much as is left. -ENOSPC: the disk's reserve. */
int reports_add(const struct settings *s, const struct report *report);

/* 0, or why no report can be written in that folder: -EOPNOTSUPP, its file system knows
   no files without a name. Nothing is left there. */
int reports_try(const char *folder);

/* For the runner. The lock is the descriptor's; it waits for another one's. */
int reports_lock(const struct settings *s, int *ret_fd);
struct report_name {
	char text[REPORT_NAME_MAX];
};
/* The oldest first; *ret: the caller's to free. The number, or -errno. */
int reports_list(const struct settings *s, struct report_name **ret);
/* When it was written, wall-clock ms. */
uint64_t report_at(const struct report_name *name);
/* The same number for all reports to one address, whatever its case; 0: not known. */
uint64_t report_to(const struct report_name *name);
/* Views into `file`. -EBADMSG: nothing of ours. */
int reports_read(const struct settings *s, const struct report_name *name,
	struct buf *file, struct str *ret_recipient, struct str *ret_message);
int reports_remove(const struct settings *s, const struct report_name *name);

#endif
