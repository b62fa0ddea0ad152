/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry registry check | copy | rebuild
 *
 * rebuild: when the registry is gone or damaged, its newest sound copy takes its place
 * (or an empty one); then each account whose mail folder says that it is in service is
 * so again (adopt.h). Only while nothing runs. What was damaged is kept beside it.
 */
#include "control/accounts/adopt.h"
#include "control/accounts/copies.h"
#include "control/accounts/folders.h"
#include "control/terminal/output.h"

#include "base/clock.h"
#include "base/process.h"
#include "registry/rescue.h"
#include "settings/state_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int verb_fn(struct control *c);

static int open_and(struct control *c, int (*act)(struct control *, struct registry *))
{
	struct registry *r;
	int code = control_registry(c, &r);

	if (code < 0)
		return code;
	code = act(c, r);
	registry_close(r);
	return code;
}

static int check_all(struct control *c, struct registry *r)
{
	int code = registry_check(r, &c->err);

	if (code == 0)
		code = folders_refuse_strays(c, r);
	if (code == 0)
		(void)puts("the registry is sound, and so are its ties to the mail "
			   "folders");
	return code;
}

static int check(struct control *c)
{
	return open_and(c, check_all);
}

static int copy(struct control *c)
{
	int code = open_and(c, copies_make);

	if (code == 0)
		(void)printf("copied to %s/copies\n", c->settings.state_dir);
	return code;
}

/* ── rebuild ───────────────────────────────────────────────────────────────────────── */

/* -ENOENT, -EUCLEAN: it cannot be gone on with. */
static int look_at_registry(struct control *c)
{
	struct registry *r;
	int code = control_registry(c, &r);

	if (code < 0)
		return code;
	code = registry_check(r, &c->err);
	registry_close(r);
	return code;
}

/* Its log goes along: it belongs to that file and to no other. */
static int set_aside(struct control *c, const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char from[PATH_MAX], to[PATH_MAX];
		int len = snprintf(to, sizeof(to), "%s.damaged-%" PRIu64 "%s", path,
			clock_wall_ms() / 1000, suffixes[i]);

		if (len < 0 || (size_t)len >= sizeof(to))
			return error_errno(
				&c->err, -ENAMETOOLONG, "cannot rename %s", path);
		(void)snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
		if (rename(from, to) == 0)
			(void)printf("kept what was damaged as %s\n", to);
		else if (errno != ENOENT)
			return error_errno(&c->err, -errno, "cannot rename %s", from);
	}
	return 0;
}

static int restore_copy(struct control *c, const char *copy, const char *path)
{
	struct registry *r;
	int code = registry_open(copy, &r, &c->err);

	if (code < 0)
		return code;
	code = registry_copy(r, path, &c->err);
	registry_close(r);
	if (code == 0)
		(void)printf("took %s in its place\n", copy);
	return code;
}

static int replace_registry(struct control *c)
{
	char path[PATH_MAX], copy_path[PATH_MAX];
	struct registry *r;
	int code = settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path));

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	code = set_aside(c, path);
	if (code < 0)
		return code;
	if (copies_newest(c, copy_path, sizeof(copy_path)) == 0)
		return restore_copy(c, copy_path, path);
	code = registry_make(path, &r, &c->err);
	if (code < 0)
		return code;
	registry_close(r);
	(void)puts("there is no sound copy of it: made an empty one");
	return 0;
}

static int rebuild(struct control *c)
{
	int code = state_lock_take(&c->settings, STATE_LOCK_ALL, &c->err);

	if (code == -ENOENT) /* no run_dir: nothing can run */
		code = 0;
	if (code == 0)
		code = look_at_registry(c);
	if (code == -ENOENT || code == -EUCLEAN)
		code = replace_registry(c);
	return code < 0 ? code : open_and(c, adopt_all);
}

static const struct {
	const char *name;
	verb_fn *run;
} verbs[] = {
	{ "check", check },
	{ "copy", copy },
	{ "rebuild", rebuild },
};

enum exit_code cmd_registry(struct control *c)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(c->arguments[0], verbs[i].name) == 0)
			return verbs[i].run(c) < 0 ? control_fail(c) : EXIT_DONE;
	error_set(&c->err, -EINVAL, "registry: %s is not one of check, copy, rebuild",
		c->arguments[0]);
	return control_misuse(c);
}
