/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/append_queue.h"
#include "mailstore/serve/connection_parts.h"

#include "base/clock.h"
#include "event/timer.h"
#include "net/stream_deflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE 65536 /* an APPEND's bytes go to the store in such pieces */
#define TURN_RUNS 16    /* pieces of work in one turn, then the others have theirs */
#define TURN_MS 4       /* or as many as take so long, which may be one */
#define TURN_READS 16   /* of APPENDs that are gathered for one commit */
#define COUNTS_MS 2000  /* `mailferry flows` is as old as that */
#define ENDING_MS 30000 /* a client that does not take our last words is cut off */

static void on_ready(void *context, int events, int error);

/* When all that are ready have had their turn. */
static void commit_soon(struct connections *all)
{
	const struct append_queue *queue = &all->serve->appends;

	if ((queue->first || queue->has_answered) && !timer_runs(all->commit))
		timer_start(all->commit, 0);
}

static struct connection_end so_far(const struct connection *c)
{
	return (struct connection_end){ .session = str_from(c->session.id),
		.bytes_in = c->bytes_in,
		.bytes_out = c->session.out.sent };
}

static void unlink_connection(struct connection *c)
{
	*c->place = c->next;
	if (c->next)
		c->next->place = c->place;
}

void connection_drop(struct connection *c)
{
	unlink_connection(c);
	session_close(&c->session);
	stream_free(c->stream);
	timer_free(c->timer);
	free(c);
}

static void close_connection(struct connection *c, const char *reason)
{
	struct connection_end end = so_far(c);

	end.reason = c->session.end ? c->session.end : reason;
	unlink_connection(c);
	/* before the client knows: it may come again at once */
	session_close(&c->session);
	commit_soon(c->all);
	stream_shutdown(c->stream, SHUT_RDWR);
	stream_free(c->stream);
	timer_free(c->timer);
	c->all->ended(c->all->context, &end);
	free(c);
}

/* What it does next, the client has to take: so when it can, after the others. */
static void want_turn(struct connection *c)
{
	c->wants_turn = true;
	stream_want(c->stream, c->stream->wanted | UV_WRITABLE);
}

void connection_time(struct connection *c, uint64_t ms)
{
	c->timed_at = loop_now(c->all->loop);
	timer_start(c->timer, ms);
}

static void restart_timer(struct connection *c)
{
	c->silent_ms = 0;
	connection_time(
		c, c->state == CONNECTION_ENDING ? ENDING_MS : c->all->keepalive_ms);
}

/* ── what has passed ───────────────────────────────────────────────────────────────── */

static void on_counts(void *context)
{
	struct connections *all = context;

	for (struct connection *c = all->first; c; c = c->next) {
		struct connection_end now = so_far(c);

		if (c->told == now.bytes_in + now.bytes_out)
			continue;
		c->told = now.bytes_in + now.bytes_out;
		all->passed(all->context, &now);
	}
}

/* The timer runs only while something passes: idle clients wake nobody. */
static void bytes_passed(struct connection *c)
{
	struct connections *all = c->all;

	restart_timer(c);
	all->active_at = loop_now(all->loop);
	if (all->passed && !timer_runs(all->counts))
		timer_start(all->counts, COUNTS_MS);
}

/* ── a connection's work ───────────────────────────────────────────────────────────── */

/* 0, -EAGAIN, or what broke it. */
static int flush(struct connection *c)
{
	uint64_t before = c->session.out.sent;
	int r = output_send(&c->session.out, c->stream);

	if (c->session.out.sent != before)
		bytes_passed(c);
	if (r == -EAGAIN)
		output_settle(&c->session.out, c->session.serve->store);
	return r;
}

static void end(struct connection *c)
{
	int r;

	if (c->state == CONNECTION_LIVE) {
		c->state = CONNECTION_ENDING;
		restart_timer(c);
	}
	c->session.out.ends = true;
	r = flush(c);
	if (r == -EAGAIN || (r == 0 && stream_holds_back(c->stream)))
		stream_want(c->stream, UV_WRITABLE);
	else
		close_connection(c, "ended");
}

