/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/views/unseen_view.h"

#include <errno.h>
#include <inttypes.h>

#define SENTENCE_MAX 2048 /* two names (REGISTRY_NAME_MAX), and what helps */

#define ROW(field) offsetof(struct unseen, field)
#define ALL (IN_JSON | IN_TABLE)
const struct column unseen_columns[UNSEEN_COLUMN_COUNT] = {
	{ "client", "client", COLUMN_TEXT, ALL, ROW(client) },
	{ "service", "service", COLUMN_TEXT, ALL, ROW(service) },
	{ "why", "unseen", COLUMN_TEXT, ALL, ROW(why) },
	{ "open", "now", COLUMN_NUMBER, ALL, ROW(open) },
	{ "count", "in all", COLUMN_NUMBER, ALL, ROW(count) },
	{ "first_at", "first", COLUMN_TIME, ALL, ROW(first_at) },
	{ "last_at", "last", COLUMN_TIME, ALL, ROW(last_at) },
};

int unseen_list_add(void *context, const struct unseen *u)
{
	const struct unseen_list *l = context;
	struct unseen copy = *u;

	copy.client = arena_str(l->arena, u->client);
	copy.service = arena_str(l->arena, u->service);
	copy.why = arena_str(l->arena, u->why);
	if (!copy.client.ptr || !copy.service.ptr || !copy.why.ptr)
		return -ENOMEM;
	return buf_append(l->rows, str_of((const char *)&copy, sizeof(copy)));
}

/* ── whom it concerns ──────────────────────────────────────────────────────────────── */

static bool is_moving(const struct unseen_reader *u)
{
	return u->route != ROUTE_LOCAL && u->stage != STAGE_IDLE &&
	       u->stage != STAGE_DONE;
}

static void describe_direct(const struct unseen_reader *u, char *text, size_t size)
{
	(void)snprintf(text, size,
		"clients that %s are connected by %.*s "
		"(%" PRIu64
		" connections); whose they are is not known, and they would go on to see the old "
		"mailbox: wait until they have ended, or switch all the same: mailferry "
		"route %.*s local --yes",
		str_eq(u->what.why, STR_LIT(UNSEEN_DIRECT_OPEN))
			? "went past us before the rules were in, or while nobody "
			  "listened (fail = \"open\"),"
			: "`mailferry admit` lets past us",
		STR_ARG(u->what.service), u->what.open, STR_ARG(u->account));
}

static void describe(
	const struct unseen_reader *u, uint32_t hold_s, char *text, size_t size)
{
	const struct unseen *w = &u->what;
	bool is_here = u->route == ROUTE_LOCAL;
	char until[96] = "";

	if (str_eq(w->client, STR_LIT(UNSEEN_DIRECT))) {
		describe_direct(u, text, size);
		return;
	}
	if (!w->open && !is_here)
		(void)snprintf(until, sizeof(until),
			" (the switch waits `unseen_hold` (%" PRIu32
			" s) after the last one),",
			hold_s);

	(void)snprintf(text, size,
		"%.*s, where its user logs in from, %s by %.*s unseen (%.*s)%s put "
		"certificate and key of that name into `tls`%s or %s: mailferry route %.*s "
		"local --yes",
		STR_ARG(w->client), w->open ? "is connected" : "comes again and again",
		STR_ARG(w->service), STR_ARG(w->why),
		is_here ? " and may still be shown the old mailbox:"
			: "; it would go on to see the old mailbox:",
		until[0] ? until : ",",
		is_here ? "if it is nobody of that account" : "switch all the same",
		STR_ARG(u->account));
}

static int take_reader(void *context, const struct unseen_reader *u)
{
	struct held_list *l = context;
	char text[SENTENCE_MAX];
	struct held row;

	if (u->route != ROUTE_LOCAL && !is_moving(u))
		return 0;
	describe(u, l->hold_s, text, sizeof(text));
	row.account = arena_str(&l->arena, u->account);
	row.why = arena_str(&l->arena, str_from(text));
	if (!row.account.ptr || !row.why.ptr)
		return -ENOMEM;
	return buf_append(u->route == ROUTE_LOCAL ? &l->here : &l->rows,
		str_of((const char *)&row, sizeof(row)));
}

int held_list_gather(struct registry *r, const struct settings *s, struct held_list *ret,
	struct error *err)
{
	arena_init(&ret->arena);
	buf_init(&ret->rows, 0);
	buf_init(&ret->here, 0);
	ret->hold_s = s->unseen_hold_s;
	return registry_each_unseen_reader(
		r, s->unseen_hold_s * UINT64_C(1000), take_reader, ret, err);
}

void held_list_fini(struct held_list *l)
{
	buf_fini(&l->rows);
	buf_fini(&l->here);
	arena_fini(&l->arena);
}

struct str held_list_why(const struct held_list *l, struct str account)
{
	struct str rest = buf_view(&l->rows);

	for (; rest.len; rest = str_skip(rest, sizeof(struct held))) {
		const struct held *h = (const void *)rest.ptr;

		if (str_eq(h->account, account))
			return h->why;
	}
	return STR_LIT("");
}
