/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/crossing/crossing.h"

#include "base/ipc.h"
#include "base/log.h"
#include "interceptor/login/protocol.h"
#include "interceptor/session/quiesce.h"
#include "interceptor/session/unique.h"
#include "messages/message.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

#define READ_SIZE 65536 /* answers to the client's last commands may be long */
#define ASKING_MS 5000  /* a source that answers at all is faster */
#define VERIFYING_MS 30000
_Static_assert(IMAP_CROSS_UIDS_MAX + MESSAGE_SMALL_MAX <= IPC_MESSAGE_MAX,
	"what a client knows fits in SERVE");

struct crossing {
	struct imap_cross cross;
	struct str ticket;
};

static struct crossing *state_of(const struct session *s)
{
	return s->memory->state;
}

/* ---- steps ---- */

#define TO(step) (1u << CROSSING_IN_##step)
/* The client is not read. */
static const struct session_step steps[CROSSING_STEP_COUNT] = {
	[CROSSING_IN_ASKING] = { "crossing", TO(WAITING) | TO(RETURNING),
		{ UV_DISCONNECT, UV_READABLE } },
	[CROSSING_IN_WAITING] = { "crossing-waits", TO(VERIFYING) | TO(RETURNING),
		{ UV_DISCONNECT, 0 } },
	[CROSSING_IN_VERIFYING] = { "crossing-verifies", 0, { UV_DISCONNECT, 0 } },
	[CROSSING_IN_RETURNING] = { "crossing-returns", 0,
		{ UV_DISCONNECT, UV_READABLE } },
};
#undef TO

static void set_step(struct session *s, enum crossing_step step, uint64_t ms)
{
	session_set_step(s, steps, step, ms);
}

static const char *state_name(const struct session *s)
{
	return steps[s->step].name;
}

static struct session_events wants(const struct session *s)
{
	struct session_events e = steps[s->step].wants;

	if (session_is_congested(s)) /* its client is slow to take it */
		e.source = 0;
	return e;
}

/* ---- memory ---- */

static void init(struct session *s)
{
	char unique[UNIQUE_LEN + 1];

	s->step = CROSSING_IN_ASKING;
	s->memory->from_source.limit = IMAP_CROSS_LINE_MAX + READ_SIZE;
	if (unique_make(unique))
		imap_cross_init(
			&state_of(s)->cross, &crossing_of(s)->imap, str_from(unique));
	else
		session_close(s, "no randomness");
}

static void end(struct session *s)
{
	if (s->step == CROSSING_IN_VERIFYING)
		s->host->ops->forget(s->host, s);
}

static struct str words(const void *protocol, enum close_reason reason)
{
	const struct login_protocol *p = protocol;

	return p->words[reason];
}

/* ---- it does not cross ---- */

static void log_failure(const struct session *s, const char *why)
{
	char id[SESSION_ID_MAX];
	const char *lost = crossing_of(s)->imap.lost;

	log_info(session_id(s, id), "not-crossed", "account=%s in=%s reason=\"%s\"",
		s->account, steps[s->step].name, lost ? lost : why);
}

static void say_bye(struct session *s, const char *why)
{
	log_failure(s, why);
	s->host->ops->note_crossing(s->host, s, false);
	session_say_bye(s, CLOSE_MOVED);
	quiesce_check(s->host);
}

static void relay_again(struct session *s)
{
	session_relay(s);
	quiesce_check(s->host);
}

/* To the source, as if nothing had been. why: it was to cross, and does not. */
static void go_back(struct session *s, const char *why)
{
	struct imap_cross *c = &state_of(s)->cross;

	if (!imap_cross_return(c, &s->memory->to_source)) {
		say_bye(s, why ? why : "no memory");
		return;
	}
	if (why)
		log_failure(s, why);
	if (c->state == IMAP_CROSS_OVER)
		relay_again(s);
	else
		set_step(s, CROSSING_IN_RETURNING, ASKING_MS);
}

static void give_up(struct session *s, const char *why)
{
	if (s->follower->must_go)
		say_bye(s, why);
	else
		go_back(s, why);
}

/* ---- the source ---- */

static void is_quiet(struct session *s)
{
	char id[SESSION_ID_MAX];
	const struct imap_cross *c = &state_of(s)->cross;

	log_info(session_id(s, id), "crossing-ready", "account=%s messages=%u idle=%s",
		s->account, (unsigned)c->follow->numbers.n,
		imap_cross_idle_tag(c).len ? "yes" : "no");
	set_step(s, CROSSING_IN_WAITING, s->host->settings->hold_s * UINT64_C(1000) + 1);
	quiesce_check(s->host);
}

static void act(struct session *s, enum imap_cross_event event)
{
	switch (event) {
	case IMAP_CROSS_NEED_MORE:
	case IMAP_CROSS_AGAIN:
		break;
	case IMAP_CROSS_CLEAN:
		if (s->follower->only_looks)
			go_back(s, NULL);
		else
			is_quiet(s);
		break;
	case IMAP_CROSS_FAILED:
		give_up(s, crossing_of(s)->imap.selected.is_too_scattered
				   ? "what its client knows fits in no message"
				   : "the client's view is not known");
		break;
	case IMAP_CROSS_BACK:
		relay_again(s);
		break;
	}
}

