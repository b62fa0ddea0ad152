/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/store_import.h"

#include "base/fd.h"
#include "control/accounts/store_folder.h"
#include "control/views/progress.h"
#include "control/views/store_import_view.h"
#include "mailstore/store/store.h"
#include "transfer/copy/sync.h"
#include "transfer/read/maildir_source.h"
#include "transfer/write/dry_destination.h"
#include "transfer/write/merge_destination.h"
#include "transfer/write/store_destination.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PASSES_MAX 5 /* then somebody writes to the directory all the time */

struct import {
	struct control *control;
	const struct store_folder *folder;
	struct destination store, dry, merge; /* each before the next */
	struct source source;
	struct sync sync;
	struct progress_view progress;
	json_t *findings; /* NULL: they are printed */
	struct error *err;
};

/* ── the two ends ──────────────────────────────────────────────────────────────────── */

static int open_store(struct import *i)
{
	struct control *c = i->control;
	int code;

	if (!c->dry_run)
		return store_destination_open_served(i->folder->path, i->folder->account,
			i->folder->is_known, c->settings.limits.disk_reserve, &i->store,
			i->err);
	code = store_destination_look(i->folder->path, &i->store, i->err);
	return code < 0 ? code : dry_destination_new(&i->store, &i->dry, i->err);
}

/* An account that came from the source keeps its mailboxes' UIDVALIDITY: the way back and
   the sweep know them by it. */
static int never_switched(struct import *i)
{
	struct arena arena;
	struct str value;
	int code;

	arena_init(&arena);
	code = i->store.ops->note(
		i->store.self, STR_LIT(SWITCH_MODSEQ), &arena, &value, i->err);
	arena_fini(&arena);
	return code == -ENOENT ? 1 : code;
}

static int open_merge(struct import *i)
{
	const struct destination *to = i->dry.ops ? &i->dry : &i->store;
	int fresh = never_switched(i);

	return fresh < 0 ? fresh
	                 : merge_destination_new(to, fresh > 0, &i->merge, i->err);
}

static bool is_separator(const char *s)
{
	return strlen(s) == 1 && s[0] > ' ' && s[0] < 0x7f && !strchr("\\\"*%&~", s[0]) &&
	       !((s[0] | 0x20) >= 'a' && (s[0] | 0x20) <= 'z') &&
	       !(s[0] >= '0' && s[0] <= '9');
}

static int separator_of(struct import *i, char *ret)
{
	struct destination_folder inbox = { .is.separator = '\0' };
	const char *given = i->control->separator;
	int code = given ? 0
	                 : i->store.ops->find_folder(
				   i->store.self, STR_LIT("INBOX"), &inbox, i->err);

	*ret = given ? given[0] : inbox.is.separator ? inbox.is.separator : '/';
	return code == -ENOENT ? 0 : code;
}

static int tell(void *context, const char *kind, struct str mailbox, struct str text)
{
	struct import *i = context;

	return import_view_finding(i->findings, kind, mailbox, 0, text);
}

static int open_source(struct import *i)
{
	struct maildir_options o = {
		.files = i->folder->from, .tell = tell, .context = i
	};
	int code = separator_of(i, &o.separator);

	return code < 0 ? code : maildir_source_new(&o, &i->source, i->err);
}

static void close_all(struct import *i)
{
	sync_fini(&i->sync);
	if (i->source.ops)
		i->source.ops->free(i->source.self);
	if (i->merge.ops)
		i->merge.ops->free(i->merge.self);
	if (i->dry.ops)
		i->dry.ops->free(i->dry.self);
	if (i->store.ops)
		i->store.ops->free(i->store.self);
	json_decref(i->findings);
}

/* ── the passes ────────────────────────────────────────────────────────────────────── */

static int tick(void *context)
{
	struct import *i = context;
	struct sync_progress is = sync_progress(&i->sync);
	const struct account now = { .stage = STAGE_COPYING,
		.messages_total = is.messages_total,
		.messages_copied = is.messages_copied };

	if (i->progress.tty)
		progress_show(&i->progress, &now);
	return 0;
}

static int pass(struct import *i, bool *ret_again)
{
	uint64_t before = merge_destination_counts(&i->merge).changes;
	int code = sync_pass(&i->sync, i->err);

	*ret_again = merge_destination_counts(&i->merge).changes != before ||
	             i->sync.n_unreadable;
	return code;
}

/* A pass that adds nothing has seen that all is here. What is only planned can be asked
   for once. */
static int passes(struct import *i)
{
	bool again = true;
	int code = 0;

	for (int n = 0; code == 0 && again && n < PASSES_MAX; n++) {
		code = pass(i, &again);
		if (i->control->dry_run)
			return code;
	}
	if (code == 0 && again && !i->sync.n_unreadable)
		code = error_set(i->err, -EBUSY,
			"%s changes all the time; stop what writes to it",
			i->control->arguments[2]);
	return code;
}

static int tell_unreadable(struct import *i)
{
	const struct sync *s = &i->sync;
	int code = 0;

	for (size_t n = 0; code == 0 && n < s->n_unreadable && n < SYNC_UNREADABLE_MAX;
		n++) {
		const struct unreadable *u = &s->unreadable[n];

		code = import_view_finding(i->findings, "unreadable",
			folder_name(&s->folders.at[u->folder]), u->uid,
			str_from(u->text));
	}
	return code;
}

