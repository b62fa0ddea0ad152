/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/courier.h"

#include "base/arena.h"
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/session/session.h"
#include "wire/smtp/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#define READ_SIZE 4096
#define PIECE 16384       /* of the message, in one turn */
#define OUT_HIGH 65536    /* then it is to read first */
#define CONNECT_MS 10000  /* as to the source */
#define COMMAND_MS 300000 /* RFC 5321, 4.5.3.2 */
#define FINAL_MS 600000   /* the same, behind the dot */

struct courier {
	LIST_ENTRY(courier) all;
	struct host *host;
	const struct courier_ops *ops;
	void *owner;
	struct arena arena;
	char session_id[SESSION_ID_MAX];
	struct stream *stream;
	uint64_t deadline;
	struct buf in, out;
	struct smtp_outgoing_mail mail;
	struct smtp_outgoing machine;
	struct str header; /* what of it is not sent */
	int file;
	off_t sent, size; /* of the file */
	unsigned calls;   /* on the stack: it is freed behind them */
	bool at_once, is_connected, is_dropped;
};

/* ---- beginning and end ---- */

static void dispose(struct courier *c)
{
	LIST_REMOVE(c, all);
	stream_free(c->stream);
	fd_closep(&c->file);
	buf_fini(&c->in);
	buf_fini(&c->out);
	arena_fini(&c->arena);
	free(c);
}

void courier_free(struct courier *c)
{
	if (!c)
		return;
	c->is_dropped = true;
	if (!c->calls)
		dispose(c);
}

static void wait_for(struct courier *c, uint64_t ms)
{
	c->deadline = ms ? c->host->ops->now(c->host) + ms : 0;
}

static void log_failure(const struct courier *c, const char *why)
{
	log_warning(c->session_id, "destination", "error=\"%s\" in=\"%s\"", why,
		c->is_connected ? smtp_outgoing_state_name(c->machine.state) : "connect");
}

/* ---- the message ---- */

static int send_file(struct courier *c)
{
	char piece[PIECE];
	ssize_t n = pread(c->file, piece, sizeof(piece), c->sent);

	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	c->sent += n;
	return smtp_outgoing_put(&c->machine, str_of(piece, (size_t)n), &c->out);
}

/* As much as there is room for. */
static int send_body(struct courier *c)
{
	int r = 0;

	if (c->header.len)
		r = smtp_outgoing_put(&c->machine, c->header, &c->out);
	c->header = STR_LIT("");
	while (r == 0 && c->sent < c->size && buf_len(&c->out) < OUT_HIGH)
		r = send_file(c);
	return r;
}

static bool is_sent(const struct courier *c)
{
	return c->machine.state == SMTP_OUTGOING_BODY && !c->header.len &&
	       c->sent == c->size && !buf_len(&c->out);
}

/* ---- its connection ---- */

static void fail(struct courier *c, int code)
{
	log_failure(c, strerror(-code));
	smtp_outgoing_fail(&c->machine);
	stream_free(c->stream);
	c->stream = NULL;
	wait_for(c, 0);
}

static void flush(struct courier *c)
{
	ssize_t n = 1;

	while (c->stream && buf_len(&c->out) && n > 0)
		n = stream_write_buf(c->stream, &c->out);
	if (n < 0 && n != -EAGAIN)
		fail(c, (int)n);
}

static void end_message(struct courier *c)
{
	int r = smtp_outgoing_end(&c->machine, &c->out);

	if (r < 0)
		fail(c, r);
	else
		wait_for(c, FINAL_MS);
}

static void hold(struct courier *c)
{
	smtp_outgoing_hold(&c->machine);
	wait_for(c, 0); /* whoever sends it has a time of their own */
	if (c->at_once)
		end_message(c);
	else
		c->ops->held(c->owner);
}

/* true: something was done, and there may be more. */
static bool act(struct courier *c)
{
	size_t used;
	enum smtp_outgoing_event event =
		smtp_outgoing_next(&c->machine, buf_view(&c->in), &used, &c->out);

	buf_consume(&c->in, used);
	switch (event) {
	case SMTP_OUTGOING_AGAIN:
	case SMTP_OUTGOING_SEND:
		wait_for(c, COMMAND_MS);
		return true;
	case SMTP_OUTGOING_ANSWER:
		if (c->machine.reply.len)
			log_info(c->session_id, "destination", "refused=\"%.*s\" in=%s",
				STR_ARG(c->machine.reply),
				smtp_outgoing_state_name(c->machine.state));
		c->ops->answered(c->owner, c->machine.nth, c->machine.reply);
		return true;
	case SMTP_OUTGOING_DONE:
		flush(c);
		stream_free(c->stream);
		c->stream = NULL;
		wait_for(c, 0);
		return false;
	case SMTP_OUTGOING_NEED_MORE:
		break;
	}
	return false;
}

