/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry alias import FILE | add ADDRESS USER | remove ADDRESS | list [USER] |
 * propose */
#include "control/accounts/alias_propose.h"
#include "control/terminal/control.h"
#include "control/views/alias_view.h"

#include "base/buf.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (64 << 20) /* a million aliases; the rules are read in one piece */

/* ── printing ──────────────────────────────────────────────────────────────────────── */

/* Rows go into one of the two; the other is empty. */
struct printer {
	struct registry *registry;
	const struct column *columns;
	size_t n_columns;
	json_t *array;
	struct table table;
};

static int printer_init(struct printer *p, const struct control *c, struct registry *r,
	const struct column *columns, size_t n)
{
	*p = (struct printer){ .registry = r, .columns = columns, .n_columns = n };
	if (c->json)
		p->array = json_array();
	return table_init(&p->table, columns, n);
}

static int printer_add(struct printer *p, const void *row)
{
	if (!p->array)
		return table_add(&p->table, row);
	return json_array_append_new(
		       p->array, output_object(p->columns, p->n_columns, row)) < 0
	               ? -ENOMEM
	               : 0;
}

static void printer_fini(struct printer *p)
{
	json_decref(p->array);
	table_fini(&p->table);
}

/* ── list ──────────────────────────────────────────────────────────────────────────── */

struct lister {
	struct printer printer;
	int64_t only; /* the account; 0: all */
};

static int list_one(void *context, const struct alias *a)
{
	struct lister *l = context;
	struct alias_view row;

	alias_view(l->printer.registry, a, &row);
	return !l->only || row.where.id == l->only ? printer_add(&l->printer, &row) : 0;
}

static int find_only(struct control *c, struct registry *r, int64_t *ret_id)
{
	struct account_route route;
	struct str user = str_from(c->arguments[1]);
	int code;

	if (c->n_arguments < 2)
		return 0;
	code = registry_route(r, user, &route, NULL);
	if (code < 0)
		return error_set(
			&c->err, code, "there is no account \"%.*s\"", STR_ARG(user));
	*ret_id = route.id;
	return 0;
}

static int run_list(struct control *c, struct registry *r)
{
	struct lister l = { .only = 0 };
	int code = printer_init(&l.printer, c, r, alias_columns, alias_column_count);

	if (code == 0)
		code = find_only(c, r, &l.only);
	if (code == 0)
		code = registry_each_alias(r, list_one, &l, &c->err);
	if (code == 0 && c->json)
		code = output_json(json_incref(l.printer.array), stdout);
	else if (code == 0)
		table_print(&l.printer.table, stdout);
	printer_fini(&l.printer);
	return code;
}

/* ── propose ───────────────────────────────────────────────────────────────────────── */

#define ROW(field) offsetof(struct proposal, field)
#define ALL (IN_JSON | IN_TABLE)
static const struct column proposal_columns[] = {
	{ "address", "address", COLUMN_TEXT, ALL, ROW(address) },
	{ "account", "account", COLUMN_TEXT, ALL, ROW(account) },
	{ "messages", "came", COLUMN_NUMBER, ALL, ROW(messages) },
	{ "asked", "accepted", COLUMN_NUMBER, ALL, ROW(asked) },
	{ "first_at", "since", COLUMN_TIME, ALL, ROW(first_at) },
	{ "last_at", "last", COLUMN_TIME, ALL, ROW(last_at) },
	{ "verdict", "verdict", COLUMN_TEXT, ALL, ROW(verdict_name) },
	{ "why", "why", COLUMN_TEXT, ALL, ROW(why) },
	{ "command", "command", COLUMN_TEXT, ALL, ROW(command) },
};
#undef ROW
#undef ALL

static int print_proposals(const struct control *c, struct printer *p, size_t n)
{
	if (c->json)
		return output_json(json_incref(p->array), stdout);
	if (!n) {
		(void)puts(
			"nothing to propose: no mail came to the old mailbox of a user "
			"who lives here by an address that is not known");
		return 0;
	}
	table_print(&p->table, stdout);
	(void)puts("Nothing of this is used by itself. Look an address up in the old "
		   "server's own tables before you take it: of a list with several "
		   "members one may be all that was seen, and a user who can write to "
		   "the old mailbox can make it look so.");
	return 0;
}

