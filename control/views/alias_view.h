/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_ALIAS_VIEW_H
#define CONTROL_VIEWS_ALIAS_VIEW_H
/* An alias as people and scripts see it, with where it leads now. */
#include "control/terminal/output.h"
#include "registry/alias.h"

struct alias_view {
	struct alias alias; /* strings belong to where it came from */
	struct account_route where;
	struct str account, route; /* where it leads; empty: to nobody here */
	struct str source, outcome;
	bool special;
	uint64_t line; /* of a file */
};
/* Of a list, and of an import. */
extern const struct column alias_columns[], import_columns[];
extern const size_t alias_column_count, import_column_count;

/* Looks up where it leads; a dry run's rules lead nowhere yet. */
void alias_view(struct registry *r, const struct alias *a, struct alias_view *ret);

#endif
