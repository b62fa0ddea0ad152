/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/notify.h"

#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/names.h"
#include "mailstore/serve/status.h"
#include "wire/imap/notify.h"
#include "wire/imap/pattern.h"

#include <errno.h>
#include <stdlib.h>

/* What MessageNew shows of messages that came together, in one step. */
#define NEW_MAX 2000
#define NEW_BYTES_MAX ((size_t)8 << 20)

struct notify {
	struct imap *s;
	struct arena arena; /* of what was asked for */
	struct imap_notify asked;
	const struct imap_notify_group *selected; /* NULL: not asked for */
	struct imap_fetch_item *items;            /* of MessageNew there; NULL: none */
	/* what the client knows */
	struct arena known_arena;
	struct names known;
	bool dirty, own, own_dirty;
	struct buf metadata; /* answers that wait */
	struct notify *next; /* of the account: serve->notifiers */
};

/* ── what was asked for ────────────────────────────────────────────────────────────── */

static bool is_at_or_below(const struct node *node, struct str top)
{
	return str_starts(node->name, top) &&
	       (node->name.len == top.len ||
		       (node->separator && node->name.ptr[top.len] == node->separator));
}

static bool is_named(const struct imap_notify_group *g, const struct node *node)
{
	for (size_t i = 0; i < g->n_names; i++) {
		if (imap_is_inbox(g->names[i]) && imap_is_inbox(node->name))
			return true;
		if (g->of == IMAP_NOTIFY_SUBTREE ? is_at_or_below(node, g->names[i])
						 : str_eq(node->name, g->names[i]))
			return true;
	}
	return false;
}

static bool is_meant(const struct imap_notify_group *g, const struct node *node)
{
	switch (g->of) {
	case IMAP_NOTIFY_SELECTED:
	case IMAP_NOTIFY_SELECTED_DELAYED:
		return false;
	case IMAP_NOTIFY_PERSONAL:
		return true;
	case IMAP_NOTIFY_SUBSCRIBED:
		return node->subscribed;
	case IMAP_NOTIFY_SUBTREE:
	case IMAP_NOTIFY_MAILBOXES:
		break;
	}
	return is_named(g, node);
}

/* Several groups may mean a mailbox (RFC 5465, 6). */
static unsigned events_of(const struct notify *n, const struct node *node)
{
	unsigned events = 0;

	for (const struct imap_notify_group *g = n->asked.first; g; g = g->next)
		if (is_meant(g, node))
			events |= g->events;
	return events;
}

static bool is_selected(const struct notify *n, const struct mailbox *m)
{
	return n->s->state == IMAP_SELECTED && n->s->view.mailbox == m->id;
}

bool notify_mutes(const struct imap *s)
{
	bool own = s->command && (s->command->flags & IMAP_WRITES);

	if (!s->notify || own)
		return false;
	return !s->notify->selected || !s->notify->selected->events;
}

unsigned notify_form(const struct imap *s)
{
	if (!s->notify || !s->notify->selected)
		return 0;
	if (s->notify->selected->events & IMAP_EVENT_FLAGS)
		return VIEW_UID;
	/* a client that keeps a modseq must miss nothing below it (RFC 7162, 3.2) */
	return s->enabled & IMAP_CONDSTORE ? 0 : VIEW_HOLDS_FLAGS;
}

/* ── what the client knows ─────────────────────────────────────────────────────────── */

static void keep(struct notify *n, struct arena *arena, struct names *now)
{
	arena_fini(&n->known_arena);
	n->known_arena = *arena;
	n->known = *now;
	n->known.arena = &n->known_arena;
}

static int by_id(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;
	int64_t one = (*x)->mailbox->id, other = (*y)->mailbox->id;

	return (one > other) - (one < other);
}

/* Ten thousand mailboxes are compared with as many. */
static int sort_by_id(struct names *names)
{
	const struct node **all =
		arena_alloc(names->arena, (names->count + 1) * sizeof(const void *));

	if (!all)
		return -ENOMEM;
	names->n_by_id = 0;
	for (size_t i = 0; i < names->count; i++)
		if (names->nodes[i].mailbox)
			all[names->n_by_id++] = &names->nodes[i];
	qsort(all, names->n_by_id, sizeof(const void *), by_id);
	names->by_id = all;
	return 0;
}

static int look(struct notify *n, struct arena *arena, struct names *ret)
{
	int r;

	arena_init(arena);
	r = names_load(n->s->serve->store, arena, ret, NULL);
	return r < 0 ? r : sort_by_id(ret);
}

static const struct node *find_id(const struct names *names, int64_t id)
{
	const struct mailbox wanted = { .id = id };
	const struct node node = { .mailbox = &wanted }, *key = &node;
	const struct node *const *found =
		bsearch(&key, names->by_id, names->n_by_id, sizeof(const void *), by_id);

	return found ? *found : NULL;
}

