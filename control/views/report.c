/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/report.h"

#include "base/clock.h"
#include "control/check/check_filters.h"
#include "control/check/senders_tls.h"
#include "control/running/events.h"
#include "control/running/neighbours_watch.h"
#include "control/views/unseen_view.h"
#include "registry/retire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define SERVICES_TEXT_MAX 256 /* of services */

void report_say(json_t *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)json_array_append_new(to, output_sentence(format, args));
	va_end(args);
}

struct str report_text(struct report *p, const json_t *object, const char *key)
{
	return arena_str(&p->arena, output_text(object, key));
}

int report_days(struct control *c, uint64_t *ret_days)
{
	uint64_t days = REPORT_DAYS;

	if (c->days &&
		(!str_to_u64(str_from(c->days), &days) || !days || days > RECIPIENT_DAYS))
		return error_set(&c->err, -EINVAL,
			"--days is a number from 1 to %d, not \"%s\"", RECIPIENT_DAYS,
			c->days);
	*ret_days = days;
	return 0;
}

/* ── what it comes to ──────────────────────────────────────────────────────────────── */

static size_t rows_of(const struct buf *b, size_t size)
{
	return buf_len(b) / size;
}

static void count_reason(struct report *p, uint64_t n, const char *one, const char *many)
{
	if (n)
		report_say(p->reasons, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

static void find_reasons(struct control *c, struct report *p)
{
	size_t not_here = rows_of(&p->accounts, sizeof(struct report_account)) -
	                  p->n_without_password;

	if (!p->n_local)
		report_say(p->reasons, "no account lives here yet");
	count_reason(p, not_here, "account is still served by the source",
		"accounts are still served by the source");
	count_reason(p, p->n_without_password, "account here has no password",
		"accounts here have no password");
	count_reason(p, p->n_open, "address still gets its mail there",
		"addresses still get their mail there");
	count_reason(p, p->n_swept, "account here still gets mail at the source",
		"accounts here still get mail at the source");
	count_reason(p, p->n_changed, "old mailbox of an account here is used past us",
		"old mailboxes of accounts here are used past us");
	count_reason(p, rows_of(&p->unseen, sizeof(struct report_rule)),
		"alias leads to a user who has never logged in",
		"aliases lead to users who have never logged in");
	count_reason(p, rows_of(&p->specials, sizeof(struct report_rule)),
		"special rule is expanded by the source",
		"special rules are expanded by the source");
	if (p->more)
		report_say(p->reasons,
			"more addresses than are kept apart got mail there (%" PRIu64
			" messages)",
			p->more);
	if (!c->settings.services[SERVICE_SMTP].enabled)
		report_say(p->reasons,
			"smtp is not enabled, so it is not known who gets mail there");
	count_reason(p, rows_of(&p->missing, sizeof(struct str)),
		"user of the source has never logged in through us",
		"users of the source have never logged in through us");
	if (p->watched_ms < p->days * DAY_MS)
		report_say(p->reasons,
			"it was watched for %" PRIu64 " of %" PRIu64 " days",
			p->watched_ms / DAY_MS, p->days);
}

/* Senders that insist on TLS cannot deliver to users here, and nobody would tell them. */
static int find_clear_mail(struct control *c, struct registry *r, struct report *p)
{
	uint64_t at = 0;
	int code = registry_clear_mail(r, &at, &c->err);

	if (code == 0 && senders_lack_tls(c, r))
		report_say(p->reasons,
			"senders that insist on TLS cannot deliver: there is no key for "
			"STARTTLS on smtp, which the source offers");
	if (code == 0 && at / DAY_MS >= p->since_day &&
		!settings_ends_tls(&c->settings, SERVICE_SMTP))
		report_say(p->reasons,
			"mail comes in clear, since there is no key for STARTTLS on smtp "
			"(the last %" PRIu64 " h ago)",
			(clock_wall_ms() - at) / 3600000);
	return code;
}

static void count_unseen(struct report *p)
{
	struct str rest = buf_view(&p->flows);
	const struct unseen *first = NULL;
	size_t n = 0;

	for (; rest.len; rest = str_skip(rest, sizeof(*first))) {
		const struct unseen *u = (const void *)rest.ptr;

		if (str_eq(u->service, STR_LIT(UNSEEN_NEIGHBOUR)))
			continue;
		first = first ? first : u;
		n++;
	}
	if (n)
		report_say(p->reasons,
			"sessions passed unseen (clients: %zu; %.*s from %.*s: %.*s)", n,
			STR_ARG(first->service), STR_ARG(first->client),
			STR_ARG(first->why));
}

/* Who is beside the source need not come through us. */
static int find_neighbours(struct control *c, struct registry *r, struct report *p)
{
	struct neighbours_seen seen;
	int code =
		neighbours_seen(r, &c->settings, p->since_day * DAY_MS, &seen, &c->err);

	if (code == 0 && seen.hosts)
		report_say(p->reasons,
			"hosts of the source's own network may reach it past us (%" PRIu64
			": %s)",
			seen.hosts, seen.text);
	if (code < 0)
		return code;
	if (!neighbours_are_heard(&c->settings))
		report_say(p->not_watched,
			"hosts of the source's own network: this host is not in it, or by a tunnel");
	else if (event_is_noted(&c->settings, NEIGHBOURS_EVENT))
		report_say(p->not_watched,
			"all hosts of the source's own network (`mailferry status` says "
			"why)");
	return 0;
}

/* A login that we cannot see is one that would end with the source. */
static int find_unseen(struct control *c, struct registry *r, struct report *p)
{
	char services[SERVICES_TEXT_MAX];
	struct unseen_list list = { &p->arena, &p->flows };
	int code = registry_each_unseen(
		r, p->since_day * DAY_MS, unseen_list_add, &list, &c->err);

	if (code == 0)
		code = find_neighbours(c, r, p);
	if (code < 0)
		return code;
	count_unseen(p);
	report_unseen_services(c, services, sizeof(services));
	if (services[0])
		report_say(p->reasons,
			"the source answers on %s, whose users we do not see", services);
	return 0;
}

static bool is_routed_past(const struct settings *s, enum service_id id)
{
	return !s->services[id].enabled;
}

static bool passes_after_starttls(const struct settings *s, enum service_id id)
{
	return s->services[id].enabled && s->services[id].tls != SERVICE_TLS_HIDE &&
	       !service_is_implicit(id) && !settings_ends_tls(s, id);
}

static bool passes_inside_tls(const struct settings *s, enum service_id id)
{
	return s->services[id].enabled && service_is_implicit(id) &&
	       !settings_ends_tls(s, id);
}

static void add_blind_spot(struct control *c, struct report *p, const char *why,
	bool (*applies)(const struct settings *s, enum service_id id))
{
	char names[SERVICES_TEXT_MAX] = "";

	for (int id = 0; id < SERVICE_COUNT; id++) {
		size_t len = strlen(names);

		if (applies(&c->settings, (enum service_id)id))
			(void)snprintf(names + len, sizeof(names) - len, "%s%s",
				len ? ", " : "", service_name((enum service_id)id));
	}
	if (names[0])
		report_say(p->not_watched, "%s %s", names, why);
}

/* What is said above holds only for what passes through us in the clear. */
static void find_blind_spots(struct control *c, struct report *p)
{
	add_blind_spot(c, p, "after STARTTLS (passes unseen)", passes_after_starttls);
	add_blind_spot(c, p, "(TLS passes unseen: no key here)", passes_inside_tls);
	add_blind_spot(c, p, "(routed past us)", is_routed_past);
	if (!c->settings.sweep_s)
		report_say(p->not_watched, "old mailboxes (sweep = 0)");
}

static int gather(struct control *c, struct registry *r, struct report *p)
{
	int code;

	if (!p->reasons || !p->not_watched || !p->remarks)
		return -ENOMEM;
	code = registry_retired(r, &p->retired_at, &c->err);
	if (code == 0)
		code = report_addresses(c, r, p);
	if (code == 0)
		code = report_accounts(c, r, p);
	if (code == 0)
		code = report_users(c, r, p);
	if (code == 0)
		code = report_found_finish(c, p);
	if (code < 0)
		return code;
	find_reasons(c, p);
	if (!p->retired_at)
		code = find_unseen(c, r, p);
	if (code == 0 && !p->retired_at)
		code = find_clear_mail(c, r, p);
	if (code < 0)
		return code;
	find_blind_spots(c, p);
	p->is_unfiltered = p->n_local && is_mail_unfiltered(&c->settings);
	return 0;
}

int report_gather(struct control *c, struct registry *r, uint64_t days,
	report_own_quota_fn *own_quota, struct report *ret)
{
	uint64_t today = clock_wall_ms() / DAY_MS;
	int code;

	*ret = (struct report){ .days = days,
		.since_day = today - days + 1,
		.own_quota = own_quota,
		.not_watched = json_array(),
		.remarks = json_array(),
		.reasons = json_array() };
	arena_init(&ret->arena);
	buf_init(&ret->addresses, 0);
	buf_init(&ret->accounts, 0);
	buf_init(&ret->unseen, 0);
	buf_init(&ret->swept, 0);
	buf_init(&ret->specials, 0);
	buf_init(&ret->flows, 0);
	buf_init(&ret->missing, 0);
	buf_init(&ret->shared, 0);
	buf_init(&ret->shares, 0);
	buf_init(&ret->quotas, 0);
	buf_init(&ret->limited, 0);
	code = gather(c, r, ret);
	if (code < 0)
		report_fini(ret);
	return code;
}

void report_fini(struct report *p)
{
	struct str rest = buf_view(&p->addresses);

	for (; rest.len; rest = str_skip(rest, sizeof(struct report_address)))
		json_decref(((const struct report_address *)(const void *)rest.ptr)
				    ->days_json);
	json_decref(p->not_watched);
	json_decref(p->remarks);
	json_decref(p->reasons);
	buf_fini(&p->addresses);
	buf_fini(&p->accounts);
	buf_fini(&p->unseen);
	buf_fini(&p->swept);
	buf_fini(&p->specials);
	buf_fini(&p->flows);
	buf_fini(&p->missing);
	buf_fini(&p->shared);
	buf_fini(&p->shares);
	buf_fini(&p->quotas);
	buf_fini(&p->limited);
	arena_fini(&p->arena);
}

bool report_is_safe(const struct report *p)
{
	return json_array_size(p->reasons) == 0;
}

void report_print_reasons(const struct report *p, FILE *to)
{
	for (size_t i = 0; i < json_array_size(p->reasons); i++) {
		(void)fputs(i ? "; " : "", to);
		output_clean(
			str_from(json_string_value(json_array_get(p->reasons, i))), to);
	}
}

void report_print_remarks(const struct report *p, FILE *to)
{
	for (size_t i = 0; i < json_array_size(p->remarks); i++) {
		(void)fputs("does not move: ", to);
		output_clean(
			str_from(json_string_value(json_array_get(p->remarks, i))), to);
		(void)fputc('\n', to);
	}
}
