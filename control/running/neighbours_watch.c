/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/neighbours_watch.h"

#include "control/running/events.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "registry/unseen.h"
#include "settings/lmtp.h"

#include <errno.h>
#include <string.h>

#define EVENT NEIGHBOURS_EVENT
#define LOOK_MS 5000
/* One that asks again and again costs a line in the registry so often, and no more. */
#define PAUSE_MS 60000
#define TRY_MS 60000 /* addresses of this host come and go */
#define SAY_MS 3600000

#define WHY_MAX 64
#define WHY_LINK "link address "
#define FULL                                                                             \
	"more than %d of them ask at a time, and there is no room for others: the "      \
	"source's network is that of many; give it one of its own"

struct looking {
	struct neighbours_watch *watch;
	uint64_t now;
	struct unseen rows[2 * NEIGHBOURS_MAX];
	char clients[2 * NEIGHBOURS_MAX][ADDRESS_TEXT_MAX];
	char why[2 * NEIGHBOURS_MAX][WHY_MAX];
	size_t n;
};

/* ---- listening ---- */

static bool is_written(
	struct neighbours_watch *w, const struct sockaddr_storage *a, uint64_t now)
{
	const size_t n = sizeof(w->written) / sizeof(w->written[0]);

	for (size_t i = 0; i < n; i++)
		if (w->written[i].at && now < w->written[i].at + PAUSE_MS &&
			!memcmp(&w->written[i].address, a, sizeof(*a)))
			return true;
	w->written[w->next].address = *a;
	w->written[w->next].at = now;
	w->next = (w->next + 1) % n;
	return false;
}

static int take(void *context, const struct neighbour *n)
{
	struct looking *l = context;
	struct neighbours_watch *w = l->watch;
	uint64_t at = clock_wall_ms() - n->ago_ms;
	char *client = l->clients[l->n], *why = l->why[l->n];

	if (n->ago_ms >= l->now - w->looked_at ||
		networks_have(&w->settings->source_neighbours, &n->address) ||
		is_written(w, &n->address, l->now))
		return 0;
	address_text(&n->address, client);
	(void)snprintf(why, WHY_MAX, WHY_LINK "%02x:%02x:%02x:%02x:%02x:%02x", n->link[0],
		n->link[1], n->link[2], n->link[3], n->link[4], n->link[5]);
	l->rows[l->n++] = (struct unseen){ .client = str_from(client),
		.service = STR_LIT(UNSEEN_NEIGHBOUR),
		.why = str_from(why),
		.first_at = at,
		.last_at = at,
		.count = 1 };
	return 0;
}

/* What cannot be heard is not concluded to be silent. */
static void complain(struct neighbours_watch *w, uint64_t now, const struct error *err)
{
	char text[ERROR_TEXT_MAX + 128];

	if (now < w->say_at)
		return;
	w->is_calm = false;
	w->say_at = now + SAY_MS;
	(void)snprintf(text, sizeof(text),
		"hosts of the source's own network that reach it past us are not "
		"watched: %s",
		err->text);
	log_warning(NULL, EVENT, "error=\"%s\"", err->text);
	(void)event_note(w->settings, EVENT, text);
}

static void calm(struct neighbours_watch *w)
{
	if (!w->is_calm) /* of before a restart, too */
		(void)event_forget(w->settings, EVENT);
	w->is_calm = true;
	w->say_at = 0;
}

static void begin(struct neighbours_watch *w, const struct ruleset *rules, uint64_t now)
{
	struct error err;
	int code;

	if (now < w->try_at)
		return;
	w->try_at = now + TRY_MS;
	code = neighbours_new(rules, &w->neighbours, &err);
	if (code == 0)
		w->looked_at = now;
	else if (code != -ENODEV)
		complain(w, now, &err);
}

static int look(struct neighbours_watch *w, uint64_t now, struct error *err)
{
	static struct looking l; /* large */
	bool is_full;
	int code;

	l.watch = w;
	l.n = 0;
	l.now = now;
	code = neighbours_each(w->neighbours, take, &l, &is_full, err);
	if (code == 0)
		code = registry_write_unseen(
			w->registry, UNSEEN_NEIGHBOUR_WORKER, l.rows, l.n, err);
	if (code < 0)
		return code;
	for (size_t i = 0; i < l.n; i++)
		log_info(NULL, EVENT, "client=%s %s", l.clients[i],
			"text=\"a host of the source's own network asked for its address: "
			"it may reach it past us\"");
	w->looked_at = now;
	if (!is_full)
		calm(w);
	else if (error_set(err, -ENOSPC, FULL, NEIGHBOURS_MAX) < 0)
		complain(w, now, err);
	return 0;
}

void neighbours_watch_tick(
	struct neighbours_watch *w, const struct ruleset *rules, uint64_t now_ms)
{
	struct error err;
	int code;

	if (!w->neighbours)
		begin(w, rules, now_ms);
	if (!w->neighbours || now_ms < w->look_at)
		return;
	w->look_at = now_ms + LOOK_MS;
	code = look(w, now_ms, &err);
	if (code == 0 || code == -EINTR)
		return;
	if (code == -ENOENT) /* flushed by others */
		w->try_at = 0;
	else
		complain(w, now_ms, &err);
	neighbours_watch_end(w);
}

void neighbours_watch_end(struct neighbours_watch *w)
{
	neighbours_free(&w->neighbours);
}

/* ---- what is told ---- */

#define NAMED_MAX 4

struct telling {
	const struct settings *settings;
	struct neighbours_seen *seen;
};

/* A host has a row for each of its link addresses; they are rare. */
static int tell(void *context, const struct unseen *u)
{
	struct telling *t = context;
	struct neighbours_seen *s = t->seen;
	size_t len = strlen(s->text);
	struct sockaddr_storage a;
	struct str link = u->why;
	char client[ADDRESS_TEXT_MAX];

	if (!str_eq(u->service, STR_LIT(UNSEEN_NEIGHBOUR)))
		return 0;
	(void)snprintf(client, sizeof(client), "%.*s", STR_ARG(u->client));
	if (address_read(client, &a) &&
		networks_have(&t->settings->source_neighbours, &a))
		return 0;
	if (str_starts(link, STR_LIT(WHY_LINK)))
		link = str_skip(link, sizeof(WHY_LINK) - 1);
	if (s->hosts++ < NAMED_MAX)
		(void)snprintf(s->text + len, sizeof(s->text) - len, "%s%s (%.*s)",
			len ? ", " : "", client, STR_ARG(link));
	else if (s->hosts == NAMED_MAX + 1)
		(void)snprintf(s->text + len, sizeof(s->text) - len, ", …");
	return 0;
}

int neighbours_seen(struct registry *r, const struct settings *s, uint64_t since_ms,
	struct neighbours_seen *ret, struct error *err)
{
	struct telling t = { .settings = s, .seen = ret };

	*ret = (struct neighbours_seen){ .hosts = 0 };
	return registry_each_unseen(r, since_ms, tell, &t, err);
}

bool neighbours_are_heard(const struct settings *s)
{
	struct sockaddr_storage near[RULES_ADDRESSES_MAX];
	struct ruleset rules;
	size_t n;

	return ruleset_from_settings(s, &rules, NULL) == 0 &&
	       neighbours_near(&rules, near, &n, NULL) == 0;
}
