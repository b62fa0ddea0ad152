/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/store_folder.h"

#include "mailstore/store/store.h"
#include "messages/ask.h"
#include "users/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define OPEN_TRIES 40 /* a login that was on its way gets its answer meanwhile */
#define OPEN_WAIT_MS 50

/* Without a registry, or beside it, the folder's own name is all there is. */
static struct str name_of(struct control *c, const char *user, struct arena *arena)
{
	struct str name = str_from(user);
	struct registry *r;
	struct account a;

	if (control_registry(c, &r) < 0)
		return name;
	if (registry_find(r, name, arena, &a, NULL) == 0)
		name = a.name;
	registry_close(r);
	return name;
}

/* Root alone becomes somebody else; others have what they may. */
int store_folder_owner(struct control *c, struct store_folder *f)
{
	struct users users;
	int code;

	if (geteuid() != 0)
		return access(f->path, F_OK) < 0 ? -errno : 0;
	code = users_load(&c->settings, &users, &c->err);
	return code < 0 ? code : folder_owner(&users, f->path, &f->uid, &c->err);
}

int store_folder_named(struct control *c, struct str account, struct arena *arena,
	struct store_folder *ret)
{
	char path[PATH_MAX];
	int code;

	*ret = (struct store_folder){ .account = account, .to = -1 };
	code = settings_mail_path(&c->settings, ret->account, path, sizeof(path));
	if (code < 0)
		return error_errno(&c->err, code, "no folder can be named \"%.*s\"",
			STR_ARG(account));
	ret->path = arena_str(arena, str_from(path)).ptr;
	if (!ret->path)
		return error_set(&c->err, -ENOMEM, "no memory");
	code = store_folder_owner(c, ret);
	if (code == -ENOENT)
		return error_set(&c->err, code,
			"no mail of \"%.*s\" is kept here (there is no %s)",
			STR_ARG(account), path);
	return code;
}

int store_folder_of(struct control *c, const char *user, struct arena *arena,
	struct store_folder *ret)
{
	return store_folder_named(c, name_of(c, user, arena), arena, ret);
}

struct work {
	struct control *control;
	const struct store_folder *folder;
	int (*run)(struct control *c, const struct store_folder *f);
	pid_t parent; /* of who runs it */
};

static int run_and_say(void *context)
{
	struct work *w = context;
	int code = w->run(w->control, w->folder);

	if (code < 0)
		(void)control_fail(w->control);
	if (fflush(stdout) != 0 && code == 0)
		code = -EIO;
	return code;
}

/* Who ends the command by SIGKILL, too, has ended it. */
static int run_as_child(void *context)
{
	struct work *w = context;
	int code = process_end_with_parent(w->parent, &w->control->err);

	if (code == 0)
		return run_and_say(w);
	(void)control_fail(w->control);
	return code;
}

int store_folder_run(struct control *c, const struct store_folder *f,
	int (*run)(struct control *c, const struct store_folder *f))
{
	struct work w = { .control = c, .folder = f, .run = run, .parent = getpid() };
	int code;

	c->err = (struct error){ 0 };
	(void)fflush(stdout); /* else the copy prints it once more */
	if (geteuid() == 0)
		return process_run_as(f->uid, run_as_child, &w);
	code = run_and_say(&w);
	c->err = (struct error){ 0 };
	return code;
}

int store_folder_release(struct control *c, const struct store_folder *f)
{
	struct message m = { .type = MESSAGE_RELEASE, .account = f->account };
	int code = ask(c->settings.run_dir, MAILSTORE_SOCKET, &m, MESSAGE_RELEASED,
		&ask_patience, NULL, &c->err);

	return code == -ECONNREFUSED ? 0 : code; /* nobody has it open */
}

int store_open_when_free(const char *path, struct store **ret, struct error *err)
{
	const struct timespec wait = { .tv_nsec = OPEN_WAIT_MS * 1000000L };
	int code = store_open(path, false, ret, err);

	for (int i = 0; i < OPEN_TRIES && code == -EBUSY; i++) {
		(void)nanosleep(&wait, NULL);
		code = store_open(path, false, ret, err);
	}
	return code;
}
