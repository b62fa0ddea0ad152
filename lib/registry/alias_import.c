/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the rules of Postfix's files mean for us, written in one transaction. */
#include "base/clock.h"
#include "registry/alias_rows.h"

#include <errno.h>

static const char *const outcome_names[] = { "new", "same", "changed", "kept",
	"ignored" };
_Static_assert(sizeof(outcome_names) / sizeof(outcome_names[0]) == ALIAS_OUTCOME_COUNT,
	"a name for each");

const char *alias_outcome_name(enum alias_outcome o)
{
	return outcome_names[o];
}

struct importer {
	struct registry *registry;
	const struct alias_import *import;
	struct str domain; /* of names without one, empty: none */
	uint64_t now;
	struct error *err;
};

/* "example.com anything" says in `virtual` that this domain has no other addresses. */
static bool names_a_domain(const struct importer *i, const struct alias_rule *rule)
{
	return i->import->format == ALIAS_FORMAT_VIRTUAL && !rule->left.domain.len &&
	       domain_is_ours(i->registry, rule->left.local);
}

/* The one address of ours that the rule leads to; false: it is special. */
static bool target_of(
	const struct importer *i, const struct alias_rule *rule, struct address_key *ret)
{
	const struct alias_address *t = &rule->target;

	if (!rule->is_address || !rule->left.local.len || !local_is_plain(t->local))
		return false;
	if (t->domain.len && !domain_is_ours(i->registry, t->domain))
		return false;
	return address_key(
		       t->local, t->domain.len ? t->domain : i->import->domain, ret) == 0;
}

static int key_of(const struct importer *i, const struct alias_rule *rule,
	struct address_key *ret, struct error *err)
{
	struct str domain = rule->left.domain.len ? rule->left.domain : i->domain;

	if (!domain.len)
		return error_set(err, -EINVAL,
			"line %zu: \"%.*s\" has no domain and several are configured; "
			"say "
			"with --domain which is meant",
			rule->line, STR_ARG(rule->left.local));
	if (address_key(rule->left.local, domain, ret) < 0)
		return error_set(
			err, -EINVAL, "line %zu: the address is too long", rule->line);
	return 0;
}

static int outcome_of(const struct importer *i, const struct alias_rule *rule,
	const struct alias *a, enum alias_outcome *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct alias old;
	int n = alias_read(i->registry, a->address, &old, &row, err);
	bool same, imported;

	*ret = ALIAS_NEW;
	if (n <= 0)
		return n;
	imported = old.source == ALIAS_IMPORTED;
	same = str_eq(old.target, a->target) &&
	       (a->target.len || str_eq(old.rule, a->rule));
	*ret = same ? ALIAS_SAME : imported ? ALIAS_CHANGED : ALIAS_KEPT;
	if (same || !imported || old.at != i->now)
		return 0;
	return error_set(err, -EINVAL,
		"line %zu: %.*s has another rule further up; keep the one that holds",
		rule->line, STR_ARG(a->address));
}

static int take_rule(void *context, const struct alias_rule *rule)
{
	struct importer *i = context;
	enum alias_outcome outcome = ALIAS_IGNORED;
	struct address_key key, target = { .len = 0 };
	struct alias a = { .rule = rule->right, .source = ALIAS_IMPORTED, .at = i->now };
	int code;

	if (names_a_domain(i, rule)) {
		a.address = rule->left.local;
		return i->import->each(i->import->context, rule->line, &a, outcome);
	}
	code = key_of(i, rule, &key, i->err);
	if (code < 0)
		return code;
	a.address = address_key_text(&key);
	if (target_of(i, rule, &target))
		a.target = address_key_text(&target);
	code = outcome_of(i, rule, &a, &outcome, i->err);
	if (code == 0 && (outcome == ALIAS_NEW || outcome == ALIAS_CHANGED))
		code = alias_write(i->registry, &a, i->err);
	return code < 0 ? code
	                : i->import->each(i->import->context, rule->line, &a, outcome);
}

static int check_domain(const struct importer *i, struct error *err)
{
	struct str wanted = i->import->domain;

	if (wanted.len && !domain_is_ours(i->registry, wanted))
		return error_set(err, -EINVAL,
			"%.*s is not one of the `domains` of the configuration",
			STR_ARG(wanted));
	return 0;
}

/* The time by which rows of this import are known. It is later than that of every other:
   two imports may come in one millisecond, and a clock may be set back. */
static int choose_time(struct importer *i, struct error *err)
{
	uint64_t last = 0;
	int code = sql_get(i->registry->db, SQL_LAST_ALIAS, SQL_NO_VALUES, &last, err);

	i->now = clock_wall_ms();
	if (i->now <= last)
		i->now = last + 1;
	return code;
}

int registry_import_aliases(
	struct registry *r, const struct alias_import *import, struct error *err)
{
	struct importer i = { .registry = r,
		.import = import,
		.domain = import->domain.len ? import->domain : str_from(r->only_domain),
		.err = err };
	int code = check_domain(&i, err);

	if (code == 0)
		code = database_begin(r->db, true, err);
	if (code < 0)
		return code;
	code = choose_time(&i, err);
	if (code == 0)
		code = alias_file_read(import->text, import->format, take_rule, &i, err);
	if (code == 0 && import->dry_run)
		code = 1; /* takes all of it back */
	code = database_finish(r->db, code, err);
	return code == 1 ? 0 : code;
}
