/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smart_host/reports_runner.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "event/wait.h"
#include "net/stream.h"
#include "settings/smart_host.h"
#include "source/reports.h"
#include "source/smart_host.h"
#include "wire/smtp/reply.h"
#include "wire/smtp/send.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define LOOK_MS 1000         /* an empty folder costs four system calls */
#define FIRST_AGAIN_MS 2000  /* then twice as long each time, */
#define AGAIN_MS 1800000     /* and no longer than that */
#define TOO_OLD_MS 432000000 /* RFC 5321, 4.5.4.1: four to five days */
#define PATIENCE_MS 600000   /* for one dialogue: 4.5.3.2 has ten minutes for a dot */
/* Reports to one address: anybody can name it as the sender of a message. The first
   hundred are sent at once, the next hundred an hour later. */
#define OF_ONE_MAX 100
#define OF_ONE_MS 3600000
#define SHARES_MAX 1024         /* addresses; with more, the oldest count is forgotten */
#define NAME_MAX_TEXT 64        /* "[IPv6:2001:db8::1]" */
#define CONNECTION_BYTES 131072 /* a reply and what was read behind it */

struct pause {
	uint64_t until; /* monotonic */
	unsigned times;
};

struct postponed {
	struct report_name name;
	struct pause pause;
	bool is_there;
};

/* What was sent to one address since then. */
struct share {
	uint64_t to;    /* report_to(); 0: of nobody */
	uint64_t since; /* monotonic */
	unsigned n;
};

struct runner {
	const struct settings *settings;
	struct smart_host host;
	struct source_tls tls;
	struct pause host_pause;
	struct postponed *postponed;
	size_t n_postponed, room;
	struct share shares[SHARES_MAX];
	struct buf file;
	char name[NAME_MAX_TEXT]; /* ours, for EHLO */
};

/* ---- patience ---- */

static void put_off(struct pause *p)
{
	uint64_t ms = FIRST_AGAIN_MS;

	for (unsigned i = 0; i < p->times && ms < AGAIN_MS; i++)
		ms *= 2;
	p->times++;
	p->until = clock_monotonic_ms() + (ms < AGAIN_MS ? ms : AGAIN_MS);
}

static bool is_due(const struct pause *p)
{
	return clock_monotonic_ms() >= p->until;
}

static struct postponed *find(struct runner *r, const struct report_name *name)
{
	for (size_t i = 0; i < r->n_postponed; i++)
		if (strcmp(r->postponed[i].name.text, name->text) == 0)
			return &r->postponed[i];
	return NULL;
}

/* Without memory the whole host waits instead. */
static struct pause *pause_of(struct runner *r, const struct report_name *name)
{
	struct postponed *p = find(r, name), *more = NULL;

	if (p)
		return &p->pause;
	if (r->n_postponed == r->room) {
		more = realloc(r->postponed, (r->room + 64) * sizeof(*more));
		if (!more)
			return &r->host_pause;
		r->postponed = more;
		r->room += 64;
	}
	p = &r->postponed[r->n_postponed++];
	*p = (struct postponed){ .name = *name };
	return &p->pause;
}

/* What has gone is forgotten. */
static void keep_those(struct runner *r, const struct report_name *names, int n)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_postponed; i++)
		r->postponed[i].is_there = false;
	for (int i = 0; i < n; i++) {
		struct postponed *p = find(r, &names[i]);

		if (p)
			p->is_there = true;
	}
	for (size_t i = 0; i < r->n_postponed; i++)
		if (r->postponed[i].is_there)
			r->postponed[kept++] = r->postponed[i];
	r->n_postponed = kept;
}

/* ---- what one address gets ---- */

static struct share *find_share(struct runner *r, uint64_t to)
{
	for (size_t i = 0; to && i < SHARES_MAX; i++)
		if (r->shares[i].to == to)
			return &r->shares[i];
	return NULL;
}

/* The oldest one is given to whoever has none. */
static struct share *share_of(struct runner *r, uint64_t to)
{
	struct share *share = find_share(r, to);

	if (share)
		return share;
	share = &r->shares[0];
	for (size_t i = 1; i < SHARES_MAX; i++)
		if (r->shares[i].since < share->since)
			share = &r->shares[i];
	*share = (struct share){ .to = to };
	return share;
}

static bool has_had_enough(struct runner *r, uint64_t to)
{
	const struct share *s = find_share(r, to);

	return s && s->n >= OF_ONE_MAX && clock_monotonic_ms() - s->since < OF_ONE_MS;
}

