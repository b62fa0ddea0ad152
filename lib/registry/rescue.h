/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_RESCUE_H
#define REGISTRY_RESCUE_H
/* What is done about a registry that is damaged, lost, or older than the mail folders. */
#include "registry/registry.h"
#include "registry/residence.h"

/* Looks at every page (seconds for a very large one). -EUCLEAN with what is wrong. */
int registry_check(struct registry *r, struct error *err);
/* A copy of this moment at `to`, which is replaced as a whole. The passwords in it are as
   sealed as in the registry. */
int registry_copy(struct registry *r, const char *to, struct error *err);

/* The account's folder says that it was served here from served_at on. It is so again:
   route local, done; with a line in the journal. This is the one change outside the
   table of registry_transition(): only while no program runs. Its addresses and passwords
   are those that the registry knows. `is` NULL: the folder does not prove more; then its
   home is what the registry says, or here, and a new account has its name only. Names
   are not given by it: they may be another's by now (registry_give_name()). */
int registry_adopt(struct registry *r, struct str name, uint64_t served_at,
	const struct residence *is, int64_t *ret_id, struct error *err);

#endif
