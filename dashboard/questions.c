/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/questions.h"

#include <string.h>

/* Users stand behind "--", so that no name is an option; the word after --kick is its
   value whatever it begins with. */
const struct question_row question_rows[QUESTION_ROWS] = {
	[QUESTION_STATUS] = { "status", { "status", "--json" } },
	[QUESTION_ACCOUNTS] = { "accounts", { "accounts", "--json" } },
	[QUESTION_TRANSFERS] = { "transfers", { "transfers", "--json" }, .is_slow = true,
		.waits_ms = 1200 },
	[QUESTION_FLOWS] = { "flows", { "flows", "--json" } },
	[QUESTION_COUNTERS] = { "counters", { "counters", "--json" } },
	[QUESTION_REPORT] = { "report", { "report", "--json" }, .is_slow = true },
	[QUESTION_ACCOUNT] = { "account", { "account", "--json", "--", "" } },
	[QUESTION_ROUTE_AUTO] = { "route-auto", { "route", "--", "", "auto" },
		.is_action = true, .says = "Leave it to mailferry who serves" },
	[QUESTION_ROUTE_SOURCE] = { "route-source", { "route", "--", "", "source" },
		.is_action = true, .says = "Let the old server serve" },
	[QUESTION_ROUTE_LOCAL] = { "route-local", { "route", "--", "", "local" },
		.is_action = true, .says = "Serve here from now on" },
	[QUESTION_TRANSFER] = { "transfer", { "transfer", "--", "" }, .is_action = true,
		.says = "Move now, not later," },
	[QUESTION_KICK] = { "kick", { "flows", "--kick", "" }, .is_action = true,
		.says = "End the connection" },
	[QUESTION_METRICS] = { "metrics", { "metrics" } },
};

enum question question_by_name(struct str name)
{
	for (int i = 0; i < QUESTION_COUNT; i++)
		if (str_eq(name, str_from(question_rows[i].name)))
			return (enum question)i;
	return QUESTION_COUNT;
}

bool question_has_argument(enum question q)
{
	for (size_t i = 0; question_rows[q].words[i]; i++)
		if (!*question_rows[q].words[i])
			return true;
	return false;
}

bool question_is_allowed(uint64_t number, struct str argument, bool admin)
{
	enum question q = (enum question)number;

	if (number >= QUESTION_COUNT || (question_rows[q].is_action && !admin))
		return false;
	if (!question_has_argument(q))
		return !argument.len;
	return argument.len && argument.len <= QUESTION_ARGUMENT_MAX &&
	       !memchr(argument.ptr, '\0', argument.len);
}