static void count_sent(struct runner *r, uint64_t to, struct str address)
{
	struct share *s = to ? share_of(r, to) : NULL;
	uint64_t now = clock_monotonic_ms();

	if (!s)
		return;
	if (!s->n || now - s->since >= OF_ONE_MS)
		*s = (struct share){ .to = to, .since = now };
	if (++s->n == OF_ONE_MAX)
		log_warning(NULL, "report-limit",
			"to=<%.*s> sent=%u event=\"others to it wait for an hour\"",
			STR_ARG(address), s->n);
}

/* ---- one dialogue ---- */

static int await(struct stream *stream, int wanted, uint64_t end)
{
	uint64_t now = clock_monotonic_ms();
	int events, r;

	if (now >= end)
		return -ETIMEDOUT;
	stream_want(stream, wanted);
	r = stream_wait(&stream, 1, (unsigned)(end - now), &events);
	return r == -ETIMEDOUT ? 0 : r;
}

static int say_all(struct stream *stream, struct buf *out, uint64_t end)
{
	int r = 0;

	while (buf_len(out) && r == 0) {
		ssize_t n = stream_write_buf(stream, out);

		if (n == -EAGAIN)
			r = await(stream, UV_WRITABLE, end);
		else if (n < 0)
			r = (int)n;
	}
	return r;
}

static int hear(struct stream *stream, struct buf *in, uint64_t end)
{
	ssize_t n;

	while ((n = stream_read_buf(stream, in, SMTP_REPLY_LINE_MAX)) == -EAGAIN) {
		int r = await(stream, UV_READABLE, end);

		if (r < 0)
			return r;
	}
	return n == 0 ? -ECONNRESET : n < 0 ? (int)n : 0;
}

static int converse(struct stream *stream, struct smtp_send *send, uint64_t end)
{
	enum smtp_send_action action;
	struct buf in, out;
	size_t used;
	int r;

	buf_init(&in, CONNECTION_BYTES);
	buf_init(&out, 0);
	do {
		action = smtp_send_next(send, buf_view(&in), &used, &out);
		buf_consume(&in, used);
		r = say_all(stream, &out, end);
		if (r == 0 && action == SMTP_SEND_NEED_MORE)
			r = hear(stream, &in, end);
	} while (r == 0 && action != SMTP_SEND_DONE);
	buf_fini(&in);
	buf_fini(&out);
	return send->state == SMTP_SEND_OVER ? 0 : r; /* whatever became of QUIT */
}

/* As EHLO wants it: an address literal needs no name that resolves. */
static void name_ourselves(struct runner *r, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage room;
	} own = { 0 };
	socklen_t len = sizeof(own);
	char text[INET6_ADDRSTRLEN] = "127.0.0.1";
	bool is_v6;

	(void)getsockname(fd, &own.any, &len);
	is_v6 = own.any.sa_family == AF_INET6;
	if (is_v6)
		(void)inet_ntop(AF_INET6, &own.v6.sin6_addr, text, sizeof(text));
	else if (own.any.sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &own.v4.sin_addr, text, sizeof(text));
	(void)snprintf(r->name, sizeof(r->name), "[%s%s]", is_v6 ? "IPv6:" : "", text);
}

static int reach(struct runner *r, uint64_t end, struct stream **ret, struct error *err)
{
	int fd = smart_host_open(r->settings), code = fd;

	if (fd >= 0) {
		name_ourselves(r, fd);
		code = stream_plain_new(NULL, fd, ret);
		if (code < 0)
			fd_closep(&fd);
	}
	while (code >= 0 && (code = stream_connected(*ret)) == -EINPROGRESS)
		code = await(*ret, UV_READABLE | UV_WRITABLE, end);
	if (code >= 0)
		code = smart_host_secure(&r->tls, r->settings, ret, err);
	return code < 0 && !err->code ? error_errno(err, code, "the smart host") : code;
}

static void attempt(struct runner *r, struct str recipient, struct str message,
	struct smtp_send *send)
{
	uint64_t end = clock_monotonic_ms() + PATIENCE_MS;
	struct stream *stream = NULL;
	struct error err = { 0 };
	int code = reach(r, end, &stream, &err);

	smtp_send_init(send, r->host.kind == SMART_HOST_LMTP, str_from(r->name),
		recipient, message);
	if (code == 0)
		code = converse(stream, send, end);
	if (code < 0)
		(void)snprintf(send->words, sizeof(send->words), "%.*s",
			(int)sizeof(send->words) - 1,
			err.code ? err.text : smart_host_trouble(code));
	stream_free(stream);
}

/* ---- one report ---- */

