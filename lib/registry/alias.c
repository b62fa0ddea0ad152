/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Aliases: finding the account of an address, and what the admin writes. The import of
 * files is alias_import.c. */
#include "base/clock.h"
#include "registry/alias_rows.h"
#include "registry/internal.h"
#include "registry/recent.h"

#include <errno.h>
#include <string.h>

#define HOPS_MAX 10 /* aliases of aliases; more is a circle or a mistake */

static const char *const source_names[] = { "imported", "added" };
_Static_assert(sizeof(source_names) / sizeof(source_names[0]) == ALIAS_SOURCE_COUNT,
	"a name for each");

const char *alias_source_name(enum alias_source s)
{
	return source_names[s];
}

static const char *source_word(int value)
{
	return source_names[value];
}

void registry_set_subaddress(struct registry *r, const char *delimiters)
{
	r->delimiters = delimiters;
}

/* ── rows ──────────────────────────────────────────────────────────────────────────── */

static int from_row(
	struct registry *r, const struct query *row, struct alias *ret, struct error *err)
{
	int source = word_value(query_bytes(row, 3), source_word, ALIAS_SOURCE_COUNT);

	if (source < 0)
		return error_set(err, -EUCLEAN, "%s: an alias is of an unknown source",
			database_path(r->db));
	*ret = (struct alias){ .address = query_bytes(row, 0),
		.target = query_bytes(row, 1),
		.rule = query_bytes(row, 2),
		.source = (enum alias_source)source,
		.at = query_number(row, 4) };
	return 0;
}

int alias_read(struct registry *r, struct str key, struct alias *ret,
	struct query *ret_row, struct error *err)
{
	int n = query_first(r->db, SQL_ALIAS, SQL_VALUES(sql_text(key)), ret_row, err);

	if (n == 1)
		n = from_row(r, ret_row, ret, err) < 0 ? -EUCLEAN : 1;
	return n;
}

int alias_write(struct registry *r, const struct alias *a, struct error *err)
{
	return sql_run(r->db, SQL_PUT_ALIAS,
		SQL_VALUES(sql_text(a->address),
			a->target.len ? sql_text(a->target) : sql_null(),
			sql_text(a->rule),
			sql_text(str_from(alias_source_name(a->source))),
			sql_number(a->at)),
		err);
}

int registry_each_alias(
	struct registry *r, alias_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct alias a;
	int n = query_begin(r->db, SQL_EACH_ALIAS, SQL_NO_VALUES, &row, err);

	while (n == 0 && (n = query_next(&row, err)) == 1) {
		n = from_row(r, &row, &a, err);
		if (n == 0)
			n = each(context, &a);
	}
	return n;
}

int registry_find_alias(struct registry *r, struct str address, struct arena *arena,
	struct alias *ret, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct alias a;
	struct str *const strings[] = { &a.address, &a.target, &a.rule };
	int n = alias_read(r, address, &a, &row, err);

	if (n == 0)
		return error_set(
			err, -ENOENT, "there is no alias %.*s", STR_ARG(address));
	if (n < 0)
		return n;
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		*strings[i] = arena_str(arena, *strings[i]);
		if (!strings[i]->ptr)
			return error_set(err, -ENOMEM, "no memory");
	}
	*ret = a;
	return 0;
}

/* ── where an address leads ────────────────────────────────────────────────────────── */

enum lead {
	LEAD_NOTHING,   /* no alias of that address */
	LEAD_ON,        /* to the address that the key holds now */
	LEAD_TO_ITSELF, /* an alias that only says: here it ends */
	LEAD_AWAY,      /* a special rule */
};

/* A bare name is an address where only one is possible, so that aliases of it are
   followed; names that are no local parts stay as they are. */
static int target_key(
	const struct registry *r, struct str target, struct address_key *ret)
{
	struct str local, domain;

	address_split(target, &local, &domain);
	if (!domain.len && local_is_plain(local))
		domain = str_from(r->only_domain);
	return address_key(local, domain, ret);
}

static enum lead lead_of(
	const struct registry *r, const struct alias *a, struct address_key *key)
{
	struct address_key next;

	if (!a->target.len || target_key(r, a->target, &next) < 0)
		return LEAD_AWAY;
	if (str_eq(address_key_text(&next), address_key_text(key)))
		return LEAD_TO_ITSELF;
	*key = next;
	return LEAD_ON;
}

/* 0 or -errno. */
static int follow(struct registry *r, struct address_key *key, enum lead *ret_lead,
	struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct alias a;
	int n = alias_read(r, address_key_text(key), &a, &row, err);

	*ret_lead = n == 1 ? lead_of(r, &a, key) : LEAD_NOTHING;
	return n < 0 ? n : 0;
}

/* 1: there is a rule for all of the domain, 0: none. */
static int domain_has_rule(struct registry *r, struct str domain, struct error *err)
{
	CLEANUP(query_end) struct query row = { 0 };
	struct address_key key;
	struct alias a;

	if (!domain.len || address_key(STR_LIT(""), domain, &key) < 0)
		return 0;
	return alias_read(r, address_key_text(&key), &a, &row, err);
}

/* The account that logs in by this name. stated: an alias says that it is its, so
   nothing is concluded from the address's form. */
