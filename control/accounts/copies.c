/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/copies.h"

#include "base/process.h"
#include "registry/rescue.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COPIES_DIRECTORY "copies" /* in state_dir */

/* From the newest to the oldest: one takes the place of the next when that is so old. */
static const struct slot {
	const char *name;
	time_t age_s;
} slots[] = {
	{ "hour.sqlite", 0 },
	{ "day.sqlite", 24 * 3600 },
	{ "week.sqlite", 7 * 24 * 3600 },
};
#define SLOTS (sizeof(slots) / sizeof(slots[0]))

static int path_of(struct control *c, const char *name, char path[static PATH_MAX])
{
	char directory[PATH_MAX];
	int len, code = settings_state_path(
			 &c->settings, COPIES_DIRECTORY, directory, sizeof(directory));

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	len = snprintf(path, PATH_MAX, "%s/%s", directory, name);
	return len < PATH_MAX ? 0 : error_errno(&c->err, -ENAMETOOLONG, "%s", directory);
}

static bool is_older(const char *path, time_t age_s)
{
	struct stat st;

	return stat(path, &st) < 0 || time(NULL) - st.st_mtime >= age_s;
}

/* Oldest first, so that each finds its place free. */
static int shift(struct control *c)
{
	for (size_t i = SLOTS - 1; i > 0; i--) {
		char from[PATH_MAX], to[PATH_MAX];
		int code = path_of(c, slots[i - 1].name, from);

		if (code == 0)
			code = path_of(c, slots[i].name, to);
		if (code < 0)
			return code;
		if (is_older(to, slots[i].age_s) && rename(from, to) < 0 &&
			errno != ENOENT)
			return error_errno(&c->err, -errno, "cannot rename %s", from);
	}
	return 0;
}

int copies_make(struct control *c, struct registry *r)
{
	char path[PATH_MAX];
	int code = registry_check(r, &c->err);

	if (code == 0)
		code = path_of(c, "", path);
	if (code == 0)
		code = process_make_directory(path, 0700, &c->err);
	if (code == 0)
		code = shift(c);
	if (code == 0)
		code = path_of(c, slots[0].name, path);
	return code < 0 ? code : registry_copy(r, path, &c->err);
}

static bool is_sound(const char *path)
{
	struct registry *r;
	bool sound;

	if (access(path, F_OK) < 0 || registry_open(path, &r, NULL) < 0)
		return false;
	sound = registry_check(r, NULL) == 0;
	registry_close(r);
	return sound;
}

int copies_newest(struct control *c, char *path, size_t size)
{
	for (size_t i = 0; i < SLOTS; i++) {
		char copy[PATH_MAX];

		if (path_of(c, slots[i].name, copy) == 0 && is_sound(copy))
			return snprintf(path, size, "%s", copy) < (int)size
			               ? 0
			               : -ENAMETOOLONG;
	}
	return error_set(&c->err, -ENOENT,
		"there is no sound copy of the registry in "
		"%s/" COPIES_DIRECTORY,
		c->settings.state_dir);
}

int copies_remove(struct control *c)
{
	for (size_t i = 0; i < SLOTS; i++) {
		char path[PATH_MAX];
		int code = path_of(c, slots[i].name, path);

		if (code < 0)
			return code;
		if (unlink(path) < 0 && errno != ENOENT)
			return error_errno(&c->err, -errno, "cannot remove %s", path);
	}
	return 0;
}
