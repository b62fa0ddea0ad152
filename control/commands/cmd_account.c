/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry account USER: one account, the certificate of its move, its journal.
 * mailferry account USER --again
 * mailferry account USER --home URL
 * mailferry account add|disable|enable|remove USER
 * mailferry account rename USER NEW
 */
#include "control/accounts/account_again.h"
#include "control/accounts/account_change.h"
#include "control/accounts/account_home.h"
#include "control/accounts/account_rename.h"
#include "control/terminal/control.h"
#include "control/views/account_view.h"
#include "control/views/carry_view.h"
#include "control/views/found_view.h"
#include "control/views/mending_view.h"
#include "control/views/pop_login_view.h"
#include "control/views/sweep_view.h"
#include "control/views/unseen_view.h"
#include "registry/rename.h"

#include <errno.h>
#include <string.h>

#define JOURNAL_LINES 20 /* one move writes about six */

struct journal_row {
	uint64_t at;
	struct str event, from, to, by, detail;
};

#define ROW(field) offsetof(struct journal_row, field)
#define ALL (IN_JSON | IN_TABLE)
static const struct column journal_columns[] = {
	{ "at", "when", COLUMN_TIME, ALL, ROW(at) },
	{ "event", "event", COLUMN_TEXT, ALL, ROW(event) },
	{ "from", "from", COLUMN_TEXT, ALL, ROW(from) },
	{ "to", "to", COLUMN_TEXT, ALL, ROW(to) },
	{ "by", "by", COLUMN_TEXT, ALL, ROW(by) },
	{ "detail", "detail", COLUMN_TEXT, ALL, ROW(detail) },
};
#define JOURNAL_COLUMNS (sizeof(journal_columns) / sizeof(journal_columns[0]))

static struct journal_row row_of(const struct journal_line *line)
{
	return (struct journal_row){ line->at, line->event, line->from, line->to,
		line->by, line->detail };
}

static int add_json(void *context, const struct journal_line *line)
{
	struct journal_row row = row_of(line);

	return json_array_append_new(
		       context, output_object(journal_columns, JOURNAL_COLUMNS, &row)) < 0
	               ? -ENOMEM
	               : 0;
}

static int add_row(void *context, const struct journal_line *line)
{
	struct journal_row row = row_of(line);

	return table_add(context, &row);
}

static int add_name(void *context, struct str name)
{
	return json_array_append_new(context, output_string(name)) < 0 ? -ENOMEM : 0;
}

static int print_name(void *context, struct str name)
{
	unsigned *count = context;

	if ((*count)++)
		(void)fputs(", ", stdout);
	else
		(void)printf("%-18s ", "names"); /* as output_list() */
	output_clean(name, stdout);
	return 0;
}

/* The certificate is JSON of the transfer's; null before there is one. */
static json_t *certificate_of(const struct account *a)
{
	json_t *certificate = json_loadb(a->certificate.ptr, a->certificate.len, 0, NULL);

	return certificate ? certificate : json_null();
}

static int print_json(struct control *c, struct registry *r, const struct account *a,
	const struct account_view *view)
{
	json_t *object, *journal = json_array(), *names = json_array(), *swept = NULL,
			*carried = NULL, *login = NULL, *mending = NULL, *found = NULL;
	int code;

	object = output_object(account_columns, account_column_count, view);
	code = registry_journal(r, a->id, JOURNAL_LINES, add_json, journal, &c->err);
	if (code == 0)
		code = registry_each_name(r, a->id, add_name, names, &c->err);
	if (json_object_set_new(object, "names", names) < 0)
		code = -ENOMEM;
	if (json_object_set_new(object, "certificate", certificate_of(a)) < 0)
		code = -ENOMEM;
	if (json_object_set_new(object, "journal", journal) < 0)
		code = -ENOMEM;
	if (code == 0)
		code = sweep_view_json(r, a->id, &swept, &c->err);
	if (code == 0 && json_object_set_new(object, "swept", swept) < 0)
		code = -ENOMEM;
	if (code == 0)
		code = carry_view_json(r, a->id, false, 0, &carried, &c->err);
	if (code == 0 && json_object_set_new(object, "carried", carried) < 0)
		code = -ENOMEM;
	if (code == 0)
		code = pop_login_view_json(r, a->id, &login, &c->err);
	if (code == 0 && json_object_set_new(object, "pop_before_smtp", login) < 0)
		code = -ENOMEM;
	if (code == 0)
		code = mending_view_json(r, a->id, 0, &mending, &c->err);
	if (code == 0 && json_object_set_new(object, "again", mending) < 0)
		code = -ENOMEM;
	if (code == 0)
		code = found_view_json(r, a->id, &found, &c->err);
	if (code == 0 && json_object_set_new(object, "found", found) < 0)
		code = -ENOMEM;
	if (code == 0)
		return output_json(object, stdout);
	json_decref(object);
	return code;
}

