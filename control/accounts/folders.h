/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_FOLDERS_H
#define CONTROL_ACCOUNTS_FOLDERS_H
/*
 * Mail folders that say that their account lives here while the registry says something
 * else: the registry is lost, damaged or too old. To go on would be to copy over mail
 * that may be nowhere else, so `up` refuses, and `mailferry registry rebuild` adopts
 * them.
 */
#include "control/terminal/control.h"
#include "mailstore/store/store.h"

/* name: the account's. Anything but 0 ends, and is returned. */
typedef int stray_each_fn(
	void *context, struct str name, const struct store_identity *identity);
/* r NULL: there is no registry, every served folder is one. The callback may write. */
int folders_each_stray(
	struct control *c, struct registry *r, stray_each_fn *each, void *context);

/* -ESTALE with the sentence when there is any. */
int folders_refuse_strays(struct control *c, struct registry *r);

#endif
