/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef USERS_MAILDIR_OWNER_H
#define USERS_MAILDIR_OWNER_H
/* Whose files the Maildirs of `destination` are. */
#include "base/error.h"
#include "base/process.h"
#include "settings/settings.h"

/* Asks the system: before a sandbox. -EINVAL with the sentence: `maildir_owner` is nobody
   here, is root, or is one of our own users. */
int maildir_owner_find(
	const struct settings *s, struct process_user *ret, struct error *err);

#endif
