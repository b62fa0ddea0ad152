/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_SPOOL_H
#define MAILSTORE_STORE_SPOOL_H
/* Bytes that are being made, of which nobody knows the length yet: in a file of the
   account's folder that has no name and goes with the process. */
#include "base/buf.h"
#include "mailstore/store/store.h"

struct spool {
	int fd; /* -1: none */
	uint64_t len;
	struct buf gathered; /* small pieces */
};

/* Costs nothing until something is written. */
void spool_init(struct spool *s);
int spool_write(
	struct store *store, struct spool *s, struct str bytes, struct error *err);
/* A view of all of it, valid until store_body_release(); the spool is empty again. */
int spool_take(struct spool *s, struct body *ret, struct error *err);
void spool_fini(struct spool *s); /* may be called twice */

#endif
