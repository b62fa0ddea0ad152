/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SPOOL_H
#define TRANSFER_SPOOL_H
/*
 * One message whose length is not known before its end (POP3): its beginning in memory,
 * the rest of a long one in a nameless file.
 */
#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

#define SPOOL_MEMORY ((size_t)1 << 20) /* hardly any mail is longer */

struct spool {
	const char *folder; /* where the file may be; the caller's */
	struct buf memory;
	int file;     /* -1: not needed so far */
	uint64_t len; /* of all */
};

void spool_init(struct spool *s, const char *folder);
void spool_fini(struct spool *s);
int spool_clear(struct spool *s, struct error *err);
int spool_put(struct spool *s, struct str bytes, struct error *err);
/* The first SPOOL_MEMORY bytes. */
struct str spool_head(const struct spool *s);

/* All of it in pieces. 0, -errno, or what the callback returned. */
typedef int spool_each_fn(void *context, struct str bytes);
int spool_each(struct spool *s, spool_each_fn *each, void *context, struct error *err);

#endif
