/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_REFETCH_PARTS_H
#define TRANSFER_REFETCH_PARTS_H
/* Between refetch.c and refetch_drop.c. */
#include "transfer/copy/refetch.h"

#define REFETCH_TOGETHER 64 /* a turn on the wire for so many */
#define REFETCH_GONE "it is gone at the source"
#define REFETCH_NOT_WHOLE "it does not come, or not whole"

int refetch_set_why(struct refetch *r, struct refetch_message *m, struct str why);
int refetch_refuse(struct refetch *r, struct refetch_message *m, struct str why);
/* What is queued. */
int refetch_work(struct refetch *r);

/* Without UIDs: what the maildrop shows, which of it is asked for, and what comes. */
int refetch_drop_row(struct refetch *r, const struct mail *m);
int refetch_drop_listed(struct refetch *r);
/* Its bytes are all of the file. */
int refetch_drop_message(struct refetch *r, const struct mail *m, int fd);
int refetch_drop_fetched(
	struct refetch *r, const struct wanted *first, size_t n, struct str text);
int refetch_drop_run(struct refetch *r);

#endif
