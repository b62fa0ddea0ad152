/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_STORE_FOLDER_H
#define CONTROL_ACCOUNTS_STORE_FOLDER_H
/* Mail folders, for commands that work on them: whose they are, and work in them as their
   user, so that root neither follows what lies in them nor leaves files of its own. */
#include "control/terminal/control.h"

struct maildir_files;
struct store;

struct store_folder {
	struct str account;
	const char *path;
	unsigned uid;                     /* its owner */
	const char *backup;               /* where it is copied to; NULL */
	int to;                           /* where something of it goes; -1 */
	struct str drop;                  /* which is no name of it any more; "" */
	const struct maildir_files *from; /* where something comes from; NULL */
	struct str residence;             /* what it is to say (registry/residence.h) */
	bool is_known;                    /* the registry says that it is served from */
};

/* The account's folder; strings are the arena's. -ENOENT: no mail of it is here. */
int store_folder_of(struct control *c, const char *user, struct arena *arena,
	struct store_folder *ret);
/* The same, by the account's own name: the registry is not asked. */
int store_folder_named(struct control *c, struct str account, struct arena *arena,
	struct store_folder *ret);
/* The same for a folder whose path is known. */
int store_folder_owner(struct control *c, struct store_folder *f);
/* run() as the folder's user, in a process of its own that prints what it has to say, an
   error's sentence, too: 0 or -errno, and nothing is left to print. */
int store_folder_run(struct control *c, const struct store_folder *f,
	int (*run)(struct control *c, const struct store_folder *f));
/* Ends the account's process, so that its lock is free. */
int store_folder_release(struct control *c, const struct store_folder *f);
/* Inside it: opens the store; a login that was on its way gets its answer meanwhile. */
int store_open_when_free(const char *path, struct store **ret, struct error *err);

#endif
