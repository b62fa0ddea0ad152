/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#define BULKY_READ 16384    /* a read this large is no dialogue */
#define BULKY_READS 2       /* that many in a row, and it is worth a pipe */
#define SMALL_MOVE 4096     /* a wake-up that moves less: dialogue again */
#define SKIPPED_LEAST 65536 /* of bytes that nobody reads along: less is copied */
#define ROUNDS 8            /* then the other sessions of the loop have their turn */
#define QUIET_MS 200        /* a server between two parts of an answer is faster */

enum pump {
	PUMP_AGAIN,
	PUMP_WAIT,
	PUMP_BROKEN, /* the socket it reads from is dead in both directions */
};

int relay_shared_init(struct relay_shared *shared)
{
	pipes_init(&shared->pipes);
	shared->scratch = malloc(STREAM_BULK);
	return shared->scratch ? 0 : -ENOMEM;
}

void relay_shared_fini(struct relay_shared *shared)
{
	pipes_fini(&shared->pipes);
	free(shared->scratch);
	shared->scratch = NULL;
}

static void way_begin(
	struct relay_way *w, struct stream *from, struct stream *to, struct buf *first)
{
	struct str bytes = buf_view(first);

	*w = (struct relay_way){ .from = from,
		.to = to,
		.left = *first,
		.can_splice = stream_can_splice(from, to) };
	w->ends_line = bytes.len && bytes.ptr[bytes.len - 1] == '\n';
	*first = (struct buf){ .limit = first->limit };
	w->left.limit = 0; /* bounded by what one read leaves */
}

void relay_begin(struct relay *r, struct relay_shared *shared, struct stream *client,
	struct stream *source, struct buf *to_source, struct buf *to_client)
{
	r->shared = shared;
	way_begin(&r->up, client, source, to_source);
	way_begin(&r->down, source, client, to_client);
}

static void way_release(struct relay_way *w, struct relay_shared *shared)
{
	pipes_give_back(&shared->pipes, w->pipe);
	w->pipe = NULL;
	buf_wipe(&w->left);
	buf_fini(&w->left);
}

void relay_read_along(
	struct relay *r, const struct relay_reader *up, const struct relay_reader *down)
{
	r->up.reader = *up;
	r->down.reader = *down;
}

void relay_fini(struct relay *r)
{
	way_release(&r->up, r->shared);
	way_release(&r->down, r->shared);
}

static bool is_over(const struct relay_way *w)
{
	return w->state == WAY_DONE || w->state == WAY_CUT;
}

static bool has_left(const struct relay_way *w)
{
	return buf_len(&w->left) || (w->pipe && w->pipe->held);
}

static void moved(struct relay_way *w, ssize_t n, uint64_t now)
{
	w->bytes += (uint64_t)n;
	w->moved_at = now;
}

/* Nothing more will come from w->from; what is left is still written. */
static enum pump no_more_input(struct relay_way *w)
{
	w->state = WAY_DRAINING;
	return PUMP_WAIT;
}

/* Nobody reads at w->to any more (EPIPE, ECONNRESET): what is left has no taker. The
   other direction learns of it by its own read. */
static enum pump no_more_output(struct relay_way *w, struct relay_shared *shared)
{
	way_release(w, shared);
	w->state = WAY_CUT;
	return PUMP_WAIT;
}

/* Once, of what is left; it is not empty. Bytes or -errno. */
static ssize_t write_left(struct relay_way *w)
{
	ssize_t n;

	if (buf_len(&w->left))
		return stream_write_buf(w->to, &w->left);
	n = stream_splice_out(w->to, w->pipe->read_end, w->pipe->held);
	if (n > 0)
		w->pipe->held -= (size_t)n;
	return n;
}

/* Writes what is left. PUMP_AGAIN: all of it went. */
static enum pump flush(struct relay_way *w, struct relay_shared *shared, uint64_t now)
{
	while (has_left(w)) {
		ssize_t n = write_left(w);

		/* EAGAIN: the peer does not read; the pipe has what we ask for, so it
		   is not the pipe that is empty */
		if (n == -EAGAIN)
			return PUMP_WAIT;
		if (n <= 0)
			return no_more_output(w, shared);
		moved(w, n, now);
	}
	if (w->left.cap) {
		buf_wipe(&w->left);
		buf_fini(&w->left);
	}
	return PUMP_AGAIN;
}

