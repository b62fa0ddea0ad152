/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_files.h"

#include "control/running/vault.h"
#include "registry/registry.h"
#include "source/reports.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int writable_directory(const char *path)
{
	struct stat about;

	if (stat(path, &about) < 0)
		return -errno;
	if (!S_ISDIR(about.st_mode))
		return -ENOTDIR;
	return access(path, R_OK | W_OK | X_OK) < 0 ? -errno : 0;
}

static void to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		slash[slash == path ? 1 : 0] = '\0';
}

/* The nearest parent that exists decides whether `up` can make the rest. */
static void existing_part(const char *path, char part[static PATH_MAX])
{
	(void)snprintf(part, PATH_MAX, "%s", path);
	while (access(part, F_OK) < 0 && errno == ENOENT)
		to_parent(part);
}

static int writable(const char *path)
{
	char part[PATH_MAX];

	existing_part(path, part);
	return writable_directory(part);
}

static void check_directory(struct findings *f, const char *name, const char *path)
{
	int code = writable(path);

	finding(f, code < 0 ? FINDING_PROBLEM : FINDING_OK, "files", name, "%s%s%s", path,
		code < 0 ? ": " : "", code < 0 ? strerror(-code) : "");
}

/* The key is made in a directory that must be there; but state_dir is made by `up`. */
static int key_can_be_made(const struct settings *s)
{
	char directory[PATH_MAX];

	(void)snprintf(directory, sizeof(directory), "%s", s->key_file);
	to_parent(directory);
	return strcmp(directory, s->state_dir) == 0 ? writable(directory)
	                                            : writable_directory(directory);
}

static int open_registry(struct control *c, bool *ret_any_password)
{
	char path[PATH_MAX];
	struct registry *r;
	int code = settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path));

	*ret_any_password = false;
	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	if (access(path, F_OK) < 0)
		return 0;
	code = registry_open(path, &r, &c->err);
	if (code < 0)
		return code;
	code = registry_any_password(r, ret_any_password, &c->err);
	registry_close(r);
	return code;
}

/* As `up` would, but nothing is made. 1: the key would be. */
static int try_registry(struct control *c)
{
	const struct settings *s = &c->settings;
	bool needed;
	int code = open_registry(c, &needed);

	if (code == 0 && !needed && access(s->key_file, F_OK) < 0) {
		code = key_can_be_made(s);
		return code < 0 ? error_errno(&c->err, code,
					  "cannot make the key file %s", s->key_file)
		                : 1;
	}
	return code < 0 ? code : vault_task(c, "check");
}

static void check_registry(struct control *c, struct findings *f)
{
	int code = try_registry(c);

	if (code < 0)
		finding(f, FINDING_PROBLEM, "files", "key_file", "%s", c->err.text);
	else
		finding(f, FINDING_OK, "files", "key_file", "%s%s", c->settings.key_file,
			code ? ", made at the first start" : "");
}

/* With a smart host DSN is offered (interceptor/smtp), and reports wait in state_dir. */
static void check_reports(const struct settings *s, struct findings *f)
{
	char path[PATH_MAX], part[PATH_MAX];

	if (!*s->smart_host ||
		settings_state_path(s, REPORTS_DIRECTORY, path, sizeof(path)) < 0)
		return;
	existing_part(path, part);
	if (reports_try(part) == -EOPNOTSUPP)
		finding(f, FINDING_NOTE, "files", "reports",
			"%s: its file system knows no files without a name (O_TMPFILE), "
			"so delivery reports cannot be kept there. Senders who ask for "
			"one (DSN, NOTIFY=SUCCESS) get none; their mail is delivered. "
			"Put `state_dir` on ext4, XFS, Btrfs or tmpfs",
			part);
}

void check_files(struct control *c, struct findings *f)
{
	check_directory(f, "state_dir", c->settings.state_dir);
	check_reports(&c->settings, f);
	check_directory(f, "run_dir", c->settings.run_dir);
	check_registry(c, f);
}