static void source_ready(struct session *s)
{
	struct session_memory *m = s->memory;
	enum imap_cross_event event;

	do {
		struct str forward;
		size_t used;

		event = imap_cross_next(&state_of(s)->cross, buf_view(&m->from_source),
			&forward, &used, &m->to_source);
		session_say(s, forward);
		buf_consume(&m->from_source, used);
		if (session_is_handled(s))
			act(s, event);
	} while (event == IMAP_CROSS_AGAIN && session_is_handled(s));
}

static void begin(struct session *s)
{
	session_set_deadline(s, ASKING_MS);
	if (imap_cross_begin(&state_of(s)->cross, &s->memory->to_source) < 0)
		session_close(s, "no memory");
}

static void source_connected(struct session *s)
{
	(void)s;
}

static void source_lost(struct session *s, int code)
{
	session_drop_source(s);
	say_bye(s, strerror(-code));
}

static void client_ready(struct session *s)
{
	(void)s;
}

/* ---- here ---- */

static int hand_over(struct session *s)
{
	const struct imap_follow *f = &crossing_of(s)->imap;
	const struct imap_selection *selected = &f->selected;
	const struct imap_cross *c = &state_of(s)->cross;
	struct resumption known = {
		.is_selected = selected->state == IMAP_SELECTION_KNOWN,
		.read_only = selected->read_only,
		.uidvalidity = selected->uidvalidity,
		.mailbox = str_of(selected->name, selected->name_len),
	};
	struct buf enabled, uids;
	int r;

	buf_init(&enabled, 0);
	buf_init(&uids, 0);
	r = imap_follow_enabled_words(f->enabled, &enabled);
	if (r == 0)
		r = imap_cross_uids(c, &uids);
	known.enabled = buf_view(&enabled);
	known.uids = buf_view(&uids);
	if (r == 0)
		r = s->host->ops->hand_off(
			s->host, s, imap_cross_idle_tag(c), state_of(s)->ticket, &known);
	buf_fini(&enabled);
	buf_fini(&uids);
	return r;
}

static int look_up(struct session *s, struct account_route *ret)
{
	char id[SESSION_ID_MAX];
	struct error err = { 0 };
	int r = registry_route(s->host->registry, str_from(s->account), ret, &err);

	if (r < 0)
		log_error(session_id(s, id), "registry", "error=\"%s\"",
			r == -ENOENT ? "the account is gone" : err.text);
	return r;
}

/* The mailbox was asked for a while ago: the account may be on its way back since. */
static void enter(struct session *s)
{
	struct account_route route;
	int r = look_up(s, &route);

	if (r == 0 &&
		(route.route != ROUTE_LOCAL || route.is_elsewhere || !session_flush(s)))
		r = -EAGAIN;
	if (r == 0)
		r = hand_over(s);
	if (r < 0) {
		say_bye(s, strerror(-r));
		return;
	}
	session_set_route(s, ROUTE_LOCAL);
	s->host->ops->note_crossing(s->host, s, true);
	session_give_away(s);
}

static void verified(struct session *s, enum verdict verdict, struct str ticket)
{
	session_enter(s);
	state_of(s)->ticket = arena_str(&s->memory->arena, ticket);
	if (verdict == VERDICT_RIGHT && state_of(s)->ticket.ptr)
		enter(s);
	else
		say_bye(s, "the password opens no mailbox here");
	session_leave(s);
}

/* To a client that does not read, our bytes would come after the mailstore's. */
static void verify(struct session *s, const struct account_route *route)
{
	const struct question q = { .box = crossing_of(s)->box };

	if (!session_flush(s))
		return;
	if (!s->account_id && !session_set_account(s, str_from(route->name), route->id))
		return;
	set_step(s, CROSSING_IN_VERIFYING, VERIFYING_MS);
	s->host->ops->verify(s->host, s, &q, verified);
}

/* ---- time, and the account's switch ---- */

static void tick(struct session *s)
{
	struct account_route route;

	if (s->step != CROSSING_IN_WAITING || look_up(s, &route) < 0)
		return;
	if (route.route == ROUTE_LOCAL && route.is_elsewhere)
		say_bye(s, "it has moved to another server");
	else if (route.route == ROUTE_LOCAL)
		verify(s, &route);
	else if (route.route == ROUTE_SOURCE)
		go_back(s, "the account stays");
}

static void timeout(struct session *s)
{
	if (s->step == CROSSING_IN_ASKING)
		give_up(s, "the source does not answer");
	else
		say_bye(s, "the switch takes too long");
}

/* Once it is quiet, nothing of it is on its way to the source. */
static enum quiesce quiesce(struct session *s, struct str account, bool force)
{
	if (!session_is_of(s, account))
		return QUIESCE_NOTHING;
	s->follower->must_go |= force;
	s->follower->only_looks = false; /* it stays at the quiet point now */
	return s->step == CROSSING_IN_WAITING || s->step == CROSSING_IN_VERIFYING
	               ? QUIESCE_NOTHING
	               : QUIESCE_ENDING;
}

static bool is_ending(const struct session *s, struct str account)
{
	return session_is_of(s, account) &&
	       (s->step == CROSSING_IN_ASKING || s->step == CROSSING_IN_RETURNING);
}

const struct handler crossing_handler = {
	.state_size = sizeof(struct crossing),
	.read_size = READ_SIZE,
	.begin = begin,
	.init = init,
	.end = end,
	.wants = wants,
	.client_ready = client_ready,
	.source_connected = source_connected,
	.source_ready = source_ready,
	.source_lost = source_lost,
	.timeout = timeout,
	.tick = tick,
	.quiesce = quiesce,
	.is_ending = is_ending,
	.words = words,
	.state_name = state_name,
};