static enum pump read_failed(struct relay_way *w, int code)
{
	if (code == -EAGAIN)
		return PUMP_WAIT;
	/* ECONNRESET, ETIMEDOUT, EHOSTUNREACH...: what came before still goes on */
	(void)no_more_input(w);
	w->is_broken = true;
	return PUMP_BROKEN;
}

/* Its reader is slow: no more than that is read for it until it is fast again. */
static enum pump blocked(struct relay_way *w)
{
	w->bulky = 0;
	return PUMP_WAIT;
}

static void judge_read(struct relay_way *w, ssize_t n)
{
	w->bulky = n >= BULKY_READ ? w->bulky + 1 : 0;
	if (w->bulky >= BULKY_READS && w->can_splice)
		w->mode = WAY_SPLICE;
}

/* After a peer that has hung up, a read that is not full has emptied the socket: the end
   is next, and it is passed on at once. */
static ssize_t write_on(const struct relay_way *w, struct str bytes, bool is_full)
{
	return w->has_hung_up && !is_full && !w->holds_end
	               ? stream_write_last(w->to, bytes)
	               : stream_write(w->to, bytes, false);
}

static enum pump copy_once(struct relay_way *w, struct relay_shared *shared, uint64_t now)
{
	size_t size = w->bulky ? STREAM_BULK : RELAY_READ;
	ssize_t n = stream_read(w->from, shared->scratch, size), written;

	if (n < 0)
		return read_failed(w, (int)n);
	if (n == 0)
		return no_more_input(w);
	/* first: whoever waits for them does not wait for what is done about them */
	written = write_on(w, str_of(shared->scratch, (size_t)n), (size_t)n == size);
	judge_read(w, n);
	w->ends_line = shared->scratch[n - 1] == '\n';
	if (w->reader.saw)
		w->reader.saw(w->reader.context, str_of(shared->scratch, (size_t)n));
	if (written < 0 && written != -EAGAIN)
		return no_more_output(w, shared);
	if (written < 0)
		written = 0;
	moved(w, written, now);
	if (written < n && buf_append(&w->left, str_of(shared->scratch + written,
							(size_t)(n - written))) < 0)
		return no_more_output(w, shared); /* no memory: better cut than altered */
	/* a short read has emptied the socket: do not ask only to hear EAGAIN, but for
	   an end that is there; bytes that are pending in the stream bring us here
	   again */
	if (written < n || stream_holds_back(w->to))
		return blocked(w);
	return (size_t)n < size && !w->has_hung_up ? PUMP_WAIT : PUMP_AGAIN;
}

/* What may be moved without being looked at. */
static size_t unseen_most(const struct relay_way *w)
{
	uint64_t most = w->reader.saw ? w->reader.skips(w->reader.context) : PIPE_SIZE;

	return most < PIPE_SIZE ? (size_t)most : PIPE_SIZE;
}

/* Only with an empty pipe, so that EAGAIN can only mean an empty socket. */
static enum pump splice_once(
	struct relay_way *w, struct relay_shared *shared, uint64_t now)
{
	size_t most = unseen_most(w);
	ssize_t n;

	if (most < SKIPPED_LEAST)
		return copy_once(w, shared, now);
	if (!w->pipe)
		w->pipe = pipes_lend(&shared->pipes);
	if (!w->pipe)
		return copy_once(w, shared, now);
	n = stream_splice_in(w->from, w->pipe->write_end, most);
	if (n == -EINVAL) {
		w->mode = WAY_COPY;
		w->can_splice = false;
		return copy_once(w, shared, now);
	}
	if (n < 0)
		return read_failed(w, (int)n);
	if (n == 0)
		return no_more_input(w);
	if (w->reader.saw)
		w->reader.skipped(w->reader.context, (uint64_t)n);
	w->ends_line = false;
	w->pipe->held = (size_t)n;
	return flush(w, shared, now);
}

static enum pump move_bytes(
	struct relay_way *w, struct relay_shared *shared, uint64_t now)
{
	uint64_t before = w->bytes;
	enum way_mode mode = w->mode;
	enum pump p = PUMP_AGAIN;

	for (int i = 0; i < ROUNDS && p == PUMP_AGAIN && w->state == WAY_OPEN; i++)
		p = w->mode == WAY_SPLICE ? splice_once(w, shared, now)
		                          : copy_once(w, shared, now);
	if (mode == WAY_SPLICE && w->bytes - before < SMALL_MOVE && !has_left(w)) {
		w->mode = WAY_COPY;
		w->bulky = 0;
	}
	return p;
}

