/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smart_host/relay.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "event/timer.h"
#include "net/relay.h"
#include "settings/login_file.h"
#include "settings/smart_host.h"
#include "source/smart_host.h"
#include "wire/smtp/client_auth.h"
#include "wire/smtp/reply.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define TICK_MS 1000
#define LOGIN_MS 30000   /* from the connection to the end of the login */
#define REFUSED_MS 30000 /* no other login is tried for so long */
#define HALF_MS 30000    /* one side has ended: the other has said what it had to say */
#define READ_SIZE SMTP_REPLY_LINE_MAX
#define REPLY_BYTES (SMTP_REPLY_MAX + READ_SIZE)

struct smart_host_relay {
	struct loop loop;
	const struct settings *settings;
	struct smart_host host;
	struct source_tls tls;
	struct buf file;
	struct login login;
	bool has_login;
	struct watch *listener;
	struct timer *tick;
	struct relay_shared shared;
	LIST_HEAD(, passage) passages;
	bool is_taken;          /* the last login that was answered */
	struct passage *trial;  /* until one is, no more than this one logs in */
	bool any_waits;         /* for its answer */
	uint64_t refused_until; /* loop time */
	char refused[SMTP_CLIENT_AUTH_WORDS_MAX];
};

/* One connection of ours, and the one behind it. */
struct passage {
	LIST_ENTRY(passage) all;
	struct smart_host_relay *owner;
	struct stream *client, *server;
	struct smtp_client_auth auth;
	struct buf in, out, greeting;
	uint64_t end;       /* of the login, loop time */
	bool is_open;       /* logged in: bytes pass */
	struct relay bytes; /* then */
};

/* ---- its end ---- */

static void passage_free(struct passage *p)
{
	LIST_REMOVE(p, all);
	if (p->owner->trial == p)
		p->owner->trial = NULL;
	if (p->is_open)
		relay_fini(&p->bytes);
	stream_free(p->client);
	stream_free(p->server);
	buf_wipe(&p->out);
	buf_fini(&p->in);
	buf_fini(&p->out);
	buf_fini(&p->greeting);
	free(p);
}

/* The socket's room takes such a line at once, or nobody reads it. */
static void turn_away(struct passage *p, const char *why, const char *words)
{
	char line[2 * SMTP_CLIENT_AUTH_WORDS_MAX];
	int n = snprintf(line, sizeof(line), "421 4.7.0 The smart host %s%s%s\r\n", why,
		*words ? ": " : "", words);

	if (n > 0 && n < (int)sizeof(line))
		(void)stream_write(p->client, str_of(line, (size_t)n), false);
	passage_free(p);
}

static void fail(struct passage *p, const char *why)
{
	log_warning(NULL, "smart-host", "in=%s error=\"%s\"",
		smtp_client_auth_state_name(p->auth.state), why);
	turn_away(p, "cannot be reached", "");
}

/* ---- logged in: bytes pass ---- */

static void judge(struct passage *p, enum relay_result result)
{
	if (result == RELAY_OVER)
		passage_free(p);
}

static void open_passage(struct passage *p)
{
	buf_wipe(&p->out);
	buf_clear(&p->out);
	p->is_open = true;
	p->owner->is_taken = true;
	p->owner->trial = NULL;
	relay_begin(&p->bytes, &p->owner->shared, p->client, p->server, &p->out,
		&p->greeting);
	judge(p, relay_start(&p->bytes, loop_now(&p->owner->loop)));
}

/* ---- the login ---- */

static void refuse(struct passage *p)
{
	struct smart_host_relay *r = p->owner;

	log_error(NULL, "smart-host-login",
		"refused=\"%s\" tried_again_in_s=%d; put the right user and password "
		"into %s and run `mailferry upgrade`",
		p->auth.words, REFUSED_MS / 1000, r->settings->smart_host_credentials);
	(void)snprintf(r->refused, sizeof(r->refused), "%s", p->auth.words);
	r->refused_until = loop_now(&r->loop) + REFUSED_MS;
	r->is_taken = false;
	turn_away(p, "refuses our login", p->auth.words);
}

