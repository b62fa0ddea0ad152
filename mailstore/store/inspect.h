/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_INSPECT_H
#define MAILSTORE_STORE_INSPECT_H
/*
 * Is an account's folder sound? Looked at while its process goes on, as it is at one
 * moment; repaired under its lock. All that is wrong is named, not the first thing alone.
 */
#include "mailstore/store/store.h"

struct store_finding {
	const char *kind; /* "lost": a body is not there, "index", "counters", "uidnext",
	                       "modseq", "expunged", "reference", "header", "unused" */
	struct str mailbox; /* of "lost"; "": of a message that is not delivered yet */
	uint32_t uid;       /* of "lost" */
	int64_t mailbox_id; /* likewise; 0: as above */
	uint32_t pack;      /* likewise: the same place is the same body */
	uint64_t offset;
	struct str text;
	bool is_repaired;
};
typedef int store_finding_fn(void *context, const struct store_finding *f);

struct store_inspected {
	uint64_t messages, bytes; /* whose bodies were read */
	uint64_t found, repaired, lost;
	uint64_t unused; /* room that nobody needs; no damage */
};

/* repair: counters, UIDNEXT, modseqs and SQLite's own indexes are made right by what the
   rows say, and room that nobody needs is given back. A row whose body is lost stays: the
   pack may come back from a backup. -EBUSY: the folder is in use (with repair only). */
int store_inspect(const char *folder, bool repair, store_finding_fn *each, void *context,
	struct store_inspected *ret, struct error *err);

#endif
