/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "users/maildir_owner.h"

#include "users/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE 256

static int find_user(const char *name, struct process_user *ret, struct error *err)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return error_set(err, -EINVAL,
			"`maildir_owner`: there is no user \"%s\" on this host", name);
	*ret = (struct process_user){ .uid = user->pw_uid, .gid = user->pw_gid };
	return 0;
}

static int find_group(const char *name, struct process_user *ret, struct error *err)
{
	const struct group *group = getgrnam(name);

	if (!group)
		return error_set(err, -EINVAL,
			"`maildir_owner`: there is no group \"%s\" on this host", name);
	ret->gid = group->gr_gid;
	return 0;
}

/* What a writer could reach must be mail, and no more than that. */
static int check(
	const struct settings *s, const struct process_user *u, struct error *err)
{
	struct users users;
	int r = users_load(s, &users, err);

	if (r < 0)
		return r;
	if (u->uid == 0 || u->gid == 0)
		return error_set(err, -EINVAL,
			"`maildir_owner` = \"%s\": root writes no Maildirs",
			s->maildir_owner);
	for (size_t i = 0; i < USER_COUNT; i++)
		if (users.of[i].uid == u->uid)
			return error_set(err, -EINVAL,
				"`maildir_owner` = \"%s\" is the user of our own %s",
				s->maildir_owner, user_name((enum user_id)i));
	if (u->uid >= users.first && u->uid <= users.last)
		return error_set(err, -EINVAL,
			"`maildir_owner` = \"%s\" is one of `uid_range`",
			s->maildir_owner);
	return 0;
}

int maildir_owner_find(
	const struct settings *s, struct process_user *ret, struct error *err)
{
	char user[NAME_SIZE], *group;
	struct process_user is = { 0 };
	int r;

	if (snprintf(user, sizeof(user), "%s", s->maildir_owner) >= (int)sizeof(user))
		return error_set(err, -EINVAL, "`maildir_owner` is too long");
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	r = find_user(user, &is, err);
	if (r == 0 && group)
		r = find_group(group, &is, err);
	if (r == 0)
		r = check(s, &is, err);
	if (r == 0)
		*ret = is;
	return r;
}
