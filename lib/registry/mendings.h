/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_MENDINGS_H
#define REGISTRY_MENDINGS_H
/* What came of `account USER --again`: which bodies were lost here, which of them came
   from the source once more, and why others did not. */
#include "registry/registry.h"

struct mending {
	uint64_t at;       /* wall milliseconds, when it was over; 0: there was none */
	uint64_t left;     /* things that are still wrong with the folder */
	struct str result; /* JSON of the transfer's; "" */
};

/* The last one; all zero, when there was none. */
int registry_mending(struct registry *r, int64_t account, struct arena *arena,
	struct mending *ret, struct error *err);
int registry_set_mending(
	struct registry *r, int64_t account, const struct mending *m, struct error *err);

#endif
