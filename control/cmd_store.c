/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry store check USER [--repair]
 *
 * check reads while the account is in use. --repair takes the folder's lock: the user's
 * sessions end, and begin again when it is done.
 */
#include "control/output.h"
#include "control/store_folder.h"

#include "mailstore/store/inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

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
	bool lost = strcmp(f->kind, "lost") == 0;

	if (!one || json_object_set_new(one, "kind", json_string(f->kind)) < 0 ||
		json_object_set_new(one, "mailbox",
			lost ? output_string(f->mailbox) : json_null()) < 0 ||
		json_object_set_new(
			one, "uid", lost ? json_integer(f->uid) : json_null()) < 0 ||
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
	if (strcmp(f->kind, "lost") == 0) {
		(void)fputs("lost: ", stdout);
		output_clean(
			f->mailbox.len ? f->mailbox : STR_LIT("(on its way in)"), stdout);
		(void)printf(", UID %u: ", f->uid);
	} else {
		(void)printf("%s: ", f->kind);
	}
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

static int print_json(
	const struct store_folder *f, const struct store_inspected *is, json_t *findings)
{
	json_t *all = output_object(total_columns, TOTAL_COLUMNS, is);

	if (json_object_set_new(all, "account", output_string(f->account)) < 0 ||
		json_object_set(all, "findings", findings) < 0) {
		json_decref(all);
		return -ENOMEM;
	}
	return output_json(all, stdout);
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
		code = print_json(f, &is, findings);
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

/* ── the verbs ─────────────────────────────────────────────────────────────────────── */

static const struct {
	const char *name;
	int (*run)(struct control *c, struct arena *arena);
} verbs[] = {
	{ "check", check },
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static enum exit_code misuse(struct control *c)
{
	(void)error_set(
		&c->err, -EINVAL, "store: %s is not one of check", c->arguments[0]);
	return control_misuse(c);
}

enum exit_code cmd_store(struct control *c)
{
	struct arena arena;
	size_t verb = 0;
	int code;

	while (verb < VERBS && strcmp(c->arguments[0], verbs[verb].name) != 0)
		verb++;
	if (verb == VERBS)
		return misuse(c);
	arena_init(&arena);
	code = verbs[verb].run(c, &arena);
	arena_fini(&arena);
	if (code < 0 && c->err.text[0]) /* else the work has said it itself */
		(void)control_fail(c);
	return code < 0 ? EXIT_FAILED : EXIT_DONE;
}