static void settle(struct passage *p, enum smtp_client_auth_result result)
{
	switch (result) {
	case SMTP_CLIENT_AUTH_NEED_MORE:
		break;
	case SMTP_CLIENT_AUTH_DONE:
		open_passage(p);
		break;
	case SMTP_CLIENT_AUTH_REFUSED:
		refuse(p);
		break;
	case SMTP_CLIENT_AUTH_LATER:
		log_warning(NULL, "smart-host", "in=%s reply=\"%s\"",
			smtp_client_auth_state_name(p->auth.state), p->auth.words);
		turn_away(p, "takes no mail now", p->auth.words);
		break;
	case SMTP_CLIENT_AUTH_NO_MECHANISM:
		log_error(NULL, "smart-host-login",
			"error=\"it offers neither PLAIN nor LOGIN\"");
		turn_away(p, "offers no login by PLAIN or LOGIN", "");
		break;
	case SMTP_CLIENT_AUTH_BROKEN:
		fail(p, "its answers are not those of an SMTP server");
		break;
	}
}

/* Bytes moved, 0: wait, or -errno. */
static ssize_t flush(struct passage *p)
{
	ssize_t n = 1;

	while (buf_len(&p->out) && n > 0)
		n = stream_write_buf(p->server, &p->out);
	if (!buf_len(&p->out))
		buf_wipe(&p->out);
	return n == -EAGAIN ? 0 : n;
}

static ssize_t take_in(struct passage *p)
{
	ssize_t n = stream_read_buf(p->server, &p->in, READ_SIZE);

	if (n == -EAGAIN)
		return 0;
	return n == 0 ? -ECONNRESET : n;
}

/* As far as it goes now; p may be gone afterwards. */
static void log_in(struct passage *p)
{
	ssize_t n;

	while ((n = flush(p)) >= 0 && (n = take_in(p)) > 0) {
		size_t used;
		enum smtp_client_auth_result result = smtp_client_auth_next(
			&p->auth, buf_view(&p->in), &used, &p->out, &p->greeting);

		buf_consume(&p->in, used);
		if (result != SMTP_CLIENT_AUTH_NEED_MORE) {
			settle(p, result);
			return;
		}
	}
	if (n < 0)
		fail(p, strerror((int)-n));
	else
		stream_want(
			p->server, UV_READABLE | (buf_len(&p->out) ? UV_WRITABLE : 0));
}

static void server_ready(void *context, int events, int error)
{
	struct passage *p = context;
	int r;

	if (p->is_open) {
		judge(p, relay_event(&p->bytes, p->server, events, error,
				 loop_now(&p->owner->loop)));
		return;
	}
	r = error ? error : stream_connected(p->server);
	if (r == -EINPROGRESS)
		return;
	if (r < 0)
		fail(p, smart_host_trouble(r));
	else
		log_in(p);
}

/* Nothing of the client is wanted before the login. */
static void client_ready(void *context, int events, int error)
{
	struct passage *p = context;

	if (p->is_open)
		judge(p, relay_event(&p->bytes, p->client, events, error,
				 loop_now(&p->owner->loop)));
	else if (error)
		passage_free(p);
}

/* ---- its beginning ---- */

static int connect_server(struct passage *p, struct error *err)
{
	struct smart_host_relay *r = p->owner;
	int fd = smart_host_connect(r->settings), code = fd;

	if (fd >= 0)
		code = stream_plain_new(&r->loop, fd, &p->server);
	if (fd >= 0 && code < 0)
		fd_closep(&fd);
	if (code >= 0)
		code = smart_host_wrap(&r->tls, r->settings, &p->server, err);
	return code < 0 && !err->code ? error_errno(err, code, "the smart host") : code;
}

static void begin(struct passage *p)
{
	struct smart_host_relay *r = p->owner;
	struct error err = { 0 };

	if (!r->has_login) {
		turn_away(p, "cannot be used: our login there cannot be read", "");
		return;
	}
	if (loop_now(&r->loop) < r->refused_until) {
		turn_away(p, "refuses our login", r->refused);
		return;
	}
	if (!r->is_taken && r->trial) {
		r->any_waits = true;
		return;
	}
	if (!r->is_taken)
		r->trial = p;
	if (connect_server(p, &err) < 0) {
		fail(p, err.text);
		return;
	}
	stream_set_owner(p->server, server_ready, p);
	stream_want(p->server, UV_READABLE | UV_WRITABLE);
}

/* Ahead of each turn of the loop: the trial is over, or another one is wanted. */
static void begin_waiting(void *context)
{
	struct smart_host_relay *r = context;
	struct passage *p = LIST_FIRST(&r->passages), *next;

	if (!r->any_waits || r->trial)
		return;
	r->any_waits = false;
	for (; p; p = next) {
		next = LIST_NEXT(p, all);
		if (!p->server)
			begin(p);
	}
}

