/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry store check USER [--repair] | export USER DIR | import USER DIR
 *           | backup DIR [USER] | compact USER
 *
 * check reads while the account is in use. --repair takes the folder's lock: the user's
 * sessions end, and begin again when it is done.
 */
#include "control/accounts/store_backup.h"
#include "control/accounts/store_folder.h"
#include "control/accounts/store_import.h"
#include "control/terminal/output.h"

#include "base/fd.h"
#include "mailstore/store/compact.h"
#include "mailstore/store/export_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ── check ─────────────────────────────────────────────────────────────────────────── */

static const struct column total_columns[] = {
	{ "messages", "messages", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_inspected, messages) },
	{ "bytes", "bytes", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_inspected, bytes) },
	{ "found", "found", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_inspected, found) },
	{ "repaired", "repaired", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_inspected, repaired) },
	{ "lost", "lost", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_inspected, lost) },
	{ "unused", "unused", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_inspected, unused) },
};
#define TOTAL_COLUMNS (sizeof(total_columns) / sizeof(total_columns[0]))

static int add_finding(void *context, const struct store_finding *f)
{
	json_t *one = json_object();

	if (!one || json_object_set_new(one, "kind", json_string(f->kind)) < 0 ||
		json_object_set_new(one, "mailbox",
			f->mailbox.len ? output_string(f->mailbox) : json_null()) < 0 ||
		json_object_set_new(
			one, "uid", f->uid ? json_integer(f->uid) : json_null()) < 0 ||
		json_object_set_new(one, "text", output_string(f->text)) < 0 ||
		json_object_set_new(one, "repaired", json_boolean(f->is_repaired)) < 0) {
		json_decref(one);
		return -ENOMEM;
	}
	return json_array_append_new(context, one) < 0 ? -ENOMEM : 0;
}

static int print_finding(void *context, const struct store_finding *f)
{
	(void)context;
	(void)printf("%s: ", f->kind);
	if (f->uid && !f->mailbox.len)
		(void)fputs("(on its way in)", stdout);
	output_clean(f->mailbox, stdout);
	if (f->uid)
		(void)printf(", UID %u", f->uid);
	if (f->uid || f->mailbox.len)
		(void)fputs(": ", stdout);
	output_clean(f->text, stdout);
	(void)puts(f->is_repaired ? " (repaired)" : "");
	return 0;
}

static void print_total(
	struct control *c, const struct store_folder *f, const struct store_inspected *is)
{
	output_clean(f->account, stdout);
	(void)printf(": %" PRIu64 " messages, %" PRIu64 " bytes read; ", is->messages,
		is->bytes);
	if (!is->found)
		(void)puts("all is sound");
	else
		(void)printf("%" PRIu64 " found, %" PRIu64 " repaired, %" PRIu64
			     " messages lost\n",
			is->found, is->repaired, is->lost);
	if (is->lost)
		(void)puts("Put the file of a lost message back from a backup "
			   "(handbook/backup.md); its entry stays until then.");
	else if (is->found > is->repaired && !c->repair)
		(void)puts("`--repair` corrects what can be.");
}

static int print_json(const struct store_folder *f, json_t *totals, json_t *findings)
{
	if (json_object_set_new(totals, "account", output_string(f->account)) < 0 ||
		json_object_set(totals, "findings", findings) < 0) {
		json_decref(totals);
		return -ENOMEM;
	}
	return output_json(totals, stdout);
}

/* Room that nobody needs is no damage. */
static bool is_sound(const struct control *c, const struct store_inspected *is)
{
	return is->found == (c->repair ? is->repaired : is->unused);
}

static int inspect(struct control *c, const struct store_folder *f)
{
	struct store_inspected is;
	json_t *findings = json_array();
	int code = store_inspect(f->path, c->repair,
		c->json ? add_finding : print_finding, findings, &is, &c->err);

	if (code == 0 && c->json)
		code = print_json(
			f, output_object(total_columns, TOTAL_COLUMNS, &is), findings);
	else if (code == 0)
		print_total(c, f, &is);
	json_decref(findings);
	if (code == 0 && !is_sound(c, &is))
		code = error_set(&c->err, -EUCLEAN, "%s is not sound", f->path);
	return code;
}

static int check(struct control *c, struct arena *arena)
{
	struct store_folder f;
	int code = store_folder_of(c, c->arguments[1], arena, &f);

	if (code == 0 && c->repair)
		code = store_folder_release(c, &f);
	return code < 0 ? code : store_folder_run(c, &f, inspect);
}

/* ── export ────────────────────────────────────────────────────────────────────────── */

static const struct column export_columns[] = {
	{ "mailboxes", "mailboxes", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_exported, mailboxes) },
	{ "messages", "messages", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_exported, messages) },
	{ "bytes", "bytes", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_exported, bytes) },
	{ "lost", "lost", COLUMN_NUMBER, IN_JSON, offsetof(struct store_exported, lost) },
};

static void print_exported(
	struct control *c, const struct store_folder *f, const struct store_exported *is)
{
	output_clean(f->account, stdout);
	(void)printf(": %" PRIu64 " messages in %" PRIu64 " mailboxes, %" PRIu64
		     " bytes, to ",
		is->messages, is->mailboxes, is->bytes);
	output_clean(str_from(c->arguments[2]), stdout);
	(void)printf("\nFor Dovecot: mail_location = maildir:, a namespace with "
		     "separator = %c and an empty prefix; give the files to its user "
		     "(chown -R)\n",
		is->separator ? is->separator : '/');
}