static void drop(struct runner *r, const struct report_name *name)
{
	int code = reports_remove(r->settings, name);

	if (code == 0 || code == -ENOENT)
		return;
	log_error(NULL, "report", "name=%s error=\"cannot be removed: %s\"", name->text,
		strerror(-code));
	put_off(pause_of(r, name)); /* not again at once */
}

static void settle(struct runner *r, const struct report_name *name, struct str to,
	const struct smtp_send *send)
{
	const char *state = smtp_send_state_name(send->state);

	switch (send->sent) {
	case SMTP_SENT_TAKEN:
		r->host_pause = (struct pause){ 0 };
		log_info(NULL, "report-sent", "name=%s to=<%.*s>", name->text,
			STR_ARG(to));
		count_sent(r, report_to(name), to);
		drop(r, name);
		break;
	case SMTP_SENT_REFUSED:
		r->host_pause = (struct pause){ 0 };
		log_warning(NULL, "report-refused", "name=%s to=<%.*s> reply=\"%s\"",
			name->text, STR_ARG(to), send->words);
		drop(r, name);
		break;
	case SMTP_SENT_LATER:
		log_warning(NULL, "report-waits",
			"name=%s to=<%.*s> in=\"%s\" reply=\"%s\"", name->text,
			STR_ARG(to), state, send->words);
		put_off(send->is_of_host ? &r->host_pause : pause_of(r, name));
		break;
	}
}

static bool is_too_old(const struct report_name *name)
{
	uint64_t now = clock_wall_ms(), at = report_at(name);

	return at < now && now - at > TOO_OLD_MS;
}

static void look_after(struct runner *r, const struct report_name *name)
{
	const struct postponed *p = find(r, name);
	struct str to, message;
	struct smtp_send send;
	int code;

	if ((p && !is_due(&p->pause)) || has_had_enough(r, report_to(name)))
		return;
	code = reports_read(r->settings, name, &r->file, &to, &message);
	if (code == -EBADMSG) {
		log_error(NULL, "report-damaged", "name=%s", name->text);
		drop(r, name);
	} else if (code < 0) {
		log_error(NULL, "report", "name=%s error=\"%s\"", name->text,
			strerror(-code));
		put_off(pause_of(r, name));
	} else if (is_too_old(name)) {
		log_warning(NULL, "report-expired", "name=%s to=<%.*s>", name->text,
			STR_ARG(str_take(to, PATH_MAX)));
		drop(r, name);
	} else {
		attempt(r, to, message, &send);
		settle(r, name, str_take(to, PATH_MAX), &send);
	}
}

static void look(struct runner *r)
{
	struct report_name *names = NULL;
	int n = is_due(&r->host_pause) ? reports_list(r->settings, &names) : 0;

	if (n > 0)
		keep_those(r, names, n);
	for (int i = 0; i < n && is_due(&r->host_pause); i++)
		look_after(r, &names[i]);
	if (n < 0)
		log_error(NULL, "report", "error=\"%s\"", strerror(-n));
	free(names);
}

/* ---- its life ---- */

/* 0: none, it is reached by a socket of this host. */
static uint16_t port_of(const struct runner *r)
{
	return *r->settings->smart_host_credentials ? 0 : smart_host_port(&r->host);
}

static int drop_rights(struct runner *r, struct error *err)
{
	char folder[PATH_MAX];
	const struct sandbox_path paths[] = { { folder, false } };
	const struct sandbox sandbox = { .allows = SANDBOX_FOLDER |
		                                   (port_of(r) ? SANDBOX_SOCKETS
							       : SANDBOX_LOCAL_SOCKETS),
		.paths = paths,
		.n_paths = 1,
		.port = port_of(r) };
	int code = settings_state_path(
		r->settings, REPORTS_DIRECTORY, folder, sizeof(folder));

	return code < 0 ? error_errno(err, code, "state_dir")
	                : sandbox_enter(&sandbox, err);
}

/* The lock is held to the end; it waits for the one of the generation before. */
static int set_up(struct runner *r, struct error *err)
{
	int lock, code = reports_lock(r->settings, &lock);

	if (code < 0)
		return error_errno(err, code, "the folder of reports");
	source_tls_prepare(&r->tls, r->settings);
	return drop_rights(r, err);
}

int reports_run(const struct settings *settings)
{
	static const struct patience pause = { .ms = LOOK_MS };
	struct runner r = { .settings = settings };
	struct error err = { 0 };

	buf_init(&r.file, 0);
	if (smart_host_parse(settings->smart_host, &r.host) < 0 || set_up(&r, &err) < 0) {
		log_error(NULL, "start", "task=reports error=\"%s\"", err.text);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "task=reports");
	for (;;) {
		look(&r);
		(void)wait_pause(&pause);
	}
}
