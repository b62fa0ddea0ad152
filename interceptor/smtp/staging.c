/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/staging_parts.h"

#include "base/fd.h"
#include "base/hex.h"
#include "base/log.h"
#include "interceptor/session/session.h"
#include "wire/smtp/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 10000               /* for the mailstore to come back */
#define ID_MAX (MESSAGE_ID_MAX + 17) /* "4d2-1f.1a.3" */

/* ---- gathering ---- */

struct staging *staging_new(struct session *s, staging_fn *done)
{
	struct host *h = s->host;
	struct staging *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->host = h;
	g->session = s;
	g->done = done;
	g->number = h->next_staging++;
	(void)session_id(s, g->session_id);
	content_init(&g->content, h->settings);
	arena_init(&g->arena);
	LIST_INSERT_HEAD(&h->stagings, g, all);
	return g;
}

const char *message_id(
	struct session *s, const struct staging *g, char id[static MESSAGE_ID_MAX])
{
	size_t len = strlen(session_id(s, id));

	(void)snprintf(id + len, MESSAGE_ID_MAX - len, ".%x",
		g ? g->number : s->host->next_staging++);
	return id;
}

void staging_free(struct staging *g)
{
	LIST_REMOVE(g, all);
	courier_free(g->courier);
	content_fini(&g->content);
	arena_fini(&g->arena);
	free(g);
}

int staging_write(struct staging *g, struct str bytes)
{
	int r = content_write(&g->content, bytes);

	if (r < 0)
		log_error(g->session_id, "staging", "error=\"%s\"", strerror(-r));
	return r;
}

struct content *staging_content(struct staging *g)
{
	return &g->content;
}

/* ---- asking the mailstore ---- */

const char *staging_why_not(struct session *s, struct str account)
{
	struct account_route route;
	struct error err = { 0 };

	if (registry_route(s->host->registry, account, &route, &err) < 0)
		return STAGING_AWAY;
	return route.route == ROUTE_LOCAL ? NULL : STAGING_MOVED;
}

static const char *delivery_id(
	const struct staging *g, const struct pending_delivery *d, char id[static ID_MAX])
{
	(void)snprintf(id, ID_MAX, "%s.%x.%zx", g->session_id, g->number,
		(size_t)(d - g->deliveries));
	return id;
}

static int ask(
	struct staging *g, const struct pending_delivery *d, enum message_type type)
{
	char id[ID_MAX];
	struct message m = { .type = type,
		.account = d->account,
		.session = str_from(delivery_id(g, d, id)),
		.number = d->number };
	int r = g->host->ops->reach_mailstore(g->host);

	if (type == MESSAGE_DELIVER)
		m.payload = d->subaddress;

	return r < 0 ? r : g->host->ops->tell_mailstore(g->host, &m, -1);
}

