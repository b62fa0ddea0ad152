/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry accounts */
#include "control/account_view.h"
#include "control/control.h"
#include "control/unseen_view.h"

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

enum exit_code cmd_accounts(struct control *c)
{
	int code = c->json ? print_json(c) : print_table(c);

	return code < 0 ? control_fail(c) : EXIT_DONE;
}
