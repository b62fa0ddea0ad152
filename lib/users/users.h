/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef USERS_USERS_H
#define USERS_USERS_H
/*
 * Which user each of our programs is, and who may have which file.
 *
 * A program is started by root, opens what only root may open, and becomes its user
 * (base/sandbox.h) before it reads a byte from outside. Its user is the system user that
 * `user_prefix` and its name make, where there is one (a package makes them), else one of
 * the first 16 numbers of `uid_range`. The other numbers are the accounts':
 * users/folders.h.
 *
 *   state_dir                    root               0711
 *   registry.sqlite, -wal, -shm  root:registry      0660
 *   key, copies, lock            root               0600, 0700
 *   counts.sqlite, -wal, -shm    root               0600
 *   staging, reports             interceptor        0700
 *   trash                        root               0700
 *   mail                         root:transfer      1771
 *   mail/ACCOUNT                 the account's own  0700
 *   run_dir                      root               0755
 *   relay (in it)                root:interceptor   0770
 *   a socket                     root:who may ask   0660
 *
 * In the groups "registry" and "sockets" are the interceptor, the transfer and its
 * processes, in "sockets" the admission, too.
 */
#include "base/error.h"
#include "base/process.h"
#include "settings/settings.h"

enum user_id {
	USER_ADMISSION,
	USER_INTERCEPTOR,
	USER_MAILSTORE,
	USER_TRANSFER,
	USER_VAULT,
	USER_METRICS, /* of `mailferry metrics http` */
	USER_DASHBOARD,
	USER_COUNT
};

struct users {
	struct process_user of[USER_COUNT];
	bool is_named[USER_COUNT];  /* a system user, no number of the range */
	unsigned registry, sockets; /* groups */
	unsigned first, last;       /* of accounts, both inclusive */
};

/* Asks the system for its users: before a sandbox. */
int users_load(const struct settings *s, struct users *ret, struct error *err);

/* "interceptor" */
const char *user_name(enum user_id id);

/* Gives a file or folder away, and logs it when it was otherwise. Whoever is not root
   leaves it as it is. Only for names in folders that nobody but root can change. */
int users_give(
	const char *path, unsigned uid, unsigned gid, unsigned mode, struct error *err);
/* The registry to its group, with what SQLite keeps beside it. */
int users_share_registry(
	const struct settings *s, const struct users *u, struct error *err);
/* A socket in run_dir to those of a group, besides root. */
int users_share_socket(
	const struct settings *s, const char *name, unsigned gid, struct error *err);

#endif