static int tell(struct staging *g, struct pending_delivery *d,
	const struct staging_mail *mail, const struct smtp_recipient *recipient,
	struct str header)
{
	char id[ID_MAX];
	struct message m = { .type = MESSAGE_STAGE,
		.account = d->account,
		.session = str_from(delivery_id(g, d, id)),
		.service = STR("smtp"),
		.number = d->at_once,
		.number2 = g->is_shared,
		.client = mail->client,
		.text = mail->sender,
		.tag = recipient->address,
		.payload = header };
	int r, fd = fcntl(g->content.file, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	r = g->host->ops->tell_mailstore(g->host, &m, fd);
	if (r < 0)
		fd_closep(&fd);
	return r;
}

static int send_delivery(struct staging *g, struct pending_delivery *d,
	const struct staging_mail *mail, const struct smtp_recipient *recipient)
{
	struct buf header;
	int r;

	buf_init(&header, 0);
	r = smtp_trace_delivered_to(mail->header, recipient->address, &header);
	if (r == 0)
		r = tell(g, d, mail, recipient, buf_view(&header));
	buf_fini(&header);
	if (r < 0)
		return r;
	d->state = DELIVERY_STAGING;
	g->waiting++;
	return 0;
}

/* Found a moment ago. One that cannot be found now is refused by the mailstore. */
static bool account_is_elsewhere(struct host *h, struct str account)
{
	struct account_route route;

	return registry_route(h->registry, account, &route, NULL) == 0 &&
	       route.is_elsewhere;
}

int staging_make_deliveries(struct staging *g, const struct staging_mail *mail)
{
	const struct smtp_recipient *first = mail->recipients;
	size_t n = 0;

	for (const struct smtp_recipient *r = first; r; r = r->next)
		n++;
	g->deliveries = arena_alloc(&g->arena, n * sizeof(*g->deliveries));
	if (!g->deliveries)
		return -ENOMEM;
	for (const struct smtp_recipient *r = first; r; r = r->next) {
		struct pending_delivery *d = &g->deliveries[g->n];

		d->account = arena_str(&g->arena, r->account);
		d->is_elsewhere = account_is_elsewhere(g->host, r->account);
		d->subaddress = recipient_subaddress(mail->names, r->address, &g->arena);
		if (!d->account.ptr || !d->subaddress.ptr)
			return -ENOMEM;
		/* which folder is said with DELIVER */
		d->at_once = mail->at_once && !d->subaddress.len;
		g->n++;
	}
	return 0;
}

void staging_keep_refusal(struct pending_delivery *d, struct str reply)
{
	(void)snprintf(d->refusal, sizeof(d->refusal), "%.*s",
		STR_ARG(reply.len ? reply : STR_LIT(STAGING_AWAY)));
}

/* One that cannot be sent is refused when the others have gone their way already. */
static int send_all(struct staging *g, const struct staging_mail *mail)
{
	const struct smtp_recipient *recipient = mail->recipients;
	int r = 0;

	for (size_t i = 0; i < g->n && (r == 0 || mail->at_once);
		i++, recipient = recipient->next) {
		struct pending_delivery *d = &g->deliveries[i];

		if (d->is_elsewhere)
			continue;
		r = send_delivery(g, d, mail, recipient);
		if (r < 0) {
			d->state = DELIVERY_DONE;
			staging_keep_refusal(d, STR_LIT(""));
		}
	}
	return mail->at_once && g->waiting ? 0 : r;
}

/* One that cannot be sent is refused when the others have gone their way already. */
static int send_to_both(struct staging *g, const struct staging_mail *mail)
{
	int r = send_all(g, mail), there = r;

	if (r == 0 || mail->at_once)
		there = staging_send_elsewhere(g, mail);
	for (size_t i = 0; i < g->n && there < 0; i++)
		if (g->deliveries[i].is_elsewhere) {
			g->deliveries[i].state = DELIVERY_DONE;
			staging_keep_refusal(&g->deliveries[i], STR_LIT(""));
		}
	if (r == 0)
		r = there;
	return mail->at_once && g->waiting ? 0 : r;
}

static bool has_some_here(const struct staging *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (!g->deliveries[i].is_elsewhere)
			return true;
	return false;
}

int staging_send(struct staging *g, const struct staging_mail *mail)
{
	int r = content_file(&g->content);

	g->is_shared = mail->is_shared;
	g->is_at_once = mail->at_once;
	if (r >= 0)
		r = staging_make_deliveries(g, mail);
	if (r == 0 && has_some_here(g))
		r = g->host->ops->reach_mailstore(g->host);
	if (r == 0)
		r = send_to_both(g, mail);
	content_fini(&g->content);
	return r;
}

struct str staging_refusal(const struct staging *g, size_t nth)
{
	return nth < g->n ? str_from(g->deliveries[nth].refusal) : STR_LIT("");
}

struct staging *staging_ask_for_room(
	struct session *s, struct str account, uint64_t size, staging_fn *done)
{
	struct staging *g = staging_new(s, done);
	struct pending_delivery *d = g ? arena_alloc(&g->arena, sizeof(*d)) : NULL;

	if (!d) {
		staging_drop(g);
		return NULL;
	}
	*d = (struct pending_delivery){ .account = arena_str(&g->arena, account),
		.state = DELIVERY_STAGING,
		.number = size };
	g->deliveries = d;
	g->n = g->waiting = 1;
	if (d->account.ptr && ask(g, d, MESSAGE_ROOM) == 0)
		return g;
	g->waiting = 0;
	staging_drop(g);
	return NULL;
}

/* Perhaps later; it is on the disk. */
static void deliver(struct staging *g, struct pending_delivery *d)
{
	int r = ask(g, d, MESSAGE_DELIVER);

	d->state = r < 0 ? DELIVERY_AGAIN : DELIVERY_DELIVERING;
}

bool staging_is_for(const struct staging *g, struct str account)
{
	for (size_t i = 0; i < g->n; i++)
		if (str_eq(g->deliveries[i].account, account))
			return true;
	return false;
}

bool staging_deliver(struct staging *g)
{
	bool goes_elsewhere = false;

	g->give_up_at = g->host->ops->now(g->host) + AGAIN_MS;
	for (size_t i = 0; i < g->n; i++) {
		struct pending_delivery *d = &g->deliveries[i];

		if (d->state != DELIVERY_STAGED)
			continue;
		g->waiting++;
		if (d->is_elsewhere)
			d->state = DELIVERY_DELIVERING;
		else
			deliver(g, d);
		goes_elsewhere |= d->is_elsewhere;
	}
	if (goes_elsewhere)
		courier_commit(g->courier);
	return g->waiting > 0;
}

/* Without the mailstore it is delivered: too late to say anything else. */
static void discard(struct staging *g, struct pending_delivery *d)
{
	char id[ID_MAX];

	d->state = DELIVERY_DONE;
	if (d->is_elsewhere)
		return; /* without its dot that server has nothing */
	if (ask(g, d, MESSAGE_DISCARD) < 0)
		log_warning(delivery_id(g, d, id), "staging",
			"event=\"cannot be undone\" account=%.*s", STR_ARG(d->account));
}

void staging_drop(struct staging *g)
{
	if (!g)
		return;
	g->session = NULL;
	for (size_t i = 0; i < g->n; i++) {
		struct pending_delivery *d = &g->deliveries[i];

		if (d->is_elsewhere && d->state == DELIVERY_STAGING && !g->is_at_once) {
			d->state = DELIVERY_DONE;
			g->waiting--;
		}
		if (d->state == DELIVERY_STAGED)
			discard(g, d);
	}
	if (!g->waiting && !g->walked)
		staging_free(g);
}

/* ---- its answers ---- */

struct str staging_first_refusal(const struct staging *g)
{
	struct str refusal = STR_LIT("");