/* The answer to COMPRESS is sent; what the client has sent behind it is compressed. */
static int begin_deflate(struct connection *c)
{
	struct stream *over;
	int r = stream_deflate_new(c->stream, buf_view(&c->session.in), &over);

	if (r < 0)
		return r;
	buf_clear(&c->session.in);
	stream_set_owner(over, on_ready, c);
	c->stream = over;
	c->session.deflated = true;
	return 0;
}

/* Of a session whose APPENDs are to be committed: what has come meanwhile goes with them,
   in the same turn. An end is told once more. */
static bool has_more(struct connection *c, enum service_need need, int *reads)
{
	ssize_t n = 0;

	if (need == SERVICE_INPUT && c->session.uncommitted && (*reads)++ < TURN_READS)
		n = stream_read_buf(c->stream, &c->session.in, READ_SIZE);
	if (n > 0)
		c->bytes_in += (uint64_t)n;
	return n > 0;
}

/* What is to be committed together is gathered all the same. */
static bool is_over(const struct connection *c, uint64_t began)
{
	return !c->session.uncommitted && clock_monotonic_ms() - began >= TURN_MS;
}

/* Pieces of work until the session waits, or its turn is over. */
static enum service_need run(struct connection *c, int *ret_sent)
{
	enum service_need need = SERVICE_AGAIN;
	uint64_t began = clock_monotonic_ms();
	int reads = 0;

	for (int i = 0; i < TURN_RUNS || c->session.uncommitted; i++) {
		need = session_run(&c->session);
		if (need == SERVICE_AGAIN && is_over(c, began))
			break;
		if (need == SERVICE_AGAIN || has_more(c, need, &reads))
			continue;
		c->session.out.ends = need == SERVICE_END;
		*ret_sent = flush(c);
		if (need == SERVICE_DEFLATE && *ret_sent == 0)
			*ret_sent = begin_deflate(c);
		if ((need != SERVICE_OUTPUT && need != SERVICE_DEFLATE) || *ret_sent < 0)
			return need;
	}
	*ret_sent = flush(c);
	return need;
}

static void pump(struct connection *c)
{
	int sent = 0;
	enum service_need need;

	c->wants_turn = false;
	if (c->state == CONNECTION_ENDING) {
		end(c);
		return;
	}
	need = run(c, &sent);
	commit_soon(c->all);
	if (sent < 0 && sent != -EAGAIN) {
		close_connection(c, strerror(-sent));
		return;
	}
	if (need == SERVICE_END) {
		end(c);
		return;
	}
	if (need == SERVICE_INPUT)
		session_rest(&c->session);
	else if (sent == 0)
		want_turn(c);
	/* while the client does not take our answers, its next commands can wait */
	stream_want(
		c->stream, (need == SERVICE_INPUT ? UV_READABLE : 0) |
				   (c->wants_turn || sent == -EAGAIN ? UV_WRITABLE : 0));
}

static void on_commit(void *context)
{
	struct connections *all = context;
	struct connection *next;

	append_queue_commit(all->serve);
	all->serve->appends.has_answered = false;
	for (struct connection *c = all->first; c; c = next) {
		next = c->next;
		if (c->state == CONNECTION_LIVE && !output_is_empty(&c->session.out))
			pump(c);
	}
}

static bool read_some(struct connection *c)
{
	ssize_t n = stream_read_buf(c->stream, &c->session.in, READ_SIZE);

	if (n > 0) {
		c->bytes_in += (uint64_t)n;
		bytes_passed(c);
	}
	if (n > 0 || n == -EAGAIN)
		return true;
	close_connection(c, n == 0 ? "client closed" : strerror((int)-n));
	return false;
}