static void print_certificate(const struct account *a)
{
	json_t *certificate = certificate_of(a);

	if (json_is_null(certificate)) {
		(void)puts("\nno certificate: nothing was moved yet");
	} else {
		(void)puts("\ncertificate");
		(void)output_dump(certificate, JSON_INDENT(2), stdout);
	}
	json_decref(certificate);
}

static int print_text(struct control *c, struct registry *r, const struct account *a,
	const struct account_view *view)
{
	struct table t;
	json_t *swept = NULL, *carried = NULL, *login = NULL, *mending = NULL,
	       *found = NULL;
	int code = table_init(&t, journal_columns, JOURNAL_COLUMNS);

	unsigned n_names = 0;

	output_list(account_columns, account_column_count, view, stdout);
	if (code == 0)
		code = registry_each_name(r, a->id, print_name, &n_names, &c->err);
	if (n_names)
		(void)putchar('\n');
	print_certificate(a);
	if (code == 0)
		code = sweep_view_json(r, a->id, &swept, &c->err);
	if (code == 0)
		sweep_view_print(swept, stdout);
	json_decref(swept);
	if (code == 0)
		code = found_view_json(r, a->id, &found, &c->err);
	if (code == 0)
		found_view_print(found, &c->settings, stdout);
	json_decref(found);
	if (code == 0)
		code = pop_login_view_json(r, a->id, &login, &c->err);
	if (code == 0)
		pop_login_view_print(login, stdout);
	json_decref(login);
	if (code == 0)
		code = carry_view_json(r, a->id, false, 0, &carried, &c->err);
	if (code == 0 && !json_is_null(carried)) {
		(void)putchar('\n');
		carry_view_print(carried, stdout);
	}
	json_decref(carried);
	if (code == 0)
		code = mending_view_json(r, a->id, 0, &mending, &c->err);
	if (code == 0 && !json_is_null(mending)) {
		(void)puts("\ntransferred anew (account --again)");
		mending_view_print(mending, stdout);
	}
	json_decref(mending);
	if (code == 0)
		code = registry_journal(r, a->id, JOURNAL_LINES, add_row, &t, &c->err);
	if (code == 0) {
		(void)puts("\njournal, newest first");
		table_print(&t, stdout);
	}
	table_fini(&t);
	return code;
}

static int show(struct control *c, struct registry *r, const struct account *a)
{
	struct held_list held;
	struct account_view view;
	int code = held_list_gather(r, &c->settings, &held, &c->err);

	account_view(a, held_list_why(&held, a->name), &view);
	if (code == 0)
		code = c->json ? print_json(c, r, a, &view) : print_text(c, r, a, &view);
	held_list_fini(&held);
	return code;
}

static const struct change {
	const char *name;
	size_t n_arguments; /* its name is the first */
	command_fn *run;
} changes[] = {
	{ "add", 2, account_add },
	{ "disable", 2, account_disable },
	{ "enable", 2, account_enable },
	{ "remove", 2, account_remove },
	{ "rename", 3, account_rename },
};

static const struct change *change_of(const struct control *c)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (strcmp(c->arguments[0], changes[i].name) == 0 &&
			c->n_arguments == (c->resume ? 1 : changes[i].n_arguments) &&
			(!c->resume || changes[i].run == account_rename))
			return &changes[i];
	return NULL;
}

enum exit_code cmd_account(struct control *c)
{
	const struct change *change = change_of(c);

	if (c->n_arguments == 1 && c->again && !c->resume && !c->home)
		return account_again(c);
	if (c->n_arguments == 1 && c->home && !c->resume && !c->again)
		return account_home(c);
	if (c->n_arguments == 1 && !c->resume && !c->home)
		return control_on_account(c, c->arguments[0], show);
	if (change && !c->again && !c->home)
		return change->run(c);
	(void)error_set(&c->err, -EINVAL,
		"usage: mailferry account USER, account add|disable|enable|remove USER, or "
		"account rename USER NEW");
	return control_misuse(c);
}