static const struct node *find_name(const struct names *names, struct str name)
{
	size_t index = names_find(names, name);

	return index < names->count ? &names->nodes[index] : NULL;
}

/* ── messages of other mailboxes ───────────────────────────────────────────────────── */

/* What STATUS tells of a change, by what the client wants to know (5.1 to 5.3). */
static unsigned items_of(const struct notify *n, unsigned events,
	const struct mailbox *before, const struct mailbox *now)
{
	bool condstore = n->s->enabled & IMAP_CONDSTORE;
	bool came = now->uidnext != before->uidnext;
	bool went = (uint64_t)before->messages + (now->uidnext - before->uidnext) !=
	            now->messages;
	unsigned items = 0;

	if (now->uidvalidity != before->uidvalidity)
		return STATUS_UIDVALIDITY | STATUS_MESSAGES | STATUS_UIDNEXT;
	if ((came && (events & IMAP_EVENT_NEW)) ||
		(now->messages != before->messages && (events & IMAP_EVENT_EXPUNGE)))
		items |= STATUS_MESSAGES | STATUS_UIDNEXT;
	if (!came && !went && (events & IMAP_EVENT_FLAGS) &&
		(condstore || now->unseen != before->unseen))
		items |= STATUS_UIDVALIDITY | STATUS_UNSEEN;
	return items && condstore ? items | STATUS_HIGHESTMODSEQ : items;
}

static int tell_messages(struct notify *n, const struct node *node)
{
	const struct node *before = find_id(&n->known, node->mailbox->id);
	unsigned events = events_of(n, node), items;

	if (!before || is_selected(n, node->mailbox) ||
		before->mailbox->highestmodseq == node->mailbox->highestmodseq)
		return 0;
	items = items_of(n, events, before->mailbox, node->mailbox);
	return items ? status_put(n->s, node->mailbox, items) : 0;
}

/* ── names and subscriptions ───────────────────────────────────────────────────────── */

static struct str parent_of(const struct node *node)
{
	size_t len = node->name.len;

	while (len && (!node->separator || node->name.ptr[len - 1] != node->separator))
		len--;
	return str_take(node->name, len ? len - 1 : 0);
}

/* A mailbox came or went: the one above it has other attributes now. */
static int tell_parent(struct notify *n, const struct names *now, const struct node *node)
{
	struct str parent = parent_of(node);
	const struct node *above = parent.len ? find_name(now, parent) : NULL;

	if (!above || !(events_of(n, above) & IMAP_EVENT_NAME))
		return 0;
	return list_put_mailbox(n->s, now, above->name, STR_LIT(""));
}

/* Its parent was renamed, and took it along: that is not told (5.4). */
static bool came_along(
	const struct notify *n, const struct node *before, const struct node *node)
{
	const struct node *above = find_name(&n->known, parent_of(before));
	struct str parent = parent_of(node);

	return above && above->mailbox && parent.len && !str_eq(above->name, parent);
}

static int tell_name(struct notify *n, const struct names *now, const struct node *node)
{
	const struct node *before =
		node->mailbox ? find_id(&n->known, node->mailbox->id) : NULL;
	unsigned events = events_of(n, node);
	const struct node *same;
	int r = 0;

	if (node->mailbox && !before && (events & IMAP_EVENT_NAME)) {
		r = list_put_mailbox(n->s, now, node->name, STR_LIT(""));
		return r < 0 ? r : tell_parent(n, now, node);
	}
	if (before && !str_eq(before->name, node->name))
		return events & IMAP_EVENT_NAME && !came_along(n, before, node)
		               ? list_put_mailbox(n->s, now, node->name, before->name)
		               : 0;
	same = find_name(&n->known, node->name);
	if ((events & IMAP_EVENT_SUBSCRIPTION) &&
		(same ? same->subscribed : false) != node->subscribed)
		r = list_put_mailbox(n->s, now, node->name, STR_LIT(""));
	return r;
}

/* Of what was known before. */
static int tell_gone(struct notify *n, const struct names *now, const struct node *node)
{
	unsigned events = events_of(n, node);
	int r = 0;

	if (node->mailbox && !find_id(now, node->mailbox->id) &&
		(events & IMAP_EVENT_NAME) && !find_name(now, node->name)) {
		r = list_put_mailbox(n->s, now, node->name, STR_LIT(""));
		return r < 0 ? r : tell_parent(n, now, node);
	}
	if (!node->mailbox && node->subscribed && (events & IMAP_EVENT_SUBSCRIPTION) &&
		!find_name(now, node->name))
		r = list_put_mailbox(n->s, now, node->name, STR_LIT(""));
	return r;
}

