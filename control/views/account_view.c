/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/account_view.h"

#include "registry/masters.h"

#define ROW(field) offsetof(struct account_view, field)
#define ACCOUNT(field) offsetof(struct account_view, account.field)
#define EVERYWHERE (IN_JSON | IN_LIST | IN_TABLE)

const struct column account_columns[] = {
	{ "name", "account", COLUMN_TEXT, EVERYWHERE, ACCOUNT(name) },
	{ "route", "route", COLUMN_TEXT, EVERYWHERE, ROW(route) },
	{ "stage", "stage", COLUMN_TEXT, EVERYWHERE, ROW(stage) },
	{ "pin", "pin", COLUMN_TEXT, EVERYWHERE, ROW(pin) },
	{ "capturable", "capturable", COLUMN_YES_NO, EVERYWHERE, ACCOUNT(capturable) },
	{ "uncapturable_why", "why not capturable", COLUMN_TEXT, IN_JSON | IN_LIST,
		ACCOUNT(uncapturable_why) },
	{ "folders", "folders", COLUMN_NUMBER, EVERYWHERE, ACCOUNT(folders) },
	{ "messages_total", "messages", COLUMN_NUMBER, EVERYWHERE,
		ACCOUNT(messages_total) },
	{ "messages_copied", "copied", COLUMN_NUMBER, EVERYWHERE,
		ACCOUNT(messages_copied) },
	{ "bytes_copied", "bytes", COLUMN_BYTES, EVERYWHERE, ACCOUNT(bytes_copied) },
	{ "destination", "destination", COLUMN_TEXT, IN_JSON | IN_LIST,
		ROW(destination) },
	{ "uids_kept", "UIDs kept", COLUMN_KEPT, EVERYWHERE, ACCOUNT(uids_kept) },
	{ "uidls_kept", "UIDLs kept", COLUMN_KEPT, EVERYWHERE, ACCOUNT(uidls_kept) },
	{ "out_of_service_ms", "out of service, ms", COLUMN_NUMBER, EVERYWHERE,
		ACCOUNT(out_of_service_ms) },
	{ "attempts", "attempts", COLUMN_NUMBER, IN_JSON | IN_LIST, ACCOUNT(attempts) },
	{ "next_try_at", "next try", COLUMN_TIME, IN_JSON | IN_LIST,
		ACCOUNT(next_try_at) },
	{ "first_login_at", "first login", COLUMN_TIME, IN_JSON | IN_LIST,
		ACCOUNT(first_login_at) },
	{ "last_login_at", "last login", COLUMN_TIME, IN_JSON | IN_LIST,
		ACCOUNT(last_login_at) },
	{ "passwords", "passwords", COLUMN_NUMBER, IN_JSON | IN_LIST,
		ACCOUNT(passwords) },
	{ "candidates", "passwords unproven", COLUMN_NUMBER, IN_JSON | IN_LIST,
		ACCOUNT(candidates) },
	{ "local_password_at", "password set", COLUMN_TIME, IN_JSON | IN_LIST,
		ACCOUNT(local_password_at) },
	{ "made_here", "made here", COLUMN_YES_NO, IN_JSON | IN_LIST,
		ACCOUNT(is_made_here) },
	{ "disabled", "disabled", COLUMN_YES_NO, EVERYWHERE, ACCOUNT(is_disabled) },
	{ "held", "held", COLUMN_TEXT, IN_JSON | IN_LIST, ROW(held) },
	{ "master", "copied by", COLUMN_TEXT, IN_JSON | IN_LIST, ACCOUNT(master) },
	{ "waits_for", "waits for", COLUMN_TEXT, IN_JSON | IN_LIST, ROW(waits_for) },
	{ "last_error", "last error", COLUMN_TEXT, EVERYWHERE, ACCOUNT(last_error) },
};
const size_t account_column_count = sizeof(account_columns) / sizeof(account_columns[0]);

#define LOG_OFF "the user's log-off"

/* A copy that a master user made. */
static struct str copied_waits_for(const struct account *a)
{
	if (a->has_password)
		return STR_LIT("a login with another password");
	return a->uncapturable_why.len ? STR_LIT("a login that shows its password")
	                               : STR_LIT("the user's first login");
}

struct str account_waits_for(const struct account *a)
{
	bool can_move = a->has_untried_password || a->master.len;

	if (a->pin == PIN_SOURCE)
		return STR_LIT("");
	if (account_needs_master(a) && a->master_try_at && a->stage != STAGE_CATCHING_UP)
		return STR_LIT("the source, which refuses the master user");
	if (a->stage == STAGE_FAILED)
		return STR_LIT("its next try");
	if (a->stage == STAGE_DUE && !can_move && !a->has_password)
		return STR_LIT("a login that shows its password");
	if (a->stage != STAGE_CATCHING_UP)
		return STR_LIT("");
	return a->master.len && !a->has_untried_password ? copied_waits_for(a)
	                                                 : STR_LIT(LOG_OFF);
}

void account_view(const struct account *a, struct str held, struct account_view *ret)
{
	struct str waits_for = account_waits_for(a);

	if (held.len && str_eq(waits_for, STR_LIT(LOG_OFF)))
		waits_for = STR_LIT(""); /* a log-off alone would not do */
	*ret = (struct account_view){ .account = *a,
		.route = str_from(route_name(a->route)),
		.stage = str_from(stage_name(a->stage)),
		.pin = str_from(pin_name(a->pin)),
		.destination = a->home.len               ? a->home
		               : a->route == ROUTE_LOCAL ? STR_LIT("store")
		                                         : STR_LIT(""),
		.held = held,
		.waits_for = waits_for };
}
