/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry admit PREFIX VERDICT | --remove PREFIX | --list: who is intercepted. */
#include "control/accounts/make_registry.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "control/terminal/prompt.h"

#include "messages/ask.h"
#include "nft-rules/prefix.h"
#include "nft-rules/ruleset.h"
#include "registry/admission.h"

#include <errno.h>
#include <string.h>

#define COLUMN(name, title, kind, member)                                                \
	{                                                                                \
		name, title, kind, IN_JSON | IN_TABLE,                                   \
			offsetof(struct admission, member)                               \
	}
static const struct column columns[] = {
	COLUMN("prefix", "PREFIX", COLUMN_TEXT, prefix),
	COLUMN("service", "SERVICE", COLUMN_TEXT, service),
	COLUMN("verdict", "VERDICT", COLUMN_TEXT, verdict),
	COLUMN("since", "SINCE", COLUMN_TIME, at),
};
#undef COLUMN
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct entry {
	char prefix[PREFIX_TEXT_MAX];
	struct str service; /* empty: all */
	enum rules_verdict verdict;
};

/* ── list ──────────────────────────────────────────────────────────────────────────── */

struct lister {
	struct table table;
	json_t *array; /* NULL: text */
};

static int list_one(void *context, const struct admission *a)
{
	struct lister *l = context;
	struct admission shown = *a;

	if (l->array)
		return json_array_append_new(
			       l->array, output_object(columns, COLUMNS, a)) < 0
		               ? -ENOMEM
		               : 0;
	if (!shown.service.len)
		shown.service = STR_LIT("all");
	return table_add(&l->table, &shown);
}

static int run_list(struct control *c, struct registry *r, const struct entry *e)
{
	struct lister l = { .array = c->json ? json_array() : NULL };
	int code = table_init(&l.table, columns, COLUMNS);

	(void)e;
	if (code == 0 && r)
		code = registry_each_admission(r, list_one, &l, &c->err);
	if (code == 0 && c->json)
		code = output_json(json_incref(l.array), stdout);
	else if (code == 0 && l.table.n_rows > 1)
		table_print(&l.table, stdout);
	if (code == 0 && !c->json)
		(void)puts("everybody else: divert");
	json_decref(l.array);
	table_fini(&l.table);
	return code;
}

/* ── change ────────────────────────────────────────────────────────────────────────── */

static int read_prefix(struct control *c, char ret[static PREFIX_TEXT_MAX])
{
	struct prefix p;

	if (prefix_parse(c->arguments[0], &p) < 0)
		return error_set(&c->err, -EINVAL,
			"\"%s\" is not a prefix: 192.0.2.0/24, 2001:db8::/32 or one "
			"address, without bits behind the length",
			c->arguments[0]);
	prefix_text(&p, ret);
	return 0;
}

static int read_service(struct control *c, struct str *ret)
{
	*ret = str_from(c->service);
	for (int i = 0; c->service && i < SERVICE_COUNT; i++)
		if (strcmp(service_name((enum service_id)i), c->service) == 0)
			return 0;
	return c->service ? error_set(&c->err, -EINVAL,
				    "\"%s\" is no service; `mailferry check "
				    "--print-config` lists them",
				    c->service)
	                  : 0;
}

static int read_verdict(struct control *c, enum rules_verdict *ret)
{
	return rules_verdict_by_name(c->arguments[1], ret) < 0
	               ? error_set(&c->err, -EINVAL,
				 "admit takes divert, direct, refuse or drop, not \"%s\"",
				 c->arguments[1])
	               : 0;
}

/* What the arguments say, before anything is opened or made. */
static int read_entry(struct control *c, struct entry *ret)
{
	int code = c->n_arguments > 0 ? read_prefix(c, ret->prefix) : 0;

	if (code == 0 && c->n_arguments > 1)
		code = read_verdict(c, &ret->verdict);
	return code < 0 ? code : read_service(c, &ret->service);
}

/* Users who live here must not meet their old mailboxes unless the admin has said so. */
static int confirm_direct(struct control *c, struct registry *r, const char *prefix)
{
	bool any = true, yes = c->yes;
	int code = registry_any_local(r, &any, &c->err);

	if (code < 0 || !any || yes)
		return code;
	(void)printf("Accounts live here, or are on their way. Their users who come from "
		     "%s would get past mailferry to the old mailboxes at the source.\n",
		prefix);
	code = prompt_yes("Let them? Type yes: ", &yes, &c->err);
	return code < 0 || yes ? code
	                       : error_set(&c->err, -ECANCELED, "nothing was changed");
}

static void say_done(const struct control *c, const char *prefix, const char *verdict)
{
	bool runs = ask_runs(c->settings.run_dir, INTERCEPTOR_SOCKET);

	(void)printf("%s%s%s: %s; %s\n", prefix, c->service ? ", " : "",
		c->service ? c->service : "", verdict,
		runs ? "new connections follow it from now on, open ones are not "
		       "changed"
		     : "takes effect with the next `mailferry up` or `mailferry rules "
		       "install`");
}

static int run_set(struct control *c, struct registry *r, const struct entry *e)
{
	const char *verdict = rules_verdict_name(e->verdict);
	int code = e->verdict == RULES_DIRECT ? confirm_direct(c, r, e->prefix) : 0;

	if (code == 0)
		code = registry_admit(
			r, str_from(e->prefix), e->service, str_from(verdict), &c->err);
	if (code == 0)
		say_done(c, e->prefix, verdict);
	return code;
}

static int run_remove(struct control *c, struct registry *r, const struct entry *e)
{
	int code = registry_forget_admission(r, str_from(e->prefix), e->service, &c->err);

	if (code == -ENOENT)
		return error_set(&c->err, code,
			"there is no entry for %s%s%s; see `mailferry admit --list`",
			e->prefix, c->service ? ", " : "", c->service ? c->service : "");
	if (code == 0)
		say_done(c, e->prefix, "removed");
	return code;
}

/* ── the command ───────────────────────────────────────────────────────────────────── */

static const struct form {
	bool list, remove;
	size_t arguments;
	bool makes; /* the registry, when there is none yet */
	int (*run)(struct control *c, struct registry *r, const struct entry *e);
} forms[] = {
	{ true, false, 0, false, run_list },
	{ false, true, 1, false, run_remove },
	{ false, false, 2, true, run_set },
};

static const struct form *choose(const struct control *c)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i].list == c->list && forms[i].remove == c->remove &&
			forms[i].arguments == c->n_arguments)
			return &forms[i];
	return NULL;
}

enum exit_code cmd_admit(struct control *c)
{
	const struct form *form = choose(c);
	struct entry entry = { .verdict = RULES_DIVERT };
	struct registry *r = NULL;
	int code;

	if (!form) {
		error_set(&c->err, -EINVAL,
			"usage: mailferry admit PREFIX divert|direct|refuse|drop, admit "
			"--remove PREFIX, or admit --list");
		return control_misuse(c);
	}
	code = read_entry(c, &entry);
	if (code == 0)
		code = form->makes ? make_registry(c, &r) : control_registry(c, &r);
	if (code == -ENOENT && form->list)
		code = 0; /* nothing was ever said */
	if (code == 0)
		code = form->run(c, r, &entry);
	registry_close(r);
	return code == -EINVAL ? control_misuse(c)
	       : code < 0      ? control_fail(c)
	                       : EXIT_DONE;
}
