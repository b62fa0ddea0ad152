/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_UID_SET_H
#define TRANSFER_UID_SET_H
/* The UIDs of a folder, as ranges: a mailbox that nothing was deleted from is one. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uid_span {
	uint32_t first, last;
};

struct uid_set {
	struct uid_span *at; /* ascending, and never next to each other */
	size_t count, cap;
	uint64_t n; /* UIDs */
};

void uid_set_fini(struct uid_set *s); /* empty again; may be called twice */
/* -ENOMEM; -ERANGE: not above what is there, or no range. */
int uid_set_add(struct uid_set *s, uint32_t first, uint32_t last);
bool uid_set_has(const struct uid_set *s, uint32_t uid);
bool uid_set_is_equal(const struct uid_set *a, const struct uid_set *b);

/* The first UID from `from` on that is in a and not in b; 0: none. */
uint32_t uid_set_next_missing(
	const struct uid_set *a, const struct uid_set *b, uint32_t from);

#endif