static int give_message(struct courier *c)
{
	int r;

	if (c->machine.state != SMTP_OUTGOING_BODY)
		return 0;
	r = send_body(c);
	if (r == 0)
		wait_for(c, COMMAND_MS);
	return r;
}

/* 1: something was read; 0: later; or -errno. */
static int read_more(struct courier *c)
{
	ssize_t n = stream_read_buf(c->stream, &c->in, READ_SIZE);

	if (n == -EAGAIN)
		return 0;
	return n > 0 ? 1 : n < 0 ? (int)n : -ECONNRESET;
}

static void turn(struct courier *c)
{
	int r = give_message(c);

	if (r < 0)
		fail(c, r);
	flush(c);
	if (is_sent(c))
		hold(c);
}

static void run(struct courier *c)
{
	int r = 1;

	while (r > 0 && !c->is_dropped) {
		while (!c->is_dropped && act(c))
			continue;
		if (!c->stream || c->is_dropped)
			return;
		turn(c);
		if (!c->stream)
			continue; /* it has failed: all are told */
		r = read_more(c);
		if (r < 0) {
			fail(c, r);
			r = 1;
		}
	}
	if (c->stream && !c->is_dropped)
		stream_want(c->stream,
			UV_READABLE | (buf_len(&c->out) || c->machine.state ==
								      SMTP_OUTGOING_BODY
						      ? UV_WRITABLE
						      : 0));
}

static void enter(struct courier *c)
{
	c->calls++;
}

static void leave(struct courier *c)
{
	if (!--c->calls && c->is_dropped)
		dispose(c);
}

static void ready(void *context, int events, int error)
{
	struct courier *c = context;
	int r = error ? error : stream_connected(c->stream);

	(void)events;
	if (r == -EINPROGRESS)
		return;
	enter(c);
	if (r < 0)
		fail(c, r);
	else if (!c->is_connected)
		wait_for(c, COMMAND_MS);
	c->is_connected = c->is_connected || r == 0;
	run(c);
	leave(c);
}

/* ---- for its owner ---- */

static int copy_mail(struct courier *c, const struct courier_mail *mail)
{
	struct stat st;

	c->mail = mail->mail;
	c->mail.helo = arena_str(&c->arena, mail->mail.helo);
	c->mail.sender = arena_str(&c->arena, mail->mail.sender);
	c->mail.params = arena_str(&c->arena, mail->mail.params);
	c->header = arena_str(&c->arena, mail->header);
	if (!c->mail.helo.ptr || !c->mail.sender.ptr || !c->mail.params.ptr ||
		!c->header.ptr)
		return -ENOMEM;
	if (mail->file < 0)
		return 0;
	c->file = fcntl(mail->file, F_DUPFD_CLOEXEC, 0);
	if (c->file < 0 || fstat(c->file, &st) < 0)
		return -errno;
	c->size = st.st_size;
	c->mail.size = (uint64_t)c->size + c->header.len;
	return 0;
}

struct courier *courier_send(struct host *h, const struct courier_mail *mail,
	const struct courier_ops *ops, void *owner)
{
	struct courier *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return NULL;
	c->host = h;
	c->ops = ops;
	c->owner = owner;
	c->file = -1;
	c->at_once = mail->at_once;
	(void)snprintf(c->session_id, sizeof(c->session_id), "%s", mail->session_id);
	arena_init(&c->arena);
	buf_init(&c->in, SMTP_REPLY_MAX + READ_SIZE);
	buf_init(&c->out, 0);
	LIST_INSERT_HEAD(&h->couriers, c, all);
	r = copy_mail(c, mail);
	smtp_outgoing_init(&c->machine, &c->mail);
	if (r == 0)
		r = h->ops->connect_destination(h, &c->stream);
	if (r < 0) {
		log_failure(c, strerror(-r));
		dispose(c);
		return NULL;
	}
	wait_for(c, CONNECT_MS);
	stream_set_owner(c->stream, ready, c);
	stream_want(c->stream, UV_READABLE | UV_WRITABLE);
	return c;
}

void courier_commit(struct courier *c)
{
	end_message(c);
	if (c->stream)
		stream_want(c->stream, UV_READABLE | UV_WRITABLE);
	else
		wait_for(c, 1); /* told at the next tick, not in the middle of this */
}

static struct courier *first_late(struct host *h)
{
	uint64_t now = h->ops->now(h);
	struct courier *c;

	LIST_FOREACH(c, &h->couriers, all)
	{
		if (c->deadline && c->deadline <= now)
			return c;
	}
	return NULL;
}

void courier_tick(struct host *h)
{
	struct courier *c;

	/* each may be the end of others, too */
	while ((c = first_late(h))) {
		enter(c);
		fail(c, -ETIMEDOUT);
		run(c);
		leave(c);
	}
}
