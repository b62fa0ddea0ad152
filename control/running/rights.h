/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_RIGHTS_H
#define CONTROL_RUNNING_RIGHTS_H
/* Which capabilities the programs need, and whether this process could give them. */
#include "base/error.h"

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct right {
	int capability;
	const char *name;
	const char *what_for;
};
extern const struct right rights[];
extern const size_t right_count;

/* Sets of them are bits. */
#define RIGHT(name) (UINT64_C(1) << CAP_##name)
/* Each program becomes a user of its own. */
#define RIGHTS_OF_ANY (RIGHT(SETUID) | RIGHT(SETGID))
#define RIGHTS_OF_FILES (RIGHT(CHOWN) | RIGHT(FOWNER) | RIGHT(DAC_OVERRIDE))

bool right_is_there(const struct right *r);

/* Those of the set, or -EPERM with the sentence. */
int rights_require(uint64_t wanted, struct error *err);
/* CAP_NET_ADMIN alone: for the kernel's side. */
int rights_require_network(struct error *err);

#endif
