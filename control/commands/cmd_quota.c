/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry quota [USER] [--set SIZE[,MESSAGES]|none|default]
 *
 * What accounts that live here hold, and what they may. An account's own quota lies in
 * its folder and goes where the folder goes; live sessions heed it at once.
 */
#include "control/accounts/account_use.h"
#include "control/accounts/store_folder.h"
#include "control/terminal/output.h"

#include "settings/quota.h"

#include <errno.h>
#include <string.h>

struct view {
	struct str account;
	struct account_use use;
};

#define ALL (IN_JSON | IN_LIST | IN_TABLE)
static const struct column columns[] = {
	{ "account", "account", COLUMN_TEXT, ALL, offsetof(struct view, account) },
	{ "bytes", "bytes", COLUMN_BYTES, ALL, offsetof(struct view, use.mail.bytes) },
	{ "messages", "messages", COLUMN_NUMBER, ALL,
		offsetof(struct view, use.mail.messages) },
	{ "quota_bytes", "quota (0: none)", COLUMN_BYTES, ALL,
		offsetof(struct view, use.mail.quota.bytes) },
	{ "quota_messages", "in messages", COLUMN_NUMBER, ALL,
		offsetof(struct view, use.mail.quota.messages) },
	{ "percent", "full, %", COLUMN_NUMBER, ALL, offsetof(struct view, use.percent) },
	{ "own", "its own", COLUMN_YES_NO, ALL, offsetof(struct view, use.mail.is_own) },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* ── --set ─────────────────────────────────────────────────────────────────────────── */

static int set_as_user(struct control *c, const struct store_folder *f)
{
	struct settings_quota set = { 0 };
	bool usual = quota_parse(c->set, &set) < 0; /* "default" */
	const struct quota quota = { set.bytes, set.messages };

	return quota_set(f->path, usual ? NULL : &quota, &c->err);
}

/* ── looking ───────────────────────────────────────────────────────────────────────── */

static int look(struct control *c, const struct store_folder *f, struct view *ret)
{
	ret->account = f->account;
	return account_use(c, f, &ret->use);
}

static enum exit_code of_one(struct control *c, struct arena *arena)
{
	struct store_folder f;
	struct view view = { 0 };
	int code = store_folder_of(c, c->arguments[0], arena, &f);

	if (code < 0)
		return control_fail(c);
	if (c->set)
		code = store_folder_run(c, &f, set_as_user);
	if (code == 0)
		code = look(c, &f, &view);
	if (code < 0) /* the sentence is printed, if it was the user's process */
		return c->err.text[0] ? control_fail(c) : EXIT_FAILED;
	if (c->json)
		return output_json(output_object(columns, COLUMNS, &view), stdout) < 0
		               ? EXIT_FAILED
		               : EXIT_DONE;
	output_list(columns, COLUMNS, &view, stdout);
	return EXIT_DONE;
}

/* ── all ───────────────────────────────────────────────────────────────────────────── */

struct names {
	struct arena *arena;
	struct buf all; /* a NUL behind each */
};

static int add_name(void *context, const struct account *a)
{
	struct names *n = context;
	bool is_here = a->route == ROUTE_LOCAL && !a->home.len;
	int r = is_here ? buf_append(&n->all, a->name) : 0;

	return r < 0 || !is_here ? r : buf_byte(&n->all, '\0');
}

static int gather(struct control *c, struct names *n)
{
	struct registry *r;
	int code = control_registry(c, &r);

	if (code == -ENOENT)
		return 0;
	if (code < 0)
		return code;
	code = registry_each(r, add_name, n, &c->err);
	registry_close(r);
	return code;
}

/* One that cannot be read is said on stderr and left out. */
static int each(struct control *c, struct names *n, json_t *json, struct table *table,
	bool *ret_all)
{
	struct str left = buf_view(&n->all);
	int code = 0;

	while (left.len && code == 0) {
		struct str name = str_split(&left, '\0');
		struct store_folder f;
		struct view view = { 0 };

		if (store_folder_named(c, name, n->arena, &f) < 0) {
			(void)control_fail(c);
			*ret_all = false;
		} else if (look(c, &f, &view) < 0) {
			*ret_all = false;
		} else if (json) {
			code = json_array_append_new(
				json, output_object(columns, COLUMNS, &view));
		} else {
			code = table_add(table, &view);
		}
	}
	return code < 0 ? error_set(&c->err, -ENOMEM, "no memory") : 0;
}

static enum exit_code of_all(struct control *c, struct arena *arena)
{
	struct names n = { .arena = arena };
	json_t *json = c->json ? json_array() : NULL;
	struct table table;
	bool all = true;
	int code = table_init(&table, columns, COLUMNS);

	buf_init(&n.all, 0);
	if (code == 0)
		code = gather(c, &n);
	if (code == 0)
		code = each(c, &n, json, &table, &all);
	if (code == 0 && json)
		code = output_json(json_incref(json), stdout);
	else if (code == 0)
		table_print(&table, stdout);
	json_decref(json);
	table_fini(&table);
	buf_fini(&n.all);
	if (code < 0)
		return control_fail(c);
	return all ? EXIT_DONE : EXIT_FAILED;
}

enum exit_code cmd_quota(struct control *c)
{
	enum exit_code code;
	struct arena arena;
	struct settings_quota quota;

	if (c->set && !c->n_arguments) {
		(void)error_set(&c->err, -EINVAL,
			"whose? mailferry quota USER --set …; for all others: "
			"`quota` in the configuration");
		return control_misuse(c);
	}
	if (c->set && strcmp(c->set, "default") != 0 && quota_parse(c->set, &quota) < 0) {
		(void)error_set(&c->err, -EINVAL,
			"\"%s\" is no quota; write 10G, 500M, 10G,100000 (messages), "
			"none, or default",
			c->set);
		return control_misuse(c);
	}
	arena_init(&arena);
	code = c->n_arguments ? of_one(c, &arena) : of_all(c, &arena);
	arena_fini(&arena);
	return code;
}