static void on_ready(void *context, int events, int error)
{
	struct connection *c = context;

	if (error < 0) {
		close_connection(c, strerror(-error));
		return;
	}
	if (c->state == CONNECTION_LIVE && c->all->is_over &&
		c->all->is_over(c->all->context))
		return; /* it may be gone */
	if ((events & UV_READABLE) && c->state == CONNECTION_LIVE && !read_some(c))
		return;
	pump(c);
}

static void on_timeout(void *context)
{
	struct connection *c = context;
	struct connections *all = c->all;
	uint64_t active_at = all->active_at;

	if (c->state == CONNECTION_ENDING) {
		close_connection(c, "timeout");
		return;
	}
	if (!session_keepalive(&c->session)) {
		c->silent_ms += c->all->keepalive_ms;
		if (c->silent_ms < CONNECTION_IDLE_MS) {
			connection_time(c, c->all->keepalive_ms);
			return;
		}
		session_bye(&c->session, "Idle for too long.");
	} else {
		restart_timer(c);
	}
	pump(c);
	all->active_at = active_at; /* nobody has done anything */
}

/* ── all of them ───────────────────────────────────────────────────────────────────── */

static void wake(void *context, struct session *s)
{
	(void)context;
	want_turn(s->owner);
}

void connections_init(struct connections *all, struct loop *loop, struct serve *serve)
{
	all->loop = loop;
	all->keepalive_ms = CONNECTION_KEEPALIVE_MS;
	all->serve = serve;
	all->first = NULL;
	all->counts = NULL;
	all->commit = NULL;
	all->passed = NULL;
	all->is_over = NULL;
	all->sleeps = NULL;
	all->active_at = 0;
	serve->wake = wake;
}

static void link_first(struct connections *all, struct connection *c)
{
	c->next = all->first;
	c->place = &all->first;
	if (c->next)
		c->next->place = &c->next;
	all->first = c;
}

int connection_start(struct connections *all, const struct service_ops *ops,
	const struct login *login, struct stream *stream)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct connection_past past = { 0 };
	struct login own = *login;
	int r = c ? timer_new(all->loop, on_timeout, c, &c->timer) : -ENOMEM;

	if (r == 0 && !all->counts)
		r = timer_new(all->loop, on_counts, all, &all->counts);
	if (r == 0 && !all->commit)
		r = timer_new(all->loop, on_commit, all, &all->commit);
	if (r < 0) {
		if (c)
			timer_free(c->timer);
		stream_free(stream);
		free(c);
		return r;
	}
	c->all = all;
	c->stream = stream;
	stream_set_owner(stream, on_ready, c);
	link_first(all, c);
	if (login->kind == LOGIN_WOKEN)
		connection_past_take(&own.payload, &past);
	r = session_open(&c->session, ops, all->serve, &own);
	c->session.owner = c;
	if (r < 0) {
		close_connection(c, "no memory");
		return 0; /* its end has been told */
	}
	all->active_at = loop_now(all->loop);
	if (login->kind == LOGIN_WOKEN)
		connection_past_use(c, &past, login->due);
	else
		restart_timer(c);
	/* the first words fit into the socket: it is not waited for */
	pump(c);
	return 0;
}

static void bye(struct connection *c, const char *why)
{
	if (c->state != CONNECTION_LIVE)
		return;
	session_bye(&c->session, why);
	end(c);
}

void connections_bye(struct connections *all, const char *why)
{
	struct connection *next;

	for (struct connection *c = all->first; c; c = next) {
		next = c->next;
		bye(c, why);
	}
}

void connections_kick(struct connections *all, struct str session, const char *why)
{
	struct connection *c = all->first;

	while (c && !str_eq(str_from(c->session.id), session))
		c = c->next;
	if (c)
		bye(c, why);
}

size_t connections_count(const struct connections *all)
{
	size_t count = 0;

	for (const struct connection *c = all->first; c; c = c->next)
		count++;
	return count;
}

void connections_fini(struct connections *all)
{
	while (all->first)
		close_connection(all->first, "ended");
	timer_free(all->counts);
	timer_free(all->commit);
	all->counts = NULL;
	all->commit = NULL;
}