static int run_propose(struct control *c, struct registry *r)
{
	struct printer printer;
	struct proposals p;
	int code = printer_init(&printer, c, r, proposal_columns,
		sizeof(proposal_columns) / sizeof(proposal_columns[0]));

	proposals_init(&p);
	if (code == 0)
		code = proposals_gather(c, r, &p);
	for (size_t i = 0; i < proposals_count(&p) && code == 0; i++)
		code = printer_add(&printer, proposals_at(&p, i));
	if (code == 0)
		code = print_proposals(c, &printer, proposals_count(&p));
	proposals_fini(&p);
	printer_fini(&printer);
	return code;
}

/* ── add, remove ───────────────────────────────────────────────────────────────────── */

/* At the last '@': as `list` prints them, without quotes. */
static int split_address(struct control *c, struct str *ret_local, struct str *ret_domain)
{
	const char *text = c->arguments[1], *at = strrchr(text, '@');

	*ret_local = at ? str_of(text, (size_t)(at - text)) : str_from(text);
	*ret_domain = str_from(at ? at + 1 : NULL);
	if (!at && c->settings.n_domains == 1)
		*ret_domain = str_from(c->settings.domains[0]);
	return ret_domain->len
	               ? 0
	               : error_set(&c->err, -EINVAL,
				 "\"%s\" is not an address: it has no domain", text);
}

static int print_added(
	struct control *c, struct registry *r, struct str local, struct str domain)
{
	struct account_route route;
	bool known = registry_address(r, local, domain, &route, NULL) == 0;

	output_clean(local, stdout);
	(void)fputc('@', stdout);
	output_clean(domain, stdout);
	(void)fputs(" leads to ", stdout);
	output_clean(str_from(known ? route.name : c->arguments[2]), stdout);
	(void)puts(known ? ""
			 : ", who has not logged in yet; until then the source answers "
			   "for it");
	if (!settings_has_domain(&c->settings, domain))
		(void)puts("its domain is not one of `domains` in the configuration");
	return 0;
}

/* Mail of somebody else is not turned round by a typing mistake. */
static int check_free(
	struct control *c, struct registry *r, struct str local, struct str domain)
{
	struct account_route now, wanted;
	struct str user = str_from(c->arguments[2]);

	if (c->force || registry_address(r, local, domain, &now, NULL) < 0)
		return 0;
	if (registry_route(r, user, &wanted, NULL) == 0 && wanted.id == now.id)
		return 0;
	return error_set(&c->err, -EEXIST,
		"%.*s@%.*s is an address of %s already; say --force to take it away",
		STR_ARG(local), STR_ARG(domain), now.name);
}

static int run_add(struct control *c, struct registry *r)
{
	struct str local, domain;
	int code = split_address(c, &local, &domain);

	if (code == 0)
		code = check_free(c, r, local, domain);
	if (code == 0)
		code = registry_add_alias(
			r, local, domain, str_from(c->arguments[2]), &c->err);
	return code < 0 ? code : print_added(c, r, local, domain);
}

static int run_remove(struct control *c, struct registry *r)
{
	struct str local, domain;
	int code = split_address(c, &local, &domain);

	if (code == 0)
		code = registry_remove_alias(r, local, domain, &c->err);
	if (code == 0)
		(void)puts("removed");
	return code;
}

/* ── import ────────────────────────────────────────────────────────────────────────── */

struct importer {
	struct printer printer;
	bool all; /* rows without news too */
	uint64_t outcomes[ALIAS_OUTCOME_COUNT], special;
};

static int import_one(
	void *context, size_t line, const struct alias *a, enum alias_outcome outcome)
{
	struct importer *i = context;
	struct alias_view row = { .alias = *a,
		.outcome = str_from(alias_outcome_name(outcome)),
		.special = outcome != ALIAS_IGNORED && !a->target.len,
		.line = line };

	i->outcomes[outcome]++;
	i->special += row.special;
	return i->all || row.special || outcome == ALIAS_CHANGED || outcome == ALIAS_KEPT
	               ? printer_add(&i->printer, &row)
	               : 0;
}

