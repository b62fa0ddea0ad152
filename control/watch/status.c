/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/watch/status.h"

#include "control/running/events.h"
#include "control/running/judged.h"
#include "control/running/neighbours_watch.h"
#include "control/running/part.h"
#include "control/running/rights.h"
#include "control/running/rules_wanted.h"
#include "control/running/upgrade_file.h"
#include "control/views/unseen_view.h"
#include "control/watch/flows.h"
#include "control/watch/trouble.h"

#include "base/clock.h"
#include "messages/ask.h"
#include "registry/retire.h"
#include "registry/sweeps.h"
#include "settings/state_lock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define ATTENTION_MAX 20 /* one screen; `accounts` has all */
#define HELD_SHOWN_MAX 5
#define NEVER_LEAVES_MS (24 * 3600 * 1000ULL) /* phones that are always on */

static const char *const rules_names[] = { "unknown", "absent", "differ", "in place" };
static const struct {
	const char *name, *socket;
} programs[] = {
	[STATUS_VAULT] = { "vault", VAULT_SOCKET },
	[STATUS_INTERCEPTOR] = { "interceptor", INTERCEPTOR_SOCKET },
	[STATUS_MAILSTORE] = { "mailstore", MAILSTORE_SOCKET },
	[STATUS_TRANSFER] = { "transfer", TRANSFER_SOCKET },
	[STATUS_ADMISSION] = { "admission", ADMISSION_SOCKET },
};
_Static_assert(sizeof(rules_names) / sizeof(rules_names[0]) == STATUS_RULES_COUNT,
	"a name for each");
_Static_assert(
	sizeof(programs) / sizeof(programs[0]) == STATUS_PROGRAM_COUNT, "a row for each");

const char *status_rules_name(enum status_rules r)
{
	return rules_names[r];
}

const char *status_program_name(enum status_program p)
{
	return programs[p].name;
}

bool status_program_runs(const struct settings *s, enum status_program p)
{
	return ask_runs(s->run_dir, programs[p].socket);
}

void status_attend(struct status *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)json_array_append_new(s->attention, output_sentence(format, args));
	va_end(args);
}

/* ── accounts ──────────────────────────────────────────────────────────────────────── */

struct status_watch {
	struct status *status;
	uint64_t now, hold_ms;
	size_t more; /* that did not fit the screen */
};

static void attend_account(struct status_watch *w, const struct account *a)
{
	struct status *s = w->status;

	if (a->stage == STAGE_FAILED)
		status_attend(s, "%.*s was not moved: %.*s", STR_ARG(a->name),
			STR_ARG(a->last_error));
	else if (a->route == ROUTE_BUSY)
		status_attend(s, "%.*s has been busy for %llu s", STR_ARG(a->name),
			(unsigned long long)((w->now - a->busy_since) / 1000));
	else if (a->capturable)
		status_attend(s,
			"%.*s is copied, but has not logged off for %llu h; with "
			"`deadline` its sessions would be ended for the switch",
			STR_ARG(a->name),
			(unsigned long long)((w->now - a->stage_at) / 3600000));
	else
		status_attend(s,
			"%.*s cannot be moved: logs in with %.*s, which shows no "
			"password; one login with it (IMAP or POP3) is enough, or, when "
			"the account lives here: mailferry passwd %.*s",
			STR_ARG(a->name), STR_ARG(a->uncapturable_why), STR_ARG(a->name));
}

static int look_at(void *context, const struct account *a)
{
	struct status_watch *w = context;
	bool stuck = a->route == ROUTE_BUSY && w->now > a->busy_since + w->hold_ms;
	bool stays = a->stage == STAGE_CATCHING_UP && a->pin != PIN_SOURCE &&
	             w->now > a->stage_at + NEVER_LEAVES_MS;

	if (a->stage != STAGE_FAILED && !stuck && !stays && a->capturable)
		return 0;
	if (json_array_size(w->status->attention) < ATTENTION_MAX)
		attend_account(w, a);
	else
		w->more++;
	return 0;
}

static int gather_accounts(
	struct control *c, struct registry *r, struct status *s, bool *ret_any_local)
{
	struct status_watch w = { .status = s,
		.now = clock_wall_ms(),
		.hold_ms = (uint64_t)c->settings.hold_s * 1000 };
	int code = registry_counts(r, &s->counts, &c->err);

	if (code == 0)
		code = registry_any_local(r, ret_any_local, &c->err);
	if (code == 0)
		code = registry_retired(r, &s->retired_at, &c->err);
	if (code == 0)
		code = registry_each_troubled(r, look_at, &w, &c->err);
	if (w.more)
		status_attend(
			s, "… and %zu accounts more; see `mailferry accounts`", w.more);
	return code;
}

/* ── what passes unseen ────────────────────────────────────────────────────────────── */

static int add_unseen(void *context, const struct unseen *u)
{
	return json_array_append_new(
		       context, output_object(unseen_columns, UNSEEN_COLUMN_COUNT, u)) < 0
	               ? -ENOMEM
	               : 0;
}