/* ── telling ───────────────────────────────────────────────────────────────────────── */

static int compare(struct notify *n, const struct names *now)
{
	int r = 0;

	for (size_t i = 0; i < n->known.count && r == 0; i++)
		r = tell_gone(n, now, &n->known.nodes[i]);
	for (size_t i = 0; i < now->count && r == 0; i++) {
		r = tell_name(n, now, &now->nodes[i]);
		if (r == 0 && now->nodes[i].mailbox)
			r = tell_messages(n, &now->nodes[i]);
	}
	return r;
}

static void tell_others(struct notify *n, bool silently)
{
	struct arena arena;
	struct names now;
	int r = look(n, &arena, &now);

	if (r < 0) {
		arena_fini(&arena);
		return; /* the next change tries again */
	}
	if (!silently)
		r = compare(n, &now);
	keep(n, &arena, &now);
	n->dirty = n->own_dirty = false;
	imap_wrote(n->s, r);
}

static void tell_metadata(struct notify *n)
{
	imap_wrote(n->s, buf_append(imap_out(n->s), buf_view(&n->metadata)));
	buf_fini(&n->metadata);
}

void notify_tell(struct imap *s)
{
	struct notify *n = s->notify;

	if (!n)
		return;
	if (s->state == IMAP_SELECTED && s->view.dirty && n->selected)
		imap_sync(s, n->selected->of == IMAP_NOTIFY_SELECTED);
	if (!s->notify) /* that was too much */
		return;
	if (s->phase != IMAP_PHASE_END && n->dirty)
		tell_others(n, false);
	if (s->phase != IMAP_PHASE_END && buf_len(&n->metadata))
		tell_metadata(n);
}

bool notify_changed(struct imap *s, int64_t mailbox)
{
	struct notify *n = s->notify;

	if (!n)
		return false;
	if (s->state == IMAP_SELECTED && mailbox == s->view.mailbox)
		return !notify_mutes(s);
	if (n->own) {
		n->own_dirty = true;
		return false;
	}
	n->dirty = true;
	return true;
}

void notify_begin_own(struct imap *s)
{
	if (!s->notify)
		return;
	if (s->notify->dirty)
		tell_others(s->notify, false);
	s->notify->own = true;
}

/* RFC 5465, 5: what the client did itself it knows. */
void notify_end_own(struct imap *s)
{
	if (!s->notify)
		return;
	s->notify->own = false;
	if (s->notify->own_dirty)
		tell_others(s->notify, true);
}

/* RFC 5465, 5.8: it hears of nothing any more, as after NOTIFY NONE. */
static void overflow(struct imap *s)
{
	notify_end(s);
	imap_say(s, "OK [NOTIFICATIONOVERFLOW] Too much has changed; notification ends.");
}

void notify_new_messages(struct imap *s, uint32_t last_uid)
{
	struct notify *n = s->notify;
	uint32_t first;
	int r = 0;

	if (!n || !n->items)
		return;
	first = view_index(&s->view, last_uid + 1);
	for (uint32_t i = first; i < s->view.count && r == 0; i++) {
		if (i - first == NEW_MAX || buf_len(imap_out(s)) > NEW_BYTES_MAX) {
			overflow(s);
			return;
		}
		r = fetch_now(s, n->items, i);
	}
	imap_wrote(s, r);
}

/* ── metadata ──────────────────────────────────────────────────────────────────────── */

static int put_metadata(
	struct notify *n, struct str mailbox, const struct str *names, size_t count)
{
	struct buf *out = imap_out(n->s);
	int r = buf_append_c(out, "* METADATA ");

	if (r == 0)
		r = mailbox.len ? imap_put_mailbox(n->s, mailbox)
		                : buf_append_c(out, "\"\"");
	for (size_t i = 0; i < count && r == 0; i++)
		r = buf_printf(out, " %.*s", STR_ARG(names[i]));
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static bool wants_metadata(const struct notify *n, struct str mailbox)
{
	const struct node *node = mailbox.len ? find_name(&n->known, mailbox) : NULL;

	if (node)
		return events_of(n, node) & IMAP_EVENT_METADATA;
	for (const struct imap_notify_group *g = n->asked.first; g && !mailbox.len;
		g = g->next)
		if (g->events & IMAP_EVENT_SERVER_METADATA)
			return true;
	return false;
}

/* Between the commands of that session: until then the answer waits. */
static void hold_metadata(
	struct notify *n, struct str mailbox, const struct str *names, size_t count)
{
	struct buf *out = imap_out(n->s);
	size_t before = buf_len(out);
	struct str text;

