/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/filter.h"

#include "base/log.h"
#include "interceptor/smtp/smtp.h"
#include "wire/milter/edit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define READ_SIZE 16384
#define TURNS_MAX 64 /* then others have theirs */
#define OUT_MAX (4 * MILTER_PIECE)
#define OUT_HIGH MILTER_PIECE /* then it is to read first */

/* As Postfix says them. */
#define REJECT_TEXT "550 5.7.1 Command rejected"
#define TEMPFAIL_TEXT "451 4.7.1 Service unavailable - try again later"
#define AWAY_TEXT "550 5.5.0 Service unavailable"
#define QUARANTINE_TEXT "550 5.7.1 The content filter holds this message back"

/* Of recipients and the sender, until the verdict. */
struct envelope_change {
	struct envelope_change *next;
	enum milter_change_kind kind;
	struct str address;
};

struct filter {
	LIST_ENTRY(filter) all;
	struct session *session;
	const struct filter_ops *ops;
	struct content *content; /* the staging's */
	struct arena arena;      /* of the envelope */
	struct str sender, params;
	struct smtp_recipient *recipients;
	const char *refusal;
	char reply[MILTER_TEXT_MAX];

	/* of one filter */
	size_t index;
	struct stream *stream;
	uint64_t deadline; /* 0: none */
	struct buf in, out;
	struct arena mail_arena;
	struct milter_mail mail;
	struct milter machine;
	struct milter_edit edit;
	struct content body;
	struct envelope_change *changes, **last_change;
	bool is_open, is_connected, has_edit, has_body;
};

/* ---- the envelope ---- */

static struct smtp_recipient *add_recipient(
	struct filter *f, struct str address, struct str params, struct str account)
{
	struct smtp_recipient **at = &f->recipients, *r = NULL;

	while (*at && !str_eq((*at)->account, account))
		at = &(*at)->next;
	if (*at)
		return *at;
	r = arena_alloc(&f->arena, sizeof(*r));
	if (!r)
		return NULL;
	r->address = arena_str(&f->arena, address);
	r->params = arena_str(&f->arena, params);
	r->account = arena_str(&f->arena, account);
	if (!r->address.ptr || !r->params.ptr || !r->account.ptr)
		return NULL;
	*at = r;
	return r;
}

static int add_address(struct filter *f, struct str address)
{
	char id[SESSION_ID_MAX];
	struct str account = f->ops->account_of(f->session, address, &f->arena);

	if (account.ptr)
		return add_recipient(f, address, STR_LIT(""), account) ? 0 : -ENOMEM;
	log_warning(session_id(f->session, id), "milter",
		"event=\"does not live here, and is not sent to\" to=<%.*s>",
		STR_ARG(address));
	return 0;
}

static void delete_address(struct filter *f, struct str address)
{
	struct smtp_recipient **at = &f->recipients;

	while (*at && !str_ieq((*at)->address, address))
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
}

/* Behind a failure it is half changed, and good for nothing. */
static int apply_to_envelope(struct filter *f)
{
	int r = 0;

	for (const struct envelope_change *c = f->changes; c && r == 0; c = c->next) {
		if (c->kind == MILTER_ADD_RECIPIENT) {
			r = add_address(f, c->address);
		} else if (c->kind == MILTER_DELETE_RECIPIENT) {
			delete_address(f, c->address);
		} else {
			f->sender = arena_str(&f->arena, c->address);
			r = f->sender.ptr ? 0 : -ENOMEM;
		}
	}
	return r;
}

/* ---- beginning and end ---- */

struct filter *filter_new(
	struct session *s, struct content *content, const struct filter_ops *ops)
{
	const struct smtp_transaction *t = &smtp_of(s)->proxy.transaction;
	struct filter *f = calloc(1, sizeof(*f));
	bool ok = f != NULL;

	if (!f)
		return NULL;
	f->session = s;
	f->ops = ops;
	f->content = content;
	arena_init(&f->arena);
	LIST_INSERT_HEAD(&s->host->filters, f, all);
	f->sender = arena_str(&f->arena, t->sender);
	f->params = arena_str(&f->arena, t->mail_params);
	for (const struct smtp_recipient *r = t->local.first; r && ok; r = r->next)
		ok = add_recipient(f, r->address, r->params, r->account) != NULL;
	if (ok && f->sender.ptr)
		return f;
	filter_free(f);
	return NULL;
}

