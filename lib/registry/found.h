/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_FOUND_H
#define REGISTRY_FOUND_H
/* What an account has at the source besides its mail, and does not move: shared folders
   that it sees, folders of its own that others see, its quota there. */
#include "registry/registry.h"

/* Far above what the transfer keeps of one; a process that reads the network writes
   it. */
#define FOUND_STATE_MAX ((size_t)128 << 10)

struct found_record {
	uint64_t at;      /* the last look; 0: there was none */
	struct str error; /* why it failed; "" */
	struct str state; /* JSON of the transfer's (account/found.h), of the last look
	                     that did not fail, if any; "" */
};

/* All zero, when it was never looked at. */
int registry_found(struct registry *r, int64_t account, struct arena *arena,
	struct found_record *ret, struct error *err);
/* In the place of what the look before has found. -EMSGSIZE: it is too much. */
int registry_set_found(struct registry *r, int64_t account,
	const struct found_record *record, struct error *err);

#endif