static int export_as_owner(struct control *c, const struct store_folder *f)
{
	struct store_exported is;
	json_t *findings = json_array();
	int code = store_export_directory(f->path, f->to,
		c->json ? add_finding : print_finding, findings, &is, &c->err);

	if (code == 0 && c->json)
		code = print_json(f,
			output_object(export_columns,
				sizeof(export_columns) / sizeof(export_columns[0]), &is),
			findings);
	else if (code == 0)
		print_exported(c, f, &is);
	json_decref(findings);
	if (code == 0 && is.lost)
		code = error_set(&c->err, -EUCLEAN, "%s is not sound", f->path);
	return code;
}

/* The account's user writes into it, and need not reach what is above it. */
static int make_target(struct control *c, const struct store_folder *f, int *ret)
{
	const char *path = c->arguments[2];

	if (mkdir(path, 0700) < 0)
		return error_errno(&c->err, -errno,
			"cannot make %s (export makes a new folder)", path);
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0 || (geteuid() == 0 && fchown(*ret, f->uid, f->uid) < 0))
		return error_errno(&c->err, -errno, "cannot open %s", path);
	return 0;
}

static int export(struct control *c, struct arena *arena)
{
	struct store_folder f;
	int code = store_folder_of(c, c->arguments[1], arena, &f);

	if (code == 0)
		code = make_target(c, &f, &f.to);
	if (code == 0)
		code = store_folder_run(c, &f, export_as_owner);
	fd_closep(&f.to);
	return code;
}

/* ── compact ───────────────────────────────────────────────────────────────────────── */

static const struct column compact_columns[] = {
	{ "packs", "packs", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_compacted, packs) },
	{ "shared_bytes", "shared", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_compacted, shared_bytes) },
	{ "moved_bytes", "moved", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_compacted, moved_bytes) },
	{ "before", "before", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_compacted, before) },
	{ "after", "after", COLUMN_BYTES, IN_JSON,
		offsetof(struct store_compacted, after) },
	{ "left", "left", COLUMN_NUMBER, IN_JSON,
		offsetof(struct store_compacted, left) },
};
#define COMPACT_COLUMNS (sizeof(compact_columns) / sizeof(compact_columns[0]))

static int compact_as_owner(struct control *c, const struct store_folder *f)
{
	struct store_compacted is;
	int code = store_compact(f->path, &is, &c->err);

	if (code == 0 && c->json)
		code = output_json(
			output_object(compact_columns, COMPACT_COLUMNS, &is), stdout);
	else if (code == 0)
		(void)printf("%" PRIu64 " packs written anew, %" PRIu64
			     " bytes that were there twice; %" PRIu64
			     " bytes in packs, %" PRIu64 " before\n",
			is.packs, is.shared_bytes, is.after, is.before);
	if (code == 0 && is.left)
		code = error_set(&c->err, -EUCLEAN,
			"%s is not sound; `mailferry store check` names the messages",
			f->path);
	return code;
}

static int compact(struct control *c, struct arena *arena)
{
	struct store_folder f;
	int code = store_folder_of(c, c->arguments[1], arena, &f);

	if (code == 0)
		code = store_folder_release(c, &f);
	return code < 0 ? code : store_folder_run(c, &f, compact_as_owner);
}

/* ── the verbs ─────────────────────────────────────────────────────────────────────── */

static const struct verb {
	const char *name, *usage;
	size_t least, most; /* arguments, the verb included */
	bool repairs;       /* takes --repair */
	bool imports;       /* takes --dry-run and --separator */
	int (*run)(struct control *c, struct arena *arena);
} verbs[] = {
	{ "check", "USER [--repair]", 2, 2, true, false, check },
	{ "export", "USER DIR, a folder that is not there yet", 3, 3, false, false,
		export },
	{ "import", "USER DIR [--dry-run] [--separator C]", 3, 3, false, true,
		store_import_command },
	{ "backup", "DIR [USER]", 2, 3, false, false, store_backup_command },
	{ "compact", "USER", 2, 2, false, false, compact },
};

static const struct verb *verb_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* NULL with the sentence: wrongly used. An option that a verb does not know is refused:
   nobody shall take `compact --dry-run` for a trial. */
static const struct verb *choose_verb(struct control *c)
{
	const struct verb *v = verb_by_name(c->arguments[0]);

	if (!v)
		error_set(&c->err, -EINVAL,
			"store takes check, export, import, backup or compact, not "
			"\"%s\"",
			c->arguments[0]);
	else if (c->n_arguments < v->least || c->n_arguments > v->most ||
		 (c->repair && !v->repairs) ||
		 ((c->dry_run || c->separator) && !v->imports))
		error_set(&c->err, -EINVAL, "usage: mailferry store %s %s", v->name,
			v->usage);
	else
		return v;
	return NULL;
}

enum exit_code cmd_store(struct control *c)
{
	const struct verb *v = choose_verb(c);
	struct arena arena;
	int code;

	if (!v)
		return control_misuse(c);
	arena_init(&arena);
	code = v->run(c, &arena);
	arena_fini(&arena);
	if (code < 0 && c->err.text[0]) /* else the work has said it itself */
		(void)control_fail(c);
	return code < 0 ? EXIT_FAILED : EXIT_DONE;
}