static void close_one(struct filter *f)
{
	if (!f->is_open)
		return;
	f->is_open = false;
	stream_free(f->stream);
	f->stream = NULL;
	f->deadline = 0;
	milter_fini(&f->machine);
	if (f->has_edit)
		milter_edit_fini(&f->edit);
	if (f->has_body)
		content_fini(&f->body);
	f->is_connected = f->has_edit = f->has_body = false;
	buf_fini(&f->in);
	buf_fini(&f->out);
	arena_fini(&f->mail_arena);
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	LIST_REMOVE(f, all);
	close_one(f);
	arena_fini(&f->arena);
	free(f);
}

static const char *name_of(const struct filter *f)
{
	return f->session->host->settings->milters.paths[f->index];
}

/* The last thing that is done to it here: done() may free it. */
static void finish(struct filter *f, const char *refusal)
{
	close_one(f);
	f->refusal = refusal;
	f->ops->done(f->session);
}

static void begin_next(struct filter *f);

/* What milter_default says of a filter that gives no verdict. */
static void failed(struct filter *f, const char *why)
{
	const struct settings *settings = f->session->host->settings;
	char id[SESSION_ID_MAX];

	log_warning(session_id(f->session, id), "milter", "at=%s error=\"%s\" in=\"%s\"",
		name_of(f), why,
		f->is_connected ? milter_state_name(f->machine.state) : "connect");
	f->session->host->notes[NOTE_FILTER]++;
	close_one(f);
	if (settings->milter_default == MILTER_DEFAULT_ACCEPT) {
		f->index++;
		begin_next(f);
	} else {
		finish(f, settings->milter_default == MILTER_DEFAULT_REJECT
				  ? AWAY_TEXT
				  : TEMPFAIL_TEXT);
	}
}

/* ---- what a filter changes ---- */

static int put_piece(void *context, struct str piece)
{
	return content_write(context, piece);
}

static int begin_edit(struct filter *f)
{
	if (f->has_edit)
		return 0;
	f->has_edit = true;
	return milter_edit_init(&f->edit, f->mail.message);
}

static int change_header(struct filter *f, const struct milter_change *c)
{
	int r = begin_edit(f);

	return r < 0 ? r : milter_edit_apply(&f->edit, c);
}

static int change_body(struct filter *f, struct str piece)
{
	const struct settings *settings = f->session->host->settings;

	if (!f->has_body) {
		f->has_body = true;
		content_init(&f->body, settings);
	}
	return f->body.len + piece.len > settings->limits.message_bytes
	               ? -EFBIG
	               : content_write(&f->body, piece);
}

static int change_envelope(struct filter *f, const struct milter_change *c)
{
	struct envelope_change *e = NULL;

	if (f->mail_arena.used < SMTP_TRANSACTION_MAX)
		e = arena_alloc(&f->mail_arena, sizeof(*e));
	if (!e)
		return -ENOBUFS;
	e->kind = c->kind;
	e->address = arena_str(&f->mail_arena, c->value);
	*f->last_change = e;
	f->last_change = &e->next;
	return e->address.ptr ? 0 : -ENOMEM;
}

static int change(struct filter *f, const struct milter_change *c)
{
	switch (c->kind) {
	case MILTER_ADD_HEADER:
	case MILTER_INSERT_HEADER:
	case MILTER_CHANGE_HEADER:
		return change_header(f, c);
	case MILTER_REPLACE_BODY:
		return change_body(f, c->value);
	case MILTER_ADD_RECIPIENT:
	case MILTER_DELETE_RECIPIENT:
	case MILTER_CHANGE_SENDER:
		return change_envelope(f, c);
	case MILTER_CHANGE_COUNT:
		break;
	}
	return -EINVAL;
}

/* The message as it is from now on. */
static int rewrite(struct filter *f, struct content *fresh)
{
	int r = begin_edit(f);
	struct str body = f->edit.body;

	if (r == 0 && f->has_body)
		r = content_view(&f->body, &body);
	if (r == 0)
		r = milter_edit_each(&f->edit, put_piece, fresh);
	return r < 0 ? r : content_write(fresh, body);
}