/* With what cannot be read nothing is imported, unless the admin has said so. */
static int judge(struct import *i)
{
	int code = tell_unreadable(i);

	if (code < 0 || !i->sync.n_unreadable || i->control->dry_run ||
		i->control->settings.on_unreadable == ON_UNREADABLE_LEAVE)
		return code;
	return error_set(i->err, -EREMOTEIO,
		"%llu of what is in %s cannot be read, so nothing was imported; with "
		"on_unreadable = \"leave\" it is left",
		(unsigned long long)i->sync.n_unreadable, i->control->arguments[2]);
}

static struct import_view view_of(const struct import *i)
{
	struct sync_progress is = sync_progress(&i->sync);
	struct merge_counts counts = merge_destination_counts(&i->merge);
	struct import_view v = { .account = i->folder->account,
		.mailboxes = is.folders,
		.messages = is.messages_total,
		.kept = counts.kept,
		.added = counts.added,
		.bytes = counts.bytes,
		.left = i->sync.n_unreadable,
		.is_dry = i->control->dry_run };
	uint64_t done = v.kept + v.added + v.left;

	v.here = v.messages > done ? v.messages - done : 0;
	return v;
}

static int import_all(struct import *i)
{
	struct import_view v;
	int code = passes(i);

	progress_end(&i->progress);
	if (code == 0)
		code = judge(i);
	if (code == 0 && !i->control->dry_run)
		code = i->store.ops->commit(i->store.self, i->err);
	if (code < 0) {
		i->store.ops->rollback(i->store.self);
		return code;
	}
	v = view_of(i);
	return import_view_print(&v, i->findings);
}

static int import_as_owner(struct control *c, const struct store_folder *f)
{
	struct import i = { .control = c, .folder = f, .err = &c->err };
	int code = 0;

	if (c->json) {
		i.findings = json_array();
		code = i.findings ? 0 : -ENOMEM;
	}
	progress_init(&i.progress, stderr);
	if (code == 0)
		code = open_store(&i);
	if (code == 0)
		code = open_merge(&i);
	if (code == 0)
		code = open_source(&i);
	if (code == 0) {
		sync_init(&i.sync, &i.source, &i.merge, tick, &i);
		code = import_all(&i);
	}
	close_all(&i);
	return code;
}

/* ── who, and from where ───────────────────────────────────────────────────────────── */

/* Mail that is added to an account at the source would be taken away by its move. */
static int check_local(struct control *c, const struct account *a)
{
	if (a->route == ROUTE_LOCAL && !a->home.len)
		return 0;
	if (a->route == ROUTE_LOCAL)
		return error_set(&c->err, -EPERM,
			"\"%.*s\" lives at %.*s: mail is imported there",
			STR_ARG(a->name), STR_ARG(a->home));
	return error_set(&c->err, -EPERM,
		"\"%.*s\" does not live here (yet); import when it has moved",
		STR_ARG(a->name));
}

/* *ret_known: the registry says that it lives here. */
static int check_account(struct control *c, struct arena *arena, bool *ret_known)
{
	struct str name = str_from(c->arguments[1]);
	struct registry *r = NULL;
	struct account a;
	int code = control_registry(c, &r);

	if (code == -ENOENT) { /* without one the folder is all there is */
		c->err = (struct error){ 0 };
		return 0;
	}
	if (code == 0)
		code = registry_find(r, name, arena, &a, &c->err);
	if (code == -ENOENT)
		code = error_set(&c->err, code,
			"there is no account \"%.*s\"; `mailferry account add` makes one",
			STR_ARG(name));
	else if (code == 0)
		code = check_local(c, &a);
	*ret_known = code == 0;
	registry_close(r);
	return code;
}

/* Whose it is says what may be read for them: where a user may write above it, a link of
   theirs would name somebody else's mail. */
static int open_from(struct control *c, int *ret_directory)
{
	const struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS };

	*ret_directory =
		(int)syscall(SYS_openat2, AT_FDCWD, c->arguments[2], &how, sizeof(how));
	if (*ret_directory >= 0)
		return 0;
	if (errno == ELOOP)
		return error_set(&c->err, -ELOOP,
			"%s is a symbolic link, or below one: name the directory itself",
			c->arguments[2]);
	return error_errno(&c->err, -errno, "cannot open %s", c->arguments[2]);
}

static int run(struct control *c, struct store_folder *f)
{
	struct maildir_files files = { .socket = -1 };
	CLEANUP(fd_closep) int directory = -1;
	int code = open_from(c, &directory);

	if (code == 0)
		code = maildir_files_start(directory, &files, &c->err);
	f->from = &files;
	if (code == 0 && !c->dry_run)
		code = store_folder_release(c, f);
	if (code == 0)
		code = store_folder_run(c, f, import_as_owner);
	maildir_files_end(&files);
	return code;
}

int store_import_command(struct control *c, struct arena *arena)
{
	struct store_folder f;
	bool is_known = false;
	int code;

	if (c->separator && !is_separator(c->separator))
		return error_set(&c->err, -EINVAL, "\"%s\" is no separator of names",
			c->separator);
	code = check_account(c, arena, &is_known);
	if (code == 0)
		code = store_folder_of(c, c->arguments[1], arena, &f);
	f.is_known = is_known;
	return code < 0 ? code : run(c, &f);
}