/* Takes fd. */
static void accept_one(struct smart_host_relay *r, int fd)
{
	struct passage *p = calloc(1, sizeof(*p));

	if (!p || stream_plain_new(&r->loop, fd, &p->client) < 0) {
		free(p);
		fd_closep(&fd);
		return;
	}
	p->owner = r;
	p->end = loop_now(&r->loop) + LOGIN_MS;
	buf_init(&p->in, REPLY_BYTES);
	buf_init(&p->out, 0);
	buf_init(&p->greeting, 0);
	smtp_client_auth_init(&p->auth, r->host.kind == SMART_HOST_LMTP,
		STR_LIT("[127.0.0.1]"), r->login.user, r->login.password);
	LIST_INSERT_HEAD(&r->passages, p, all);
	stream_set_owner(p->client, client_ready, p);
	begin(p);
}

static void listener_ready(void *context, int events, int error)
{
	struct smart_host_relay *r = context;
	int fd = accept4(r->listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	(void)error;
	if (fd >= 0)
		accept_one(r, fd);
	else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		watch_want(r->listener, 0); /* no descriptors: on_tick() wants again */
}

static bool is_left(const struct passage *p, uint64_t now)
{
	const struct relay *b = &p->bytes;
	uint64_t moved =
		b->up.moved_at > b->down.moved_at ? b->up.moved_at : b->down.moved_at;

	return relay_half_closed(b) && now - moved > HALF_MS;
}

static void on_tick(void *context)
{
	struct smart_host_relay *r = context;
	uint64_t now = loop_now(&r->loop);
	struct passage *p = LIST_FIRST(&r->passages), *next;

	for (; p; p = next) {
		next = LIST_NEXT(p, all);
		if (p->is_open ? is_left(p, now) : now >= p->end) {
			if (p->is_open)
				passage_free(p);
			else
				fail(p, "no answer in time");
		}
	}
	watch_want(r->listener, UV_READABLE);
}

/* ---- its life ---- */

static int drop_rights(const struct smart_host_relay *r, struct error *err)
{
	uint16_t port = smart_host_port(&r->host);
	const struct sandbox sandbox = { .allows = SANDBOX_LISTENS | SANDBOX_BULK |
		                                   (port ? SANDBOX_SOCKETS
							 : SANDBOX_LOCAL_SOCKETS),
		.port = port };

	return sandbox_enter(&sandbox, err);
}

static int open_loop(struct smart_host_relay *r)
{
	int code = loop_init(&r->loop, false);

	if (code == 0)
		code = relay_shared_init(&r->shared);
	if (code == 0)
		code = watch_new(&r->loop, SMART_HOST_RELAY_FD_LISTENER, listener_ready,
			r, &r->listener);
	if (code == 0)
		code = timer_new(&r->loop, on_tick, r, &r->tick);
	return code;
}

/* Without it there is somebody all the same who says why no mail goes that way. */
static void read_login(struct smart_host_relay *r)
{
	const char *path = r->settings->smart_host_credentials;
	struct error err = { 0 };

	r->has_login = login_file_read(SMART_HOST_RELAY_FD_LOGIN, path, &r->file,
			       &r->login, &err) == 0;
	if (!r->has_login)
		log_error(NULL, "smart-host-login",
			"error=\"%s\"; put the user and the password into %s and run "
			"`mailferry upgrade`",
			err.text, path);
}

static int set_up(struct smart_host_relay *r, struct error *err)
{
	int code = smart_host_parse(r->settings->smart_host, &r->host);

	LIST_INIT(&r->passages);
	buf_init(&r->file, 0);
	if (code == 0)
		code = open_loop(r);
	if (code < 0)
		return error_errno(err, code, "cannot start");
	source_tls_prepare(&r->tls, r->settings);
	code = drop_rights(r, err);
	if (code == 0) /* from here on nobody of our user looks into our memory */
		read_login(r);
	return code;
}

int smart_host_relay_run(const struct settings *settings)
{
	struct smart_host_relay r = { .settings = settings };
	struct error err = { 0 };

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || set_up(&r, &err) < 0) {
		log_error(NULL, "start", "task=" SMART_HOST_RELAY_TASK " error=\"%s\"",
			err.text);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "task=" SMART_HOST_RELAY_TASK);
	timer_start_every(r.tick, TICK_MS);
	loop_run(&r.loop, begin_waiting, &r);
	return EXIT_SUCCESS;
}
