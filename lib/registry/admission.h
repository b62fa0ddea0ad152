/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_ADMISSION_H
#define REGISTRY_ADMISSION_H
/* Who is intercepted, by client prefix: the admin's words, which become rules of the
   kernel (nft-rules/ruleset.h). What a prefix, a service and a verdict are is not known
   here. */
#include "registry/registry.h"

struct admission {
	struct str prefix, service, verdict; /* service "": all */
	uint64_t at;
};

/* Replaces what is there for that prefix and service. */
int registry_admit(struct registry *r, struct str prefix, struct str service,
	struct str verdict, struct error *err);
/* -ENOENT: there is none. */
int registry_forget_admission(
	struct registry *r, struct str prefix, struct str service, struct error *err);

/* In the order in which they were said. May not change the registry. */
typedef int admission_each_fn(void *context, const struct admission *a);
int registry_each_admission(
	struct registry *r, admission_each_fn *each, void *context, struct error *err);

/* Another number when any of them has changed. */
int registry_admissions_stamp(struct registry *r, uint64_t *ret, struct error *err);

#endif
