/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry accounts */
#include "control/account_view.h"
#include "control/control.h"

#include <errno.h>

static int add_json(void *context, const struct account *a)
{
	struct account_view view;

	account_view(a, &view);
	return json_array_append_new(context,
		       output_object(account_columns, account_column_count, &view)) < 0
	               ? -ENOMEM
	               : 0;
}

static int add_row(void *context, const struct account *a)
{
	struct account_view view;

	account_view(a, &view);
	return table_add(context, &view);
}

static int walk(struct control *c, registry_each_fn *each, void *context)
{
	struct registry *r;
	int code = control_registry(c, &r);

	if (code == -ENOENT) /* nobody has logged in yet: an empty list is the answer */
		return 0;
	if (code < 0)
		return code;
	code = registry_each(r, each, context, &c->err);
	registry_close(r);
	return code;
}

static int print_json(struct control *c)
{
	json_t *all = json_array();
	int code = all ? walk(c, add_json, all) : -ENOMEM;

	if (code == 0)
		return output_json(all, stdout);
	json_decref(all);
	return code;
}

static int print_table(struct control *c)
{
	struct table t;
	int code = table_init(&t, account_columns, account_column_count);

	if (code == 0)
		code = walk(c, add_row, &t);
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