static int print_import(const struct control *c, struct importer *i)
{
	json_t *counts;

	if (!c->json) {
		if (i->printer.table.n_rows > 1)
			table_print(&i->printer.table, stdout);
		for (int o = 0; o < ALIAS_OUTCOME_COUNT; o++)
			(void)printf("%s%llu %s", o ? ", " : "",
				(unsigned long long)i->outcomes[o],
				alias_outcome_name((enum alias_outcome)o));
		(void)printf("; %llu special, left to the source\n%s",
			(unsigned long long)i->special,
			c->dry_run ? "nothing was written (--dry-run)\n" : "");
		return 0;
	}
	counts = json_object();
	for (int o = 0; o < ALIAS_OUTCOME_COUNT; o++)
		(void)json_object_set_new(counts,
			alias_outcome_name((enum alias_outcome)o),
			json_integer((json_int_t)i->outcomes[o]));
	return output_json(
		json_pack("{s:b, s:o, s:I, s:O}", "dry_run", c->dry_run, "counts", counts,
			"special", (json_int_t)i->special, "rules", i->printer.array),
		stdout);
}

static int read_file(struct control *c, const char *path, struct buf *to)
{
	bool standard = strcmp(path, "-") == 0;
	CLEANUP(fd_closep)
	int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return error_errno(&c->err, -errno, "cannot open %s", path);
	do
		n = buf_read(to, fd, 1 << 16);
	while (n > 0);
	if (n == -ENOBUFS)
		return error_set(
			&c->err, -EFBIG, "%s has more than %d bytes", path, FILE_MAX);
	return n < 0 ? error_errno(&c->err, (int)n, "cannot read %s", path) : 0;
}

static int import_text(
	struct control *c, struct registry *r, struct str text, enum alias_format format)
{
	struct importer i = { .all = c->json || c->dry_run };
	struct alias_import import = { .text = text,
		.format = format,
		.domain = str_from(c->domain),
		.dry_run = c->dry_run,
		.each = import_one,
		.context = &i };
	int code = printer_init(&i.printer, c, r, import_columns, import_column_count);

	if (code == 0) {
		code = registry_import_aliases(r, &import, &c->err);
		if (code < 0)
			error_context(&c->err, "%s", c->arguments[1]);
	}
	if (code == 0)
		code = print_import(c, &i);
	printer_fini(&i.printer);
	return code;
}

static int run_import(struct control *c, struct registry *r)
{
	enum alias_format format = ALIAS_FORMAT_VIRTUAL;
	struct buf text;
	int code;

	buf_init(&text, FILE_MAX);
	code = read_file(c, c->arguments[1], &text);
	if (code == 0 && (!c->format || !alias_format_by_name(c->format, &format)))
		format = alias_format_guess(buf_view(&text));
	if (code == 0)
		code = import_text(c, r, buf_view(&text), format);
	buf_fini(&text);
	return code;
}

/* ── the command ───────────────────────────────────────────────────────────────────── */

static const struct verb {
	const char *name, *usage;
	size_t least, most; /* arguments, the verb included */
	bool import;        /* takes the options of an import */
	int (*run)(struct control *c, struct registry *r);
} verbs[] = {
	{ "import", "FILE [--format virtual|aliases] [--domain DOMAIN] [--dry-run]", 2, 2,
		true, run_import },
	{ "add", "ADDRESS USER", 3, 3, false, run_add },
	{ "remove", "ADDRESS", 2, 2, false, run_remove },
	{ "list", "[USER]", 1, 2, false, run_list },
	{ "propose", "", 1, 1, false, run_propose },
};

static const struct verb *verb_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* NULL with the sentence: wrongly used. */
static const struct verb *choose_verb(struct control *c)
{
	const struct verb *v = verb_by_name(c->arguments[0]);
	enum alias_format format;

	if (!v)
		error_set(&c->err, -EINVAL,
			"alias takes import, add, remove, list or propose, not \"%s\"",
			c->arguments[0]);
	else if (c->n_arguments < v->least || c->n_arguments > v->most ||
		 (!v->import && (c->format || c->domain || c->dry_run)))
		error_set(&c->err, -EINVAL, "usage: mailferry alias %s %s", v->name,
			v->usage);
	else if (c->format && !alias_format_by_name(c->format, &format))
		error_set(&c->err, -EINVAL, "--format is virtual or aliases, not \"%s\"",
			c->format);
	else
		return v;
	return NULL;
}

enum exit_code cmd_alias(struct control *c)
{
	const struct verb *v = choose_verb(c);
	struct registry *r;
	int code;

	if (!v)
		return control_misuse(c);
	if (control_registry(c, &r) < 0)
		return control_fail(c);
	code = v->run(c, r);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