static int by_name(struct registry *r, const struct address_key *key, bool stated,
	struct account_route *ret, struct error *err)
{
	struct str text = address_key_text(key), local, domain;
	int n;

	if (!stated) {
		address_split(text, &local, &domain);
		if (!domain_is_ours(r, domain) || !local_is_plain(local))
			return -ENOENT;
		n = domain_has_rule(r, domain, err);
		if (n != 0)
			return n < 0 ? n : -ENOENT;
	}
	return registry_route(r, text, ret, err);
}

int alias_follow(struct registry *r, struct address_key *key, struct account_route *ret,
	struct error *err)
{
	enum lead lead = LEAD_NOTHING;
	bool stated = false, is_cut = false;

	for (int hops = 0; hops < HOPS_MAX;) {
		int code = follow(r, key, &lead, err);

		if (code < 0)
			return code;
		if (lead == LEAD_AWAY)
			return -ENOENT;
		if (lead == LEAD_ON) {
			stated = true;
			hops++;
			continue;
		}
		code = by_name(r, key, stated || lead == LEAD_TO_ITSELF, ret, err);
		ret->by_subaddress = code == 0 && is_cut;
		if (code != -ENOENT || lead == LEAD_TO_ITSELF || !address_key_cut(r, key))
			return code;
		/* what an alias leads to may have one, too: not the sender's */
		is_cut = is_cut || !hops;
	}
	return -ENOENT;
}

/* All reads in one transaction: one picture of the registry, and its file is locked once
   instead of for each. */
static int find_at_once(struct registry *r, struct address_key *key,
	struct account_route *ret, struct error *err)
{
	const struct recent_answer *before;
	struct recent_question q;
	int code;

	before = recent_find(r->recent, r->db,
		(const struct str[]){ STR_LIT(""), STR_LIT("@"), address_key_text(key) },
		3, &q);
	if (before) {
		*ret = before->route;
		return 0;
	}
	code = database_begin_reading(r->db, err);
	if (code == 0)
		code = database_finish(r->db, alias_follow(r, key, ret, err), err);
	if (code == 0)
		recent_keep(r->recent, r->db, &q, ret, 0);
	return code;
}

static int find_or_say(struct registry *r, struct str local, struct str domain,
	struct account_route *ret, struct error *err)
{
	struct address_key key;
	int code = address_key(local, domain, &key) < 0 ? -ENOENT
	                                                : find_at_once(r, &key, ret, err);

	if (code == -ENOENT)
		error_set(err, code, "no account is known to have the address %.*s@%.*s",
			STR_ARG(local), STR_ARG(domain));
	return code;
}

int registry_address(struct registry *r, struct str local, struct str domain,
	struct account_route *ret, struct error *err)
{
	if (!local.len || !domain.len)
		return error_set(err, -ENOENT, "that is not a whole address");
	return find_or_say(r, local, domain, ret, err);
}

int registry_address_text(struct registry *r, struct str address,
	struct account_route *ret, struct error *err)
{
	struct str local, domain;

	address_split(address, &local, &domain);
	return registry_address(r, local, domain, ret, err);
}

/* ── what the admin writes ───────────────────────────────────────────────── */

static int key_or_say(
	struct str local, struct str domain, struct address_key *ret, struct error *err)
{
	if (domain.len && address_key(local, domain, ret) == 0)
		return 0;
	return error_set(err, -EINVAL, "\"%.*s@%.*s\" is not an address", STR_ARG(local),
		STR_ARG(domain));
}

static int write_durably(struct registry *r, const struct alias *a, struct error *err)
{
	int code = database_begin(r->db, true, err);

	return code < 0 ? code : database_finish(r->db, alias_write(r, a, err), err);
}

int registry_add_alias(struct registry *r, struct str local, struct str domain,
	struct str user, struct error *err)
{
	struct address_key key, target;
	struct str user_local, user_domain;
	int code = key_or_say(local, domain, &key, err);

	if (code < 0)
		return code;
	if (!local.len)
		return error_set(err, -EINVAL,
			"all of a domain cannot be one account's address; leave it to "
			"the source, or add the addresses one by one");
	address_split(str_trim(user), &user_local, &user_domain);
	if (address_key(user_local, user_domain, &target) < 0)
		return error_set(err, -EINVAL, "\"%.*s\" is not the name of a user",
			STR_ARG(user));
	return write_durably(r,
		&(struct alias){ .address = address_key_text(&key),
			.target = address_key_text(&target),
			.rule = user,
			.source = ALIAS_ADDED,
			.at = clock_wall_ms() },
		err);
}

int registry_remove_alias(
	struct registry *r, struct str local, struct str domain, struct error *err)
{
	struct address_key key;
	int code = key_or_say(local, domain, &key, err);

	if (code == 0)
		code = database_begin(r->db, true, err);
	if (code < 0)
		return code;
	code = sql_run(r->db, SQL_REMOVE_ALIAS,
		SQL_VALUES(sql_text(address_key_text(&key))), err);
	if (code == 0 && database_changes(r->db) == 0)
		code = error_set(err, -ENOENT,
			"there is no alias %.*s; `mailferry alias list` has them all",
			STR_ARG(address_key_text(&key)));
	return database_finish(r->db, code, err);
}