static void attend_held(struct status *s, const struct buf *rows, const char *what)
{
	struct str rest = buf_view(rows);

	for (size_t n = 0; rest.len; rest = str_skip(rest, sizeof(struct held)), n++) {
		const struct held *h = (const void *)rest.ptr;

		if (n == HELD_SHOWN_MAX) {
			status_attend(s, "… and %zu more; see `mailferry account`",
				rest.len / sizeof(*h));
			return;
		}
		status_attend(
			s, "%.*s %s: %.*s", STR_ARG(h->account), what, STR_ARG(h->why));
	}
}

static void attend_neighbours(struct control *c, struct registry *r, struct status *s)
{
	struct neighbours_seen seen;

	if (neighbours_seen(r, &c->settings, clock_wall_ms() - UNSEEN_SHOWN_MS, &seen,
		    NULL) < 0 ||
		!seen.hosts)
		return;
	status_attend(s,
		"%" PRIu64
		" hosts of the source's own network asked for its address within a day "
		"(%s): they may reach it past us, and their users would meet old "
		"mailboxes; lead them through this router (handbook: topologies), or "
		"name those that read no mail in `source_neighbours`",
		seen.hosts, seen.text);
}

/* Whoever does so was not seen by us. */
static void attend_changed(struct registry *r, struct status *s)
{
	struct arena arena;
	struct str name;
	uint64_t n = 0;

	arena_init(&arena);
	if (registry_changed_there(
		    r, clock_wall_ms() - UNSEEN_SHOWN_MS, &arena, &n, &name, NULL) == 0 &&
		n)
		status_attend(s,
			"old mailboxes of %" PRIu64
			" accounts that live here were changed at the source within a "
			"day, past us (last that of %.*s): somebody uses them by "
			"webmail, a program there or from its own network; `mailferry "
			"report` has each",
			n, STR_ARG(name));
	arena_fini(&arena);
}

static void gather_unseen(struct control *c, struct registry *r, struct status *s)
{
	uint64_t now = clock_wall_ms();
	struct held_list held;

	if (!r || s->retired_at)
		return;
	(void)registry_each_unseen(r, now - UNSEEN_SHOWN_MS, add_unseen, s->unseen, NULL);
	if (held_list_gather(r, &c->settings, &held, NULL) == 0) {
		attend_held(s, &held.rows, "is not switched");
		attend_held(s, &held.here, "lives here");
	}
	held_list_fini(&held);
	attend_neighbours(c, r, s);
	attend_changed(r, s);
}

/* ── the running side ──────────────────────────────────────────────────────────────── */

/* Those without a program; of the others the program does not answer. */
static void attend_parts(struct control *c, struct status *s)
{
	bool runs[PART_COUNT] = { false }, any = false;

	if (state_lock_holder(&c->settings, STATE_LOCK_UP) > 0)
		return;
	for (size_t i = 0; i < PART_COUNT; i++) {
		runs[i] = state_lock_holder(&c->settings, parts[i].lock) > 0;
		any = any || runs[i];
	}
	for (size_t i = 0; any && i < PART_COUNT; i++)
		if (!parts[i].programs && !runs[i])
			status_attend(s, "`mailferry up %s` does not run; see its log",
				parts[i].name);
}

static void gather_programs(struct control *c, struct status *s)
{
	size_t up = 0;

	for (size_t i = 0; i < STATUS_PROGRAM_COUNT; i++) {
		s->runs[i] = status_program_runs(&c->settings, (enum status_program)i);
		up += s->runs[i];
	}
	for (size_t i = 0; up && i < STATUS_PROGRAM_COUNT; i++)
		if (!s->runs[i])
			status_attend(s,
				"the %s does not answer; see the log of `mailferry up`",
				programs[i].name);
	if (up && *c->settings.dashboard.listen &&
		!state_lock_holder(&c->settings, STATE_LOCK_DASHBOARD))
		status_attend(
			s, "the dashboard does not run; see the log of `mailferry up`");
	attend_parts(c, s);
}

static enum status_rules look_at_rules(
	struct control *c, struct registry *r, bool any_local)
{
	struct rules_count counts[RULES_COUNTS_MAX];
	struct ruleset wanted;
	struct buf lines;
	size_t n = 0;
	int code;

	if (rights_require_network(NULL) < 0)
		return STATUS_RULES_UNKNOWN;
	if (rules_counters(counts, &n, NULL) == -ENOENT)
		return STATUS_RULES_ABSENT;
	buf_init(&lines, 0);
	code = rules_wanted(&c->settings, r, any_local, &wanted, NULL);
	if (code == 0)
		code = rules_check(&wanted, &lines, &n, NULL);
	buf_fini(&lines);
	return code < 0 ? STATUS_RULES_UNKNOWN
	       : n      ? STATUS_RULES_DIFFER
	                : STATUS_RULES_IN_PLACE;
}

