/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef USERS_FOLDERS_H
#define USERS_FOLDERS_H
/*
 * Each account's mail folder has an owner of its own, of the range `uid_range`; the
 * account's processes are that user, and group. The folder itself says so and nothing
 * else does: it stays true over restarts, and when the registry is rebuilt.
 */
#include "users/users.h"

/* Makes the folder that holds all of them, as users.h says: root, at a start. */
int folders_prepare(const struct settings *s, const struct users *u, struct error *err);

/* Makes those of the interceptor that users.h names, or leaves them as they are. */
int folders_of_interceptor(
	const struct settings *s, const struct users *u, struct error *err);

/* Whose folder it is. -ENOENT: there is none. -EPERM with the sentence: it has no owner
   of the range. */
int folder_owner(
	const struct users *u, const char *path, unsigned *ret_uid, struct error *err);

/* Which numbers have a folder. One that is given is not given again while the pool lasts,
   whatever becomes of its folder. */
struct uid_pool {
	unsigned first, count;
	unsigned char *taken; /* a bit each; owned */
	unsigned next;        /* where the search begins */
};

/* None is taken. */
int uid_pool_empty(struct uid_pool *p, const struct users *u, struct error *err);
/* Looks at all folders. A process that is not root needs to be in the group of "mail". */
int uid_pool_open(struct uid_pool *p, const struct settings *s, const struct users *u,
	struct error *err);
void uid_pool_close(struct uid_pool *p);
int uid_pool_take(struct uid_pool *p, unsigned *ret_uid, struct error *err);
/* false: not of the range, or somebody else's already. */
bool uid_pool_claim(struct uid_pool *p, unsigned uid);

/* Whose folder it is; one that there is not is made, with a number of the pool: by root,
   or by a transfer that may be users of the range (SANDBOX_USERS). */
int folder_owner_or_make(const struct users *u, struct uid_pool *p, const char *path,
	unsigned *ret_uid, struct error *err);

/* As which user and groups an account's process moves it. */
struct process_user folder_mover(const struct users *u, unsigned uid);

#endif