static int take_content(struct filter *f)
{
	struct content fresh;
	int r;

	if (!f->has_edit && !f->has_body)
		return 0;
	content_init(&fresh, f->session->host->settings);
	r = rewrite(f, &fresh);
	if (r < 0) {
		content_fini(&fresh);
		return r;
	}
	content_fini(f->content); /* which nobody looks at any more */
	*f->content = fresh;
	return 0;
}

/* ---- its verdict ---- */

static void decided(struct filter *f)
{
	enum milter_verdict verdict = f->machine.verdict;
	char id[SESSION_ID_MAX];
	int r;

	log_info(session_id(f->session, id), "milter", "at=%s verdict=%s text=\"%s\"",
		name_of(f), milter_verdict_name(verdict), f->machine.text);
	(void)snprintf(f->reply, sizeof(f->reply), "%s", f->machine.text);
	switch (verdict) {
	case MILTER_ACCEPT:
		r = take_content(f);
		if (r < 0) {
			failed(f, strerror(-r));
			return;
		}
		if (apply_to_envelope(f) < 0) {
			finish(f, TEMPFAIL_TEXT);
			return;
		}
		close_one(f);
		f->index++;
		begin_next(f);
		return;
	case MILTER_REJECT:
		finish(f, REJECT_TEXT);
		return;
	case MILTER_REPLY:
		finish(f, f->reply);
		return;
	case MILTER_DISCARD:
		f->recipients = NULL;
		finish(f, NULL);
		return;
	case MILTER_QUARANTINE:
		finish(f, QUARANTINE_TEXT);
		return;
	case MILTER_TEMPFAIL:
	case MILTER_VERDICT_COUNT:
		break;
	}
	finish(f, TEMPFAIL_TEXT);
}

/* ---- its connection ---- */

static void set_deadline(struct filter *f)
{
	const struct settings *s = f->session->host->settings;
	uint32_t seconds = f->machine.state < MILTER_HEADER ? s->milter_command_timeout_s
	                                                    : s->milter_content_timeout_s;

	f->deadline = f->session->host->ops->now(f->session->host) + seconds * 1000ull;
}

/* false: it could not be written at all. */
static bool flush(struct filter *f)
{
	while (buf_len(&f->out)) {
		ssize_t n = stream_write_buf(f->stream, &f->out);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return false;
		set_deadline(f);
	}
	return true;
}

/* One thing that it has said, or is told. */
static enum milter_action step(struct filter *f)
{
	size_t used;
	enum milter_action action = milter_next(&f->machine, buf_view(&f->in), &used);

	if (action == MILTER_CHANGED) {
		int r = change(f, &f->machine.change);

		if (r == -EINVAL) { /* no name of a header: that change alone */
			char id[SESSION_ID_MAX];

			log_warning(session_id(f->session, id), "milter",
				"at=%s event=\"no header is named so\"", name_of(f));
		} else if (r < 0) {
			action = MILTER_BROKEN;
		}
	}
	buf_consume(&f->in, used);
	return action;
}

/* 1: something was read; 0: later; or -errno. */
static int read_more(struct filter *f)
{
	ssize_t n = stream_read_buf(f->stream, &f->in, READ_SIZE);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	set_deadline(f);
	return 1;
}

static void run(struct filter *f)
{
	enum milter_action action = MILTER_AGAIN;
	int r = 1, turns = 0;

	while (r > 0) {
		action = step(f);
		if (action == MILTER_DECIDED || action == MILTER_BROKEN)
			break;
		if (action == MILTER_NEED_MORE || buf_len(&f->out) > OUT_HIGH)
			r = flush(f) ? 1 : -EPIPE;
		if (r > 0 && buf_len(&f->out) > OUT_HIGH)
			r = 0;
		else if (r > 0 && action == MILTER_NEED_MORE)
			r = ++turns < TURNS_MAX ? read_more(f) : 0;
	}
	if (action == MILTER_DECIDED) {
		(void)flush(f); /* its QUIT; the end says as much */
		decided(f);
	} else if (action == MILTER_BROKEN) {
		failed(f, "it does not speak the milter protocol, or asks for too much");
	} else if (r < 0) {
		failed(f, strerror(-r));
	} else {
		stream_want(
			f->stream, UV_READABLE | (buf_len(&f->out) ? UV_WRITABLE : 0));
	}
}