static void gather_rules(
	struct control *c, struct status *s, struct registry *r, bool any_local)
{
	s->fail = settings_effective_fail(&c->settings, any_local);
	s->rules = look_at_rules(c, r, any_local);
	if (s->rules == STATUS_RULES_DIFFER)
		status_attend(s,
			"the rules in the kernel are not as wanted; see `mailferry rules "
			"check`");
	if (s->rules == STATUS_RULES_ABSENT && s->runs[STATUS_INTERCEPTOR])
		status_attend(s,
			"no rules are installed, so clients go past us; run `mailferry "
			"rules install`");
	if (s->counts.routes[ROUTE_LOCAL] && s->fail == FAIL_OPEN)
		status_attend(s,
			"fail = \"open\" although accounts live here: while mailferry is "
			"down their users see the source's old mailbox");
}

/* What that means for clients, too: who has moved must not meet the old mailbox. */
static void attend_stopped(struct status *s, bool any_local)
{
	for (size_t i = 0; i < STATUS_PROGRAM_COUNT; i++)
		if (s->runs[i])
			return;
	status_attend(s, "mailferry does not run%s; start `mailferry up`",
		s->rules == STATUS_RULES_ABSENT && any_local
			? ", and no rules are in place: users who have moved meet their "
			  "old mailboxes"
		: s->rules == STATUS_RULES_IN_PLACE && s->fail == FAIL_CLOSED
			? ", and the rules refuse new connections"
			: "");
}

/* A setting of this host that spoils it may be set at any time. */
static void gather_features(struct control *c, struct status *s)
{
	struct rules_feature features[RULES_FEATURES_MAX];
	size_t n = 0;

	if (rights_require_network(NULL) < 0 || rules_probe(features, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (features[i].code &&
			rules_feature_is_wanted(&c->settings, features[i].name))
			status_attend(s, "%s", features[i].text);
}

/* What of before the last upgrade still runs. */
static void gather_old(struct control *c, struct status *s)
{
	static const struct message question = { .type = MESSAGE_RETIRED };

	s->old_programs = upgrade_file_retired(&c->settings);
	if (json_array_size(s->old_programs))
		(void)ask(c->settings.run_dir, INTERCEPTOR_SOCKET, &question,
			MESSAGE_RETIRED_IS, &ask_patience, &s->old_connections, NULL);
}

/* What is over, but should be known of. */
static void gather_events(struct control *c, struct status *s)
{
	json_t *all = events_read(&c->settings), *event;
	size_t i;

	json_array_foreach(all, i, event)
	{
		uint64_t at = (uint64_t)json_integer_value(json_object_get(event, "at"));
		uint64_t ago = clock_wall_ms() - at;

		if (ago < EVENT_SHOWN_MS)
			status_attend(s, "%s (times: %lld; the last one %llu min ago)",
				json_string_value(json_object_get(event, "text")),
				json_integer_value(json_object_get(event, "count")),
				(unsigned long long)(ago / 60000));
	}
	json_decref(all);
}

/* To read thousands as JSON takes longer than all the rest. In no string of it there is a
   quote that is not escaped, so what is found is the field. */
static int count_flow(void *context, struct str flow)
{
	static const char field[] = "\"route\":\"";
	struct status *s = context;
	const char *found = memmem(flow.ptr, flow.len, field, sizeof(field) - 1);
	struct str rest =
		found ? str_skip(flow, (size_t)(found - flow.ptr) + sizeof(field) - 1)
		      : STR_LIT("");
	struct str route = str_split(&rest, '"');
	int at = 0;

	while (at < ROUTE_COUNT && !str_eq(route, str_from(route_name((enum route)at))))
		at++;
	s->flows[at]++;
	return 0;
}

static void gather_flows(struct control *c, struct status *s)
{
	if (s->runs[STATUS_INTERCEPTOR])
		(void)flows_each(&c->settings, count_flow, s, NULL);
}

int status_gather(struct control *c, struct status *ret)
{
	struct status s = { .attention = json_array(),
		.unseen = json_array(),
		.certificates = json_array(),
		.ports = json_array() };
	struct registry *r = NULL;
	bool any_local = false;
	int code;

	if (!s.attention || !s.unseen || !s.certificates || !s.ports)
		return error_set(&c->err, -ENOMEM, "no memory");
	gather_programs(c, &s);
	code = control_registry(c, &r);
	if (code == 0)
		code = gather_accounts(c, r, &s, &any_local);
	if (code < 0 && code != -ENOENT) {
		registry_close(r);
		status_fini(&s);
		return code;
	}
	gather_rules(c, &s, r, any_local);
	attend_stopped(&s, any_local);
	gather_unseen(c, r, &s);
	trouble_gather(c, r, &s);
	registry_close(r);
	gather_features(c, &s);
	gather_old(c, &s);
	gather_events(c, &s);
	gather_flows(c, &s);
	if (s.runs[STATUS_ADMISSION])
		s.admission = judged_ask(&c->settings);
	*ret = s;
	return 0;
}

void status_fini(struct status *s)
{
	json_decref(s->attention);
	json_decref(s->old_programs);
	json_decref(s->unseen);
	json_decref(s->certificates);
	json_decref(s->ports);
	json_decref(s->admission);
	s->attention = s->admission = NULL;
}