	for (size_t i = 0; i < g->n && !refusal.len; i++)
		refusal = staging_refusal(g, i);
	return refusal;
}

void staging_settle(
	struct staging *g, struct pending_delivery *d, enum delivery_state state)
{
	d->state = state;
	if (--g->waiting)
		return;
	if (g->session)
		g->done(g->session, staging_first_refusal(g));
	else
		staging_drop(g);
}

static void refuse(struct staging *g, struct pending_delivery *d, struct str reply)
{
	staging_keep_refusal(d, reply);
	staging_settle(g, d, DELIVERY_DONE);
}

static void delivered(
	struct staging *g, struct pending_delivery *d, const struct message *m)
{
	char id[ID_MAX];

	if (m->type == MESSAGE_DELIVERY_FAILED)
		log_error(delivery_id(g, d, id), "staging",
			"event=\"will be delivered when the mailbox is opened next\" "
			"account=%.*s error=\"%.*s\"",
			STR_ARG(d->account), STR_ARG(m->text));
	staging_settle(g, d, DELIVERY_DONE);
}

static bool hex(struct str s, uint32_t *ret)
{
	uint64_t value;

	if (s.len > 8 || !hex_to_u64(s, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* "4d2-1f.1a.3": session, staging, delivery. */
static struct pending_delivery *find(
	struct host *h, struct str id, struct staging **ret_staging)
{
	struct str session = str_split(&id, '.');
	struct str number_text = str_split(&id, '.');
	uint32_t number, index;
	struct staging *g;

	if (!hex(number_text, &number) || !hex(id, &index))
		return NULL;
	LIST_FOREACH(g, &h->stagings, all)
	{
		if (g->number != number || index >= g->n ||
			!str_eq(session, str_from(g->session_id)))
			continue;
		*ret_staging = g;
		return g->deliveries[index].is_elsewhere ? NULL : &g->deliveries[index];
	}
	return NULL;
}

void staging_answered(struct host *h, const struct message *m)
{
	struct staging *g = NULL;
	struct pending_delivery *d = find(h, m->session, &g);

	if (!d)
		return;
	if (d->state == DELIVERY_DELIVERING) {
		delivered(g, d, m);
	} else if (d->state != DELIVERY_STAGING) {
		return;
	} else if (m->type == MESSAGE_DELIVERY_FAILED) {
		refuse(g, d, m->text);
	} else {
		d->number = m->number;
		staging_settle(g, d,
			m->type == MESSAGE_STAGED ? DELIVERY_STAGED : DELIVERY_DONE);
	}
}

/* ---- its absence ---- */

typedef void delivery_fn(struct staging *g, struct pending_delivery *d);

/* Those in that state; the last one settled may be the staging's end. */
static void each_delivery(struct host *h, enum delivery_state state, delivery_fn *fn)
{
	struct staging *g, *next;

	for (g = LIST_FIRST(&h->stagings); g; g = next) {
		g->walked = true;
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not while it is walked */
		for (size_t i = 0; i < g->n; i++)
			if (g->deliveries[i].state == state &&
				!g->deliveries[i].is_elsewhere)
				fn(g, &g->deliveries[i]);
		g->walked = false;
		next = LIST_NEXT(g, all);
		if (!g->session && !g->waiting)
			staging_free(g);
	}
}

static void lost_stage(struct staging *g, struct pending_delivery *d)
{
	refuse(g, d, STR_LIT(""));
}

static void lost_deliver(struct staging *g, struct pending_delivery *d)
{
	(void)g;
	d->state = DELIVERY_AGAIN;
}

void staging_mailstore_lost(struct host *h)
{
	each_delivery(h, DELIVERY_DELIVERING, lost_deliver);
	each_delivery(h, DELIVERY_STAGING, lost_stage);
}

static void try_again(struct staging *g, struct pending_delivery *d)
{
	char id[ID_MAX];

	if (g->host->ops->now(g->host) < g->give_up_at) {
		deliver(g, d);
		return;
	}
	log_error(delivery_id(g, d, id), "staging",
		"event=\"will be delivered when the mailbox is opened next\" "
		"account=%.*s "
		"error=\"the mailstore is away\"",
		STR_ARG(d->account));
	staging_settle(g, d, DELIVERY_DONE);
}

void staging_tick(struct host *h)
{
	each_delivery(h, DELIVERY_AGAIN, try_again);
}
