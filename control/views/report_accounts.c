/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Accounts that are not served here, and addresses that only the source can expand. */
#include "control/views/account_view.h"
#include "control/views/report.h"

#include "base/clock.h"
#include "control/views/sweep_view.h"

#include <errno.h>

struct listing {
	struct registry *registry;
	struct report *report;
	struct error *err;
	uint64_t first_login_at; /* of all; 0: nobody's */
};

static struct str keep(struct listing *l, struct str s)
{
	return arena_str(&l->report->arena, s);
}

/* ── accounts ──────────────────────────────────────────────────────────────────────── */

static bool is_moving(const struct account *a)
{
	return a->route == ROUTE_BUSY ||
	       (a->stage != STAGE_IDLE && a->stage != STAGE_DONE &&
		       a->stage != STAGE_FAILED);
}

static bool can_log_in_here(const struct account *a)
{
	return a->route == ROUTE_LOCAL && a->passwords > 0;
}

static int put_why(const struct account *a, struct buf *to)
{
	if (a->route == ROUTE_LOCAL)
		return buf_append_c(
			to, "has no password here; set one: mailferry passwd");
	if (a->pin == PIN_SOURCE)
		return buf_append_c(to, "pinned to the source");
	if (a->stage == STAGE_FAILED)
		return buf_printf(to, "was not moved: %.*s", STR_ARG(a->last_error));
	if (a->stage == STAGE_CATCHING_UP && a->master.len && !a->has_untried_password)
		return buf_printf(to, "is copied, and waits for %.*s",
			STR_ARG(account_waits_for(a)));
	if (is_moving(a))
		return buf_append_c(to, "is on its way");
	if (!a->capturable)
		return buf_printf(to, "cannot be captured: logs in with %.*s",
			STR_ARG(a->uncapturable_why));
	if (!a->has_password)
		return buf_append_c(to, "has shown no password yet");
	return buf_append_c(to, "is due at its next login");
}

static int add_account(struct listing *l, const struct account *a, struct str why)
{
	struct report_account row = { .name = keep(l, a->name),
		.route = str_from(route_name(a->route)),
		.stage = str_from(stage_name(a->stage)),
		.why = keep(l, why) };

	return row.name.ptr && row.why.ptr
	               ? buf_append(&l->report->accounts, str_of(&row, sizeof(row)))
	               : -ENOMEM;
}

static void note_first_login(struct listing *l, const struct account *a)
{
	if (a->first_login_at &&
		(!l->first_login_at || a->first_login_at < l->first_login_at))
		l->first_login_at = a->first_login_at;
}

/* What still comes to its old mailbox. */
static int add_swept(struct listing *l, const struct account *a)
{
	struct report *p = l->report;
	size_t before = buf_len(&p->swept);
	const struct report_swept *row;
	uint64_t last = 0, changed = 0;
	int code = report_swept_add(l->registry, a, p, l->err);
	struct str rows = buf_view(&p->swept);

	for (rows = str_skip(rows, before); rows.len;
		rows = str_skip(rows, sizeof(*row))) {
		row = (const void *)rows.ptr;
		if (row->count)
			last = row->last_at > last ? row->last_at : last;
		else
			changed = row->last_at > changed ? row->last_at : changed;
	}
	p->n_swept += last / DAY_MS >= p->since_day;
	p->n_changed += changed / DAY_MS >= p->since_day;
	return code;
}

static int take_account(void *context, const struct account *a)
{
	struct listing *l = context;
	struct buf why;
	int code;

	l->report->n_accounts++;
	note_first_login(l, a);
	code = a->route == ROUTE_LOCAL ? add_swept(l, a) : 0;
	if (code == 0 && !a->is_made_here)
		code = report_found_add(l->registry, a, l->report, l->err);
	if (code < 0)
		return code;
	l->report->n_local += a->route == ROUTE_LOCAL;
	l->report->n_moving += is_moving(a);
	if (can_log_in_here(a))
		return 0;
	l->report->n_without_password += a->route == ROUTE_LOCAL;
	buf_init(&why, 0);
	code = put_why(a, &why);
	if (code == 0)
		code = add_account(l, a, buf_view(&why));
	buf_fini(&why);
	return code;
}

/* ── aliases ───────────────────────────────────────────────────────────────────────── */

static int add_rule(struct listing *l, struct buf *to, const struct alias *a)
{
	struct report_rule row = { .address = keep(l, a->address),
		.rule = keep(l, a->rule),
		.source = str_from(alias_source_name(a->source)) };

	return row.address.ptr && row.rule.ptr ? buf_append(to, str_of(&row, sizeof(row)))
	                                       : -ENOMEM;
}

static int take_alias(void *context, const struct alias *a)
{
	struct listing *l = context;
	struct account_route where;

	if (!a->target.len)
		return add_rule(l, &l->report->specials, a);
	if (registry_address_text(l->registry, a->address, &where, NULL) == 0)
		return 0;
	return add_rule(l, &l->report->unseen, a);
}

int report_accounts(struct control *c, struct registry *r, struct report *p)
{
	struct listing l = { .registry = r, .report = p, .err = &c->err };
	uint64_t now = clock_wall_ms();
	int code = registry_each(r, take_account, &l, &c->err);

	if (code == 0)
		code = registry_each_alias(r, take_alias, &l, &c->err);
	if (l.first_login_at && now > l.first_login_at)
		p->watched_ms = now - l.first_login_at;
	return code;
}