/* The end of file goes on, also when both sockets are closed in a moment: TLS says it
   (close_notify). A connection that broke has none, and one that takes nothing any more
   may have broken. */
static void pass_end(struct relay_way *w, const struct relay_way *back)
{
	if (!w->is_broken && back->state != WAY_CUT)
		stream_shutdown(w->to, SHUT_WR);
	w->state = WAY_DONE;
}

static enum pump pump(struct relay_way *w, const struct relay_way *back,
	struct relay_shared *shared, uint64_t now)
{
	enum pump p;

	if (is_over(w))
		return PUMP_WAIT;
	p = flush(w, shared, now);
	if (p == PUMP_WAIT)
		return p;
	if (w->state == WAY_OPEN && stream_holds_back(w->to))
		p = blocked(w);
	else if (w->state == WAY_OPEN)
		p = move_bytes(w, shared, now);
	if (w->pipe && !w->pipe->held) {
		pipes_give_back(&shared->pipes, w->pipe);
		w->pipe = NULL;
	}
	/* what the stream holds back would be lost with it */
	if (w->state == WAY_DRAINING && !has_left(w) && !w->holds_end &&
		!stream_holds_back(w->to))
		pass_end(w, back);
	return p;
}

static int wanted(const struct relay_way *in, const struct relay_way *out)
{
	int events = 0;

	if (in->state == WAY_OPEN && !has_left(in) && !stream_holds_back(in->to))
		events |= UV_READABLE | UV_DISCONNECT;
	if (!is_over(out) && (has_left(out) || stream_holds_back(out->to)))
		events |= UV_WRITABLE;
	return events;
}

static enum relay_result settle(struct relay *r)
{
	if (is_over(&r->up) && is_over(&r->down))
		return RELAY_OVER;
	stream_want(r->up.from, wanted(&r->up, &r->down));
	stream_want(r->up.to, wanted(&r->down, &r->up));
	return RELAY_GOES_ON;
}

static void run(struct relay *r, bool up, bool down, uint64_t now)
{
	if (up && pump(&r->up, &r->down, r->shared, now) == PUMP_BROKEN &&
		!is_over(&r->down))
		(void)no_more_output(&r->down, r->shared);
	if (down && pump(&r->down, &r->up, r->shared, now) == PUMP_BROKEN &&
		!is_over(&r->up))
		(void)no_more_output(&r->up, r->shared);
}

enum relay_result relay_start(struct relay *r, uint64_t now)
{
	r->up.moved_at = r->down.moved_at = now;
	/* what waits in the sockets comes as an event: a read now would mostly be for
	   nothing */
	(void)flush(&r->up, r->shared, now);
	(void)flush(&r->down, r->shared, now);
	return settle(r);
}

enum relay_result relay_event(
	struct relay *r, const struct stream *which, int events, int error, uint64_t now)
{
	bool client = which == r->up.from;
	bool in = error || events & UV_READABLE, out = error || events & UV_WRITABLE;

	if (events & UV_DISCONNECT)
		(client ? &r->up : &r->down)->has_hung_up = true;
	run(r, client ? in : out, client ? out : in, now);
	return settle(r);
}

void relay_hold_source_end(struct relay *r)
{
	r->down.holds_end = true;
}

enum relay_result relay_pass_source_end(struct relay *r, uint64_t now)
{
	r->down.holds_end = false;
	run(r, false, true, now);
	return settle(r);
}

bool relay_can_pause(const struct relay *r)
{
	return r->up.state == WAY_OPEN && r->down.state == WAY_OPEN &&
	       !has_left(&r->up) && !(r->down.pipe && r->down.pipe->held);
}

int relay_pause(struct relay *r, struct buf *to_client)
{
	return buf_append(to_client, buf_view(&r->down.left));
}

bool relay_source_drained(const struct relay *r)
{
	return r->down.state != WAY_OPEN && !has_left(&r->down);
}

bool relay_source_ended(const struct relay *r)
{
	return r->down.state == WAY_DONE;
}

bool relay_half_closed(const struct relay *r)
{
	return r->up.state != WAY_OPEN || r->down.state != WAY_OPEN;
}

bool relay_between_lines(const struct relay *r, uint64_t now)
{
	const struct relay_way *w = &r->down;

	return w->state == WAY_OPEN && !has_left(w) && w->ends_line &&
	       now - w->moved_at >= QUIET_MS;
}