	imap_wrote(n->s, put_metadata(n, mailbox, names, count));
	text = str_skip(buf_view(out), before);
	imap_wrote(n->s, buf_append(&n->metadata, text));
	out->end = out->start + before;
	if (n->s->serve->wake)
		n->s->serve->wake(n->s->serve->context, n->s->session);
}

void notify_metadata(
	struct imap *from, struct str mailbox, const struct str *names, size_t count)
{
	for (struct notify *n = from->serve->notifiers; n; n = n->next)
		if (n->s != from && wants_metadata(n, mailbox))
			hold_metadata(n, mailbox, names, count);
}

/* ── the command ───────────────────────────────────────────────────────────────────── */

void notify_end(struct imap *s)
{
	struct notify *n = s->notify;

	if (!n)
		return;
	for (struct notify **at = &s->serve->notifiers; *at; at = &(*at)->next)
		if (*at == n) {
			*at = n->next;
			break;
		}
	arena_fini(&n->arena);
	arena_fini(&n->known_arena);
	buf_fini(&n->metadata);
	free(n);
	s->notify = NULL;
}

static struct notify *begin(struct imap *s)
{
	struct notify *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->s = s;
	arena_init(&n->arena);
	buf_init(&n->metadata, 0);
	if (look(n, &n->known_arena, &n->known) < 0) {
		arena_fini(&n->known_arena);
		free(n);
		return NULL;
	}
	n->known.arena = &n->known_arena;
	n->next = s->serve->notifiers;
	s->serve->notifiers = n;
	return n;
}

/* Names as the store has them; the selected mailbox's group is kept at hand. */
static bool settle(struct notify *n)
{
	for (struct imap_notify_group *g = n->asked.first; g; g = g->next) {
		for (size_t i = 0; i < g->n_names; i++) {
			struct str name = g->names[i];

			if (!imap_name_from_client(n->s, &name))
				return false;
			g->names[i] = arena_str(&n->arena, name);
			if (!g->names[i].ptr)
				return false;
		}
		if (g->of <= IMAP_NOTIFY_SELECTED_DELAYED)
			n->selected = g;
		if (g->items.len &&
			(g->of > IMAP_NOTIFY_SELECTED_DELAYED ||
				!fetch_now_items(g->items, &n->arena, &n->items)))
			return g->of > IMAP_NOTIFY_SELECTED_DELAYED;
	}
	return true;
}

static bool wants_what_is_not_served(const struct notify *n)
{
	for (const struct imap_notify_group *g = n->asked.first; g; g = g->next)
		if (g->events & IMAP_EVENTS_NOT_SERVED)
			return true;
	return false;
}

/* RFC 5465, 3.1: what the changes to come are told against. */
static int put_status(struct notify *n)
{
	int r = 0;

	for (size_t i = 0; i < n->known.count && r == 0; i++) {
		const struct node *node = &n->known.nodes[i];
		unsigned events = node->mailbox ? events_of(n, node) : 0, items = 0;

		if (!(events & IMAP_EVENTS_OF_MESSAGES) ||
			is_selected(n, node->mailbox) ||
			(node->mailbox->attributes &
				(MAILBOX_NOSELECT | MAILBOX_NONEXISTENT)))
			continue;
		if (events & IMAP_EVENT_NEW)
			items |= STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY;
		if (events & IMAP_EVENT_EXPUNGE)
			items |= STATUS_MESSAGES;
		if (events & IMAP_EVENT_FLAGS)
			items |= STATUS_UIDVALIDITY | STATUS_HIGHESTMODSEQ;
		r = status_put(n->s, node->mailbox, items);
	}
	return r;
}

void cmd_notify(struct imap *s, struct imap_cursor *args)
{
	struct notify *n, *before = s->notify;
	struct imap_cursor at;
	struct str copy;

	s->notify = NULL;
	imap_sync(s, true); /* NOTIFY SET is a NOOP, too */
	s->notify = before;
	if (s->phase == IMAP_PHASE_END)
		return;
	n = begin(s);
	if (!n) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	copy = arena_str(&n->arena, args->rest);
	at = imap_lenient_cursor(copy);
	s->notify = n;
	if (!copy.ptr || !imap_space(&at) || !imap_notify(&at, &n->arena, &n->asked) ||
		!imap_end(&at) || !settle(n)) {
		notify_end(s);
		s->notify = before;
		imap_bad_arguments(s);
	} else if (wants_what_is_not_served(n)) {
		notify_end(s);
		s->notify = before;
		imap_done(s, IMAP_NO, "[BADEVENT (" IMAP_EVENT_NAMES ")] Unknown event.");
	} else {
		s->notify = before;
		notify_end(s);
		s->notify = n;
		if (n->asked.status)
			imap_wrote(s, put_status(n));
		imap_done(s, IMAP_OK, "Notify completed.");
	}
}
