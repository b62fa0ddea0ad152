/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_MAILDIR_PATH_H
#define SETTINGS_MAILDIR_PATH_H
/*
 * Where a user's Maildir is, by the path of `destination`, which has Dovecot's words:
 *
 *   %u   the name that the user logs in with, in lower case
 *   %n   of it what is before the last @
 *   %d   and what is behind it; without one, the only one of `domains`
 *
 *   /var/vmail/%d/%n/Maildir     root /var/vmail, place example.com/alice/Maildir
 */
#include "base/error.h"
#include "settings/settings.h"

/* The folder that holds all of them: what is before the first step with a word in it. */
void maildir_path_root(const char *path, char *ret, size_t size);
/* Below it. -EINVAL with the sentence: the name makes no path. */
int maildir_path_place(const struct settings *s, struct str login, char *ret, size_t size,
	struct error *err);
/* Steps that lead nowhere but down, each with a name of its own. */
bool maildir_path_is_place(struct str place);

#endif
