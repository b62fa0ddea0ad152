/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/alias_view.h"

#define ROW(field) offsetof(struct alias_view, field)
#define ALL (IN_JSON | IN_TABLE)

const struct column alias_columns[] = {
	{ "address", "address", COLUMN_TEXT, ALL, ROW(alias.address) },
	{ "account", "account", COLUMN_TEXT, ALL, ROW(account) },
	{ "route", "route", COLUMN_TEXT, ALL, ROW(route) },
	{ "special", "special", COLUMN_YES_NO, ALL, ROW(special) },
	{ "rule", "rule", COLUMN_TEXT, ALL, ROW(alias.rule) },
	{ "source", "source", COLUMN_TEXT, ALL, ROW(source) },
	{ "at", "since", COLUMN_TIME, ALL, ROW(alias.at) },
};
const size_t alias_column_count = sizeof(alias_columns) / sizeof(alias_columns[0]);

const struct column import_columns[] = {
	{ "line", "line", COLUMN_NUMBER, ALL, ROW(line) },
	{ "outcome", "outcome", COLUMN_TEXT, ALL, ROW(outcome) },
	{ "address", "address", COLUMN_TEXT, ALL, ROW(alias.address) },
	{ "special", "special", COLUMN_YES_NO, ALL, ROW(special) },
	{ "rule", "rule", COLUMN_TEXT, ALL, ROW(alias.rule) },
};
const size_t import_column_count = sizeof(import_columns) / sizeof(import_columns[0]);

void alias_view(struct registry *r, const struct alias *a, struct alias_view *ret)
{
	*ret = (struct alias_view){ .alias = *a,
		.source = str_from(alias_source_name(a->source)),
		.special = !a->target.len };
	if (registry_address_text(r, a->address, &ret->where, NULL) < 0)
		return;
	ret->account = str_from(ret->where.name);
	ret->route = str_from(route_name(ret->where.route));
}
