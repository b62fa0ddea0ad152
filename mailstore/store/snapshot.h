/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_SNAPSHOT_H
#define MAILSTORE_STORE_SNAPSHOT_H
/*
 * An account as it is at one moment, for commands: read without the lock, while its
 * process goes on. The rows are those of one transaction; the packs that they name are
 * open from the beginning, so that none vanishes meanwhile. Inside mailstore/store only.
 */
#include "mailstore/store/store.h"

struct snapshot_pack {
	uint32_t number;
	int fd; /* -1: there is no such file */
	uint64_t size;
};

struct snapshot {
	const char *folder; /* the caller's */
	struct database *db;
	struct database *now;        /* the index as it is by now; NULL: not asked yet */
	struct snapshot_pack *packs; /* by number */
	size_t n_packs;
};

/* -ENOENT: no such folder. */
int snapshot_open(const char *folder, struct snapshot *s, struct error *err);
void snapshot_close(struct snapshot *s); /* {0} is fine */
/* NULL: no row names it. */
const struct snapshot_pack *snapshot_pack(const struct snapshot *s, uint32_t number);

/* A body, whole: a mapping, or a copy of what is in the index. checksum -1: not compared.
   -EIO with the sentence: it is not there as its row says. -ESTALE: its message is gone
   meanwhile, and a new process of the account has used its place again. */
struct snapshot_body {
	struct str bytes;
	void *map, *copy;
	size_t map_len;
};
int snapshot_body(struct snapshot *s, const struct body_place *place, int64_t checksum,
	struct snapshot_body *ret, struct error *err);
void snapshot_body_release(struct snapshot_body *b);

#endif
