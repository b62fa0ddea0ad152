/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_HERE_H
#define REGISTRY_HERE_H
/* Accounts as the admin keeps them: made here, barred and let in again. Each change is a
   line in the journal, in the same transaction. */
#include "registry/registry.h"

/* What an account of that login would be called (its address without the only domain
   would lead to it, too). -EINVAL: it is no name of an account. */
int registry_name_of(
	struct registry *r, struct str login, char ret[static 256], struct error *err);
/* A new account that lives here and never was at the source: route local, done. It has no
   password yet. -EEXIST: a login of that name leads to an account already. -EINVAL: it is
   no name of an account. */
int registry_add_here(
	struct registry *r, struct str name, int64_t *ret_id, struct error *err);

/* Nobody may log in to it, by no password: the vault says no (vault/judge.c). Mail for it
   is taken. -EPERM unless it lives here: the source lets in whom it wants. */
int registry_set_disabled(
	struct registry *r, int64_t id, bool disabled, struct error *err);

/* All that is kept of it, with the aliases that lead to it: nobody of that name is known
   any more. -EPERM while the source could bring it back: it was not made here, and the
   source is not retired. The mail folder is the caller's business, before. */
int registry_may_remove(struct registry *r, const struct account *a, struct error *err);
int registry_remove_here(struct registry *r, int64_t id, struct error *err);

#endif
