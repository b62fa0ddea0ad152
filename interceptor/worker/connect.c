/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a worker reaches the server that is on the other side of a session. */
#include "base/log.h"
#include "interceptor/sockets/source.h"
#include "interceptor/worker/worker.h"
#include "source/destination.h"
#include "source/proxy.h"
#include "source/smart_host.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- the source ---- */

static enum introduction_kind introduction_of(enum leg_introduction i)
{
	static const enum introduction_kind kinds[INTRODUCE_COUNT] = {
		[INTRODUCE_NOT] = INTRODUCTION_NONE,
		[INTRODUCE_XCLIENT] = INTRODUCTION_XCLIENT,
		[INTRODUCE_ID] = INTRODUCTION_ID,
		[INTRODUCE_PROXY] = INTRODUCTION_NONE, /* below, by begin_as() */
	};

	return kinds[i];
}

/* From the client's address, or from ours where that may be (source/leg.h). */
static int open_source(struct worker *w, struct session *s)
{
	const struct leg *leg = &w->host.legs.of[s->service];
	union endpoint source;
	int r = source_address(w->host.settings, s->service, &s->destination, &source);
	bool is_shown;

	if (r < 0)
		return r;
	is_shown = s->peer.any.sa_family == source.any.sa_family;
	s->introduces = INTRODUCTION_NONE;
	if (leg->from == LEG_NONE)
		return -EACCES;
	if (leg->from == LEG_OWN) {
		if (s->is_unseen && leg_is_smtp(s->service) &&
			leg->introduction != INTRODUCE_PROXY)
			return -EACCES; /* interceptor/smtp/starttls.c, may_pass() */
		if (!s->is_unseen)
			s->introduces = introduction_of(leg->introduction);
		return source_connect(&source, NULL);
	}
	if (leg_is_smtp(s->service) && !is_shown)
		return -EAFNOSUPPORT; /* nobody knows whether we are trusted there */
	return source_connect(&source, is_shown ? &s->peer : NULL);
}

/* The PROXY protocol's header, where the settings want one: they allow it only for a
   source that we reach from our own address. */
static int begin_as(struct host *h, const struct session *s, struct stream *stream)
{
	struct sockaddr_storage client = { 0 }, wanted = { 0 };

	memcpy(&client, &s->peer, endpoint_length(&s->peer));
	memcpy(&wanted, &s->destination, endpoint_length(&s->destination));
	return source_proxy_begin(h->settings, s->service, &client, &wanted, stream);
}

static int secure_source(struct host *h, const struct session *s, struct stream **stream,
	struct error *err)
{
	struct source_tls *tls = &worker_of(h)->source_tls;

	if (s->is_unseen || s->connects_in_clear)
		return 0;
	return s->is_upgraded ? source_tls_wrap_for_tls(tls, h->settings, h->registry,
					s->service, stream, err)
	                      : source_tls_wrap(tls, h->settings, h->registry, s->service,
					stream, err);
}

/* ---- the smart host ---- */

static int open_smart_host(struct worker *w, struct session *s)
{
	s->introduces = INTRODUCTION_NONE;
	return smart_host_open(w->host.settings);
}

static int secure_smart_host(struct host *h, const struct session *s,
	struct stream **stream, struct error *err)
{
	(void)s;
	return smart_host_secure(&worker_of(h)->source_tls, h->settings, stream, err);
}

/* ---- the destination ---- */

/* It is told whose connection it is where it offers ID: its logs, and what it does to
   those who guess, are about clients then (Dovecot's login_trusted_networks). */
static int open_destination(struct worker *w, struct session *s)
{
	bool is_imap = s->service == SERVICE_IMAP || s->service == SERVICE_IMAPS;

	s->introduces = is_imap ? INTRODUCTION_ID : INTRODUCTION_NONE;
	return destination_connect(w->host.settings, s->service);
}

static int secure_destination(struct host *h, const struct session *s,
	struct stream **stream, struct error *err)
{
	return destination_wrap(
		&worker_of(h)->source_tls, h->settings, s->service, stream, err);
}

/* ---- all ---- */

static const struct way {
	int (*open)(struct worker *w, struct session *s); /* the descriptor or -errno */
	/* Its first bytes, before TLS. NULL: none. */
	int (*begin)(struct host *h, const struct session *s, struct stream *stream);
	int (*secure)(struct host *h, const struct session *s, struct stream **stream,
		struct error *err);
} ways[SERVER_COUNT] = {
	[SERVER_SOURCE] = { open_source, begin_as, secure_source },
	[SERVER_SMART_HOST] = { open_smart_host, NULL, secure_smart_host },
	[SERVER_DESTINATION] = { open_destination, NULL, secure_destination },
};

static int begin(struct host *h, struct session *s, struct stream **stream)
{
	const struct way *way = &ways[s->connects_to];
	char id[SESSION_ID_MAX];
	struct error err = { 0 };
	int r = way->begin ? way->begin(h, s, *stream) : 0;

	if (r < 0)
		return r;
	r = way->secure(h, s, stream, &err);
	if (r < 0)
		log_error(session_id(s, id), "source-tls", "error=\"%s\"", err.text);
	return r;
}

/* fd is its; below 0: why there is none. */
static int stream_over(struct worker *w, int fd, struct stream **ret)
{
	int r = fd < 0 ? fd : stream_plain_new(&w->loop, fd, ret);

	if (fd >= 0 && r < 0)
		close(fd);
	return r;
}

int worker_connect_destination(struct host *h, struct stream **ret)
{
	struct worker *w = worker_of(h);
	struct stream *stream;
	struct error err = { 0 };
	int r = stream_over(w, destination_connect(h->settings, SERVICE_SMTP), &stream);

	if (r < 0)
		return r;
	r = destination_wrap(&w->source_tls, h->settings, SERVICE_SMTP, &stream, &err);
	if (r < 0) {
		log_error(NULL, "destination", "error=\"%s\"", err.text);
		stream_free(stream);
	} else {
		*ret = stream;
	}
	return r;
}

int worker_connect(struct host *h, struct session *s, struct stream **ret)
{
	struct worker *w = worker_of(h);
	struct stream *stream;
	int r = stream_over(w, ways[s->connects_to].open(w, s), &stream);

	if (r < 0)
		return r;
	r = begin(h, s, &stream);
	if (r < 0)
		stream_free(stream);
	else
		*ret = stream;
	return r;
}
