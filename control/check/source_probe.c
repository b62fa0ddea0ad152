/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/source_probe.h"

#include "control/check/dial.h"
#include "control/check/outsider.h"

#include "base/clock.h"
#include "base/fd.h"
#include "source/proxy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_MS 5000 /* a healthy server answers in some; a person waits */
#define ANSWER_MS 35000 /* a tarpit or a reverse look-up takes up to 30 s */
#define LINE_LIMIT 65536
#define READ_SIZE 4096

struct probe {
	int fd;
	uint64_t end;
	struct buf in;
};

static int wait_for(struct probe *p, short events)
{
	struct pollfd poll_fd = { .fd = p->fd, .events = events };
	uint64_t now;
	int n;

	do {
		now = clock_monotonic_ms();
		n = poll(&poll_fd, 1, now < p->end ? (int)(p->end - now) : 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int open_connection(struct probe *p, const struct sockaddr_storage *address)
{
	int r = dial(address, &p->fd);

	if (r != -EINPROGRESS)
		return r;
	r = wait_for(p, POLLOUT);
	return r < 0 ? r : dial_outcome(p->fd);
}

/* What we say is shorter than any socket's buffer. */
static int say_bytes(struct probe *p, struct str bytes)
{
	return send(p->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len
	               ? 0
	               : -EPIPE;
}

static int say(struct probe *p, const char *line)
{
	return say_bytes(p, str_from(line));
}

/* 1: *ret_line is a line without CRLF, living until the next read; 0: none is complete.
 */
static int take_line(struct buf *in, struct str *ret_line, size_t *ret_size)
{
	struct str view = buf_view(in);
	size_t at = str_index(view, '\n');

	if (at == view.len)
		return 0;
	*ret_size = at + 1;
	*ret_line = str_take(view, at);
	if (ret_line->len && ret_line->ptr[ret_line->len - 1] == '\r')
		ret_line->len--;
	return 1;
}

static int feed(struct probe *p, struct offer *o)
{
	struct str line;
	size_t size;

	while (o->step < OFFER_OVER && take_line(&p->in, &line, &size)) {
		offer_line(o, line);
		buf_consume(&p->in, size);
		if (o->step == OFFER_ASK) {
			o->step = OFFER_ANSWER;
			if (say(p, offer_question(o)) < 0)
				return -EPIPE;
		}
	}
	return 0;
}

static int converse(struct probe *p, struct offer *o)
{
	while (o->step < OFFER_OVER) {
		ssize_t n;
		int r = wait_for(p, POLLIN);

		if (r < 0)
			return r;
		n = buf_read(&p->in, p->fd, READ_SIZE);
		if (n <= 0)
			return n < 0 ? (int)n : -EPIPE;
		r = feed(p, o);
		if (r < 0)
			return r;
	}
	return o->step == OFFER_OVER ? 0 : -EPROTO;
}

static int explain(int code, struct error *err)
{
	static const struct {
		int code;
		const char *text;
	} texts[] = {
		{ -ECONNREFUSED, "nothing listens there" },
		{ -ETIMEDOUT,
			"no answer within 5 s; is the source up, and is the way to it "
			"open?" },
		{ -ETIME, "it takes the connection and says nothing for 35 s" },
		{ -EPIPE, "it closed the connection before it had answered" },
		{ -EPROTO, "what answers there is another protocol" },
		{ -ENOBUFS, "it sends a line without end" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].code == code)
			return error_set(err, code, "%s", texts[i].text);
	return error_errno(err, code, "cannot connect");
}

/* As it comes from the child. */
struct told {
	uint64_t took_ms;
	bool starttls, login_disabled;
	struct {
		uint32_t len;
		char bytes[OFFER_TEXT_MAX];
	} texts[4];
};

struct question {
	const struct sockaddr_storage *address;
	char header[SOURCE_PROXY_MAX];
	size_t header_len;
	struct offer *offer;
	struct told told;
};

static int ask(struct question *q, struct error *err)
{
	uint64_t begin = clock_monotonic_ms();
	struct probe p = { .fd = -1, .end = begin + CONNECT_MS };
	int r;

	buf_init(&p.in, LINE_LIMIT);
	r = open_connection(&p, q->address);
	if (r == 0)
		r = say_bytes(&p, str_of(q->header, q->header_len));
	if (r == 0) {
		p.end = clock_monotonic_ms() + ANSWER_MS;
		r = converse(&p, q->offer);
		r = r == -ETIMEDOUT ? -ETIME : r;
	}
	q->told.took_ms = clock_monotonic_ms() - begin;
	if (r == 0)
		(void)say(&p, offer_farewell(q->offer));
	buf_fini(&p.in);
	fd_closep(&p.fd);
	return r < 0 ? explain(r, err) : 0;
}

static int ask_and_tell(void *context, struct error *err)
{
	struct question *q = context;
	const struct buf *const texts[] = { &q->offer->greeting, &q->offer->capturable,
		&q->offer->not_capturable, &q->offer->vanishing };
	int r = ask(q, err);

	q->told.starttls = q->offer->starttls;
	q->told.login_disabled = q->offer->login_disabled;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct str text = str_take(buf_view(texts[i]), OFFER_TEXT_MAX);

		q->told.texts[i].len = (uint32_t)text.len;
		memcpy(q->told.texts[i].bytes, text.ptr, text.len);
	}
	return r;
}

static const struct outsider asker = { .ask = ask_and_tell };

int source_probe(const struct settings *s, enum service_id service,
	const struct sockaddr_storage *address, struct offer *o, struct error *err)
{
	struct buf *const texts[] = { &o->greeting, &o->capturable, &o->not_capturable,
		&o->vanishing };
	struct question *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return error_set(err, -ENOMEM, "no memory");
	q->address = address;
	q->header_len = source_proxy_header(
		s->services[service].source_proxy, NULL, NULL, q->header);
	q->offer = o;
	r = outsider_ask(s, &asker, q, &q->told, sizeof(q->told), err);
	o->step = OFFER_OVER;
	o->took_ms = q->told.took_ms;
	o->starttls = q->told.starttls;
	o->login_disabled = q->told.login_disabled;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && r == 0; i++)
		if (q->told.texts[i].len > OFFER_TEXT_MAX ||
			buf_append(texts[i],
				str_of(q->told.texts[i].bytes, q->told.texts[i].len)) < 0)
			r = error_set(err, -EIO, "its answer is lost");
	free(q);
	return r;
}
