/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/notify.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const struct event_row {
	struct str name;
	enum imap_event event;
} event_rows[] = {
	{ STR("MessageNew"), IMAP_EVENT_NEW },
	{ STR("MessageExpunge"), IMAP_EVENT_EXPUNGE },
	{ STR("FlagChange"), IMAP_EVENT_FLAGS },
	{ STR("AnnotationChange"), IMAP_EVENT_ANNOTATION },
	{ STR("MailboxName"), IMAP_EVENT_NAME },
	{ STR("SubscriptionChange"), IMAP_EVENT_SUBSCRIPTION },
	{ STR("MailboxMetadataChange"), IMAP_EVENT_METADATA },
	{ STR("ServerMetadataChange"), IMAP_EVENT_SERVER_METADATA },
};

static const struct filter_row {
	struct str name;
	enum imap_notify_of of;
} filter_rows[] = {
	{ STR("selected"), IMAP_NOTIFY_SELECTED },
	{ STR("selected-delayed"), IMAP_NOTIFY_SELECTED_DELAYED },
	{ STR("inboxes"), IMAP_NOTIFY_PERSONAL },
	{ STR("personal"), IMAP_NOTIFY_PERSONAL },
	{ STR("subscribed"), IMAP_NOTIFY_SUBSCRIBED },
	{ STR("subtree"), IMAP_NOTIFY_SUBTREE },
	{ STR("mailboxes"), IMAP_NOTIFY_MAILBOXES },
};

/* ── events ────────────────────────────────────────────────────────────────────────── */

static bool take_event(struct imap_cursor *c, struct imap_notify_group *g)
{
	struct str name;

	if (!imap_atom(c, &name))
		return false;
	for (size_t i = 0; i < COUNT(event_rows); i++) {
		if (!str_ieq(name, event_rows[i].name))
			continue;
		g->events |= event_rows[i].event;
		return event_rows[i].event != IMAP_EVENT_NEW ||
		       imap_optional_list(c, &g->items);
	}
	g->events |= IMAP_EVENT_UNKNOWN;
	return true;
}

/* RFC 5465, 5: MessageNew and MessageExpunge come together, and what changes in a message
   not without them. */
static bool belong_together(unsigned events)
{
	const unsigned both = IMAP_EVENT_NEW | IMAP_EVENT_EXPUNGE;

	return (events & both) == both ||
	       !(events & (IMAP_EVENTS_OF_MESSAGES | IMAP_EVENT_ANNOTATION));
}

static bool take_events(struct imap_cursor *c, struct imap_notify_group *g)
{
	if (imap_keyword(c, STR_LIT("NONE")))
		return true;
	if (!imap_char(c, '('))
		return false;
	do {
		if (!take_event(c, g))
			return false;
	} while (imap_space(c));
	if (!imap_char(c, ')') || !belong_together(g->events))
		return false;
	return g->of > IMAP_NOTIFY_SELECTED_DELAYED ||
	       !(g->events &
		       ~(unsigned)(IMAP_EVENTS_OF_MESSAGES | IMAP_EVENTS_NOT_SERVED));
}

/* ── mailboxes ─────────────────────────────────────────────────────────────────────── */

static bool take_names(
	struct imap_cursor *c, struct arena *arena, struct imap_notify_group *g)
{
	struct imap_cursor counting = *c;
	bool list = imap_char(&counting, '(');
	struct str name;
	size_t count = 0;

	do {
		if (!imap_astring(&counting, arena, &name) ||
			++count > IMAP_NOTIFY_NAMES_MAX)
			return false;
	} while (list && imap_space(&counting));
	g->names = arena_alloc(arena, count * sizeof(struct str));
	if (!g->names || (list && !imap_char(c, '(')))
		return false;
	while (g->n_names < count && imap_astring(c, arena, &g->names[g->n_names])) {
		g->n_names++;
		if (list)
			(void)imap_space(c);
	}
	return g->n_names == count && (!list || imap_char(c, ')'));
}

static bool take_filter(
	struct imap_cursor *c, struct arena *arena, struct imap_notify_group *g)
{
	struct str name;

	if (!imap_atom(c, &name))
		return false;
	for (size_t i = 0; i < COUNT(filter_rows); i++) {
		if (!str_ieq(name, filter_rows[i].name))
			continue;
		g->of = filter_rows[i].of;
		return g->of < IMAP_NOTIFY_SUBTREE ||
		       (imap_space(c) && take_names(c, arena, g));
	}
	return false;
}

static bool take_group(
	struct imap_cursor *c, struct arena *arena, struct imap_notify_group **ret)
{
	struct imap_notify_group *g = arena_alloc(arena, sizeof(*g));

	*ret = g;
	if (!g)
		return false;
	g->items = STR_LIT("");
	return imap_char(c, '(') && take_filter(c, arena, g) && imap_space(c) &&
	       take_events(c, g) && imap_char(c, ')');
}

bool imap_notify(struct imap_cursor *c, struct arena *arena, struct imap_notify *ret)
{
	struct imap_notify_group **place = &ret->first;
	struct imap_cursor at;
	size_t selected = 0;

	*ret = (struct imap_notify){ .none = imap_keyword(c, STR_LIT("NONE")) };
	if (ret->none)
		return true;
	if (!imap_keyword(c, STR_LIT("SET")))
		return false;
	at = *c;
	if (imap_space(&at) && imap_keyword(&at, STR_LIT("STATUS"))) {
		ret->status = true;
		*c = at;
	}
	while (imap_space(c)) {
		if (!take_group(c, arena, place))
			return false;
		selected += (*place)->of <= IMAP_NOTIFY_SELECTED_DELAYED;
		place = &(*place)->next;
	}
	return ret->first && selected <= 1;
}
