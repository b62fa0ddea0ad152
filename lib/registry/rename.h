/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_RENAME_H
#define REGISTRY_RENAME_H
/*
 * Another name for an account that lives here, in one transaction.
 *
 *   account.name        the new one: what is listed, and what passwords are bound to
 *   name                the old ones stay: logins and mail by them reach the account as
 *                       before. No device is locked out, and the source, which may know
 *                       them, is not asked: it would make an account of its own of one
 *   account.source_name what the source calls it: the sweep logs in by that
 *
 * What is bound to the name only the vault can bind anew (vault/keep.c). The mail folder
 * is the caller's business, afterwards (control/accounts/account_rename.h).
 */
#include "registry/passwords.h"

/* The vault's part; strings into arena. 0 or -errno. */
struct name_binder {
	/* Its forms for the account's name `to`; what does not open stays as it is. */
	int (*password)(void *context, const struct password *p, struct str to,
		struct arena *arena, struct str *ret_sealed, struct str *ret_verifier);
	/* What the source calls the account: `bound` says it, "": `from` is it. *ret "": it
	   is called `to` there. */
	int (*source_name)(void *context, struct str bound, struct str from,
		struct str to, struct arena *arena, struct str *ret);
	void *context;
};

struct rename {
	int64_t account;
	struct str from; /* its name so far */
	struct str to;   /* as typed */
	struct str drop; /* which is no name of it any more; "": none */
};

/* Whether it may be done; changes nothing. *ret_name: what the account will be called.
   -EPERM: it does not live here, or the source would be asked for the dropped name.
   -EEXIST: the name, or its address, is another's. -EINVAL: no name of an account.
   -ESTALE: the account is not called so (any more). */
int registry_may_rename(struct registry *r, const struct rename *rename,
	char ret_name[static 256], struct error *err);
/* Does it, with a line in the journal. An account that is called so already is fine. */
int registry_rename(struct registry *r, const struct rename *rename,
	const struct name_binder *binder, struct error *err);

/* One more name that leads to the account, unless it leads to another (rescue.h). The
   source may know it: who gave it is not known any more. */
int registry_give_name(
	struct registry *r, int64_t account, struct str name, struct error *err);
/* All names that lead to it, folded: logins and addresses. */
typedef int registry_name_fn(void *context, struct str name);
int registry_each_name(struct registry *r, int64_t account, registry_name_fn *each,
	void *context, struct error *err);

#endif
