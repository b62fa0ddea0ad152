/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Connections that another process goes on with, when their clients say something.
 *
 *   bytes in | bytes out | silent | slept at | due | every | line | the session
 *
 * with NUL between.
 */
#include "mailstore/serve/connection_parts.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>

#define PAST_NUMBERS 7

/* In the order of the bytes. */
static void past_fields(struct connection_past *p, uint64_t *ret[static PAST_NUMBERS])
{
	uint64_t *const fields[PAST_NUMBERS] = { &p->bytes_in, &p->bytes_out,
		&p->silent_ms, &p->slept_at, &p->due, &p->every, &p->line };

	for (size_t i = 0; i < PAST_NUMBERS; i++)
		ret[i] = fields[i];
}

/* ── to sleep ──────────────────────────────────────────────────────────────────────── */

/* Whether nothing is on its way to the client, or from it, in this process. */
static bool is_quiet(const struct connection *c)
{
	return c->state == CONNECTION_LIVE && !c->wants_turn &&
	       !stream_has_pending(c->stream) && !stream_holds_back(c->stream);
}

/* What is said to keep it alive is what the session would say. */
static struct connection_past past_of(struct connection *c, struct str *ret_line)
{
	const struct connections *all = c->all;
	uint64_t now = clock_monotonic_ms(), since = loop_now(all->loop) - c->timed_at,
		 left;
	struct connection_past p = { .bytes_in = c->bytes_in,
		.bytes_out = c->session.out.sent,
		.silent_ms = c->silent_ms + since,
		.slept_at = now };

	*ret_line = STR_LIT("");
	if (session_keepalive(&c->session)) {
		*ret_line = buf_view(&c->session.out.text);
		p.every = all->keepalive_ms;
		left = since < p.every ? p.every - since : 0;
	} else {
		left = p.silent_ms < CONNECTION_IDLE_MS ? CONNECTION_IDLE_MS - p.silent_ms
		                                        : 0;
	}
	p.due = now + left;
	p.line = ret_line->len;
	return p;
}

static int write_past(struct connection_past *past, struct buf *out)
{
	uint64_t *fields[PAST_NUMBERS];
	int r = 0;

	past_fields(past, fields);
	for (size_t i = 0; i < PAST_NUMBERS && r == 0; i++) {
		r = buf_number(out, *fields[i]);
		if (r == 0)
			r = buf_byte(out, '\0');
	}
	return r;
}

/* known: its session's. */
static int put_to_sleep(struct connection *c, struct str known, int fd)
{
	struct str line;
	struct connection_past past = past_of(c, &line);
	struct connection_sleep sleep = { .session = str_from(c->session.id),
		.service = str_from(c->session.ops->name),
		.keepalive = line,
		.due = past.due,
		.every = past.every };
	struct buf whole;
	int r;

	buf_init(&whole, 0);
	r = write_past(&past, &whole);
	if (r == 0)
		r = buf_append(&whole, known);
	sleep.known = buf_view(&whole);
	if (r == 0)
		r = c->all->sleeps(c->all->context, &sleep, fd);
	buf_fini(&whole);
	if (r == 0)
		connection_drop(c);
	return r;
}

struct bed {
	struct connection *c;
	struct buf known;
	int fd;
};

static int make_bed(struct bed *bed, struct connection *c)
{
	int r;

	*bed = (struct bed){ .c = c, .fd = -1 };
	buf_init(&bed->known, HIBERNATION_MAX);
	if (!is_quiet(c))
		return -EBUSY;
	r = session_hibernate(&c->session, &bed->known);
	return r < 0 ? r : (bed->fd = stream_share(c->stream)) < 0 ? bed->fd : 0;
}

int connections_sleep(struct connections *all)
{
	size_t count = connections_count(all), made = 0;
	struct bed *beds = calloc(count + 1, sizeof(*beds));
	int r = !beds || count > CONNECTIONS_ASLEEP_MAX ? -EBUSY : 0;

	for (struct connection *c = all->first; c && r == 0; c = c->next)
		r = make_bed(&beds[made++], c) < 0 ? -EBUSY : 0;
	for (size_t i = 0; i < made; i++) {
		/* once the first one sleeps, nothing but memory can be wanting */
		if (r == 0)
			r = put_to_sleep(beds[i].c, buf_view(&beds[i].known), beds[i].fd);
		if (r < 0)
			fd_closep(&beds[i].fd);
		buf_fini(&beds[i].known);
	}
	free(beds);
	return r;
}

bool connections_can_sleep(const struct connections *all)
{
	struct buf known;
	int r = all->first && connections_count(all) <= CONNECTIONS_ASLEEP_MAX ? 0
	                                                                       : -EBUSY;

	for (struct connection *c = all->first; c && r == 0; c = c->next) {
		buf_init(&known, HIBERNATION_MAX);
		r = is_quiet(c) ? session_hibernate(&c->session, &known) : -EBUSY;
		buf_fini(&known);
	}
	return r == 0;
}

/* ── and awake ─────────────────────────────────────────────────────────────────────── */

/* What is no number is 0: then what follows is no session's either. */
void connection_past_take(struct str *known, struct connection_past *ret)
{
	uint64_t *fields[PAST_NUMBERS];

	*ret = (struct connection_past){ 0 };
	past_fields(ret, fields);
	for (size_t i = 0; i < PAST_NUMBERS; i++)
		(void)str_to_u64(str_split(known, '\0'), fields[i]);
}

void connection_past_use(
	struct connection *c, const struct connection_past *past, uint64_t due)
{
	uint64_t now = clock_monotonic_ms(), most = c->all->keepalive_ms,
		 left = due > now ? due - now : 0;

	c->bytes_in = past->bytes_in;
	c->session.out.sent = past->bytes_out;
	if (past->every && due > past->due)
		c->session.out.sent += (due - past->due) / past->every * past->line;
	c->told = c->bytes_in + c->session.out.sent;
	if (!past->every && now > past->slept_at)
		c->silent_ms = past->silent_ms + (now - past->slept_at);
	connection_time(c, left < most ? left : most);
}