static void ready(void *context, int events, int error)
{
	struct filter *f = context;
	struct session *s = f->session;
	int r = error ? error : stream_connected(f->stream);

	(void)events;
	if (r == -EINPROGRESS)
		return;
	f->is_connected = f->is_connected || r == 0;
	session_enter(s);
	if (r < 0)
		failed(f, strerror(-r));
	else
		run(f);
	session_leave(s);
}

static int describe(struct filter *f)
{
	struct session *s = f->session;
	const struct smtp_session *smtp = smtp_of(s);
	char text[INET6_ADDRSTRLEN], id[MESSAGE_ID_MAX];
	struct milter_recipient *to;
	size_t n = 0;

	for (const struct smtp_recipient *r = f->recipients; r; r = r->next)
		n++;
	to = arena_alloc(&f->mail_arena, n * sizeof(*to));
	f->mail = (struct milter_mail){
		.client = arena_str(&f->mail_arena, smtp_client_address(s, text)),
		.port = endpoint_port(&s->peer),
		.helo = str_from(smtp->proxy.client.helo),
		.sender = f->sender,
		.params = f->params,
		.recipients = to,
		.server = smtp->offer.name,
		.id = arena_str(
			&f->mail_arena, str_from(message_id(s, smtp->staging, id))),
	};
	if (smtp->proxy.client.authenticated)
		f->mail.user = s->account ? str_from(s->account) : STR_LIT("unknown");
	if (!to || !f->mail.client.ptr || !f->mail.id.ptr)
		return -ENOMEM;
	for (const struct smtp_recipient *r = f->recipients; r; r = r->next)
		to[f->mail.n_recipients++] =
			(struct milter_recipient){ r->address, r->params };
	return 0;
}

static int open_one(struct filter *f)
{
	struct host *h = f->session->host;
	int r;

	arena_init(&f->mail_arena);
	buf_init(&f->in, MILTER_PACKET_MAX + 4 + READ_SIZE);
	buf_init(&f->out, OUT_MAX);
	f->changes = NULL;
	f->last_change = &f->changes;
	f->is_open = true;
	r = describe(f);
	if (r == 0)
		r = content_view(f->content, &f->mail.message);
	milter_init(&f->machine, &f->mail, &f->out);
	if (r == 0)
		r = h->ops->connect_filter(h, name_of(f), &f->stream);
	if (r < 0)
		return r;
	f->deadline = h->ops->now(h) + h->settings->milter_connect_timeout_s * 1000ull;
	stream_set_owner(f->stream, ready, f);
	stream_want(f->stream, UV_READABLE | UV_WRITABLE);
	return 0;
}

static void begin_next(struct filter *f)
{
	int r;

	if (!f->recipients || f->index == f->session->host->settings->milters.n) {
		finish(f, NULL);
		return;
	}
	r = open_one(f);
	if (r < 0)
		failed(f, strerror(-r));
}

void filter_start(struct filter *f)
{
	begin_next(f);
}

static struct filter *first_late(struct host *h)
{
	uint64_t now = h->ops->now(h);
	struct filter *f;

	LIST_FOREACH(f, &h->filters, all)
	{
		if (f->deadline && f->deadline <= now)
			return f;
	}
	return NULL;
}

void filter_tick(struct host *h)
{
	struct filter *f;

	/* each may be the end of others, too */
	while ((f = first_late(h))) {
		struct session *s = f->session;

		session_enter(s);
		failed(f, "no answer in time");
		session_leave(s);
	}
}

/* ---- what came of it ---- */

struct str filter_refusal(const struct filter *f)
{
	return str_from(f->refusal);
}

struct str filter_sender(const struct filter *f)
{
	return f->sender;
}

const struct smtp_recipient *filter_recipients(const struct filter *f)
{
	return f->recipients;
}
