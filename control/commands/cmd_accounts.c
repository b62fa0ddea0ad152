/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry accounts [--use] */
#include "control/accounts/account_use.h"
#include "control/terminal/control.h"
#include "control/views/account_view.h"
#include "control/views/unseen_view.h"

#include <errno.h>

struct list {
	struct held_list held;
	json_t *json;
	struct table *table;
};

static int add_json(void *context, const struct account *a)
{
	struct list *l = context;
	struct account_view view;

	account_view(a, held_list_why(&l->held, a->name), &view);
	return json_array_append_new(l->json,
		       output_object(account_columns, account_column_count, &view)) < 0
	               ? -ENOMEM
	               : 0;
}

static int add_row(void *context, const struct account *a)
{
	struct list *l = context;
	struct account_view view;

	account_view(a, STR_LIT(""), &view); /* no column of a table */
	return table_add(l->table, &view);
}

static int walk(struct control *c, registry_each_fn *each, struct list *l)
{
	struct registry *r;
	int code = control_registry(c, &r);

	if (code == -ENOENT) /* nobody has logged in yet: an empty list is the answer */
		return 0;
	if (code < 0)
		return code;
	code = held_list_gather(r, &c->settings, &l->held, &c->err);
	if (code == 0)
		code = registry_each(r, each, l, &c->err);
	held_list_fini(&l->held);
	registry_close(r);
	return code;
}

static int print_json(struct control *c)
{
	struct list l = { .json = json_array() };
	int code = l.json ? walk(c, add_json, &l) : -ENOMEM;

	if (code == 0)
		return output_json(l.json, stdout);
	json_decref(l.json);
	return code;
}

static int print_table(struct control *c)
{
	struct table t;
	struct list l = { .table = &t };
	int code = table_init(&t, account_columns, account_column_count);

	if (code == 0)
		code = walk(c, add_row, &l);
	if (code == 0)
		table_print(&t, stdout);
	table_fini(&t);
	return code;
}

/* ---- what each takes here ---- */

struct use_row {
	struct str name, route;
	struct account_use use;
};

#define USE(field) offsetof(struct use_row, use.field)
static const struct column use_columns[] = {
	{ "name", "account", COLUMN_TEXT, IN_TABLE, offsetof(struct use_row, name) },
	{ "route", "route", COLUMN_TEXT, IN_TABLE, offsetof(struct use_row, route) },
	{ "disk", "on the disk", COLUMN_BYTES, IN_JSON | IN_TABLE, USE(disk) },
	{ "bytes", "mail", COLUMN_BYTES, IN_JSON | IN_TABLE, USE(mail.bytes) },
	{ "messages", "messages", COLUMN_NUMBER, IN_JSON | IN_TABLE, USE(mail.messages) },
	{ "quota_bytes", "quota (0: none)", COLUMN_BYTES, IN_JSON | IN_TABLE,
		USE(mail.quota.bytes) },
	{ "quota_messages", "in messages", COLUMN_NUMBER, IN_JSON | IN_TABLE,
		USE(mail.quota.messages) },
	{ "percent", "full, %", COLUMN_NUMBER, IN_JSON | IN_TABLE, USE(percent) },
};
#define USE_COLUMNS (sizeof(use_columns) / sizeof(use_columns[0]))

/* 1: nothing of it is here. */
static int look(struct control *c, struct arena *arena, struct use_row *row)
{
	struct store_folder f;
	int code = store_folder_named(c, row->name, arena, &f);

	if (code == -ENOENT)
		return 1;
	return code < 0 ? code : account_use(c, &f, &row->use);
}

/* One that cannot be read is said on stderr; its use is not known. */
static int add_use(struct control *c, struct arena *arena, json_t *account,
	struct table *t, bool *ret_all)
{
	struct use_row row = { .name = output_text(account, "name"),
		.route = output_text(account, "route") };
	int code = look(c, arena, &row);
	json_t *use =
		code == 0 ? output_object(use_columns, USE_COLUMNS, &row) : json_null();

	if (code < 0) {
		*ret_all = false;
		if (c->err.text[0]) /* else its user's process has said it */
			(void)control_fail(c);
	}
	if (json_object_set_new(account, "use", use) < 0)
		return -ENOMEM;
	return code == 0 ? table_add(t, &row) : 0;
}

static int print_use(struct control *c, bool *ret_all)
{
	struct list l = { .json = json_array() };
	struct arena arena;
	struct table t;
	int code = table_init(&t, use_columns, USE_COLUMNS);

	arena_init(&arena);
	if (code == 0)
		code = l.json ? walk(c, add_json, &l) : -ENOMEM;
	for (size_t i = 0; code == 0 && i < json_array_size(l.json); i++)
		code = add_use(c, &arena, json_array_get(l.json, i), &t, ret_all);
	if (code == 0 && c->json)
		code = output_json(json_incref(l.json), stdout);
	else if (code == 0)
		table_print(&t, stdout);
	json_decref(l.json);
	table_fini(&t);
	arena_fini(&arena);
	return code;
}

enum exit_code cmd_accounts(struct control *c)
{
	bool all = true;
	int code = c->use ? print_use(c, &all) : c->json ? print_json(c) : print_table(c);

	return code < 0 ? control_fail(c) : all ? EXIT_DONE : EXIT_FAILED;
}
