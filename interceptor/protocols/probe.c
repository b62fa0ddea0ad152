/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/protocols/probe.h"

#include "base/log.h"
#include "interceptor/sockets/source.h"
#include "registry/retire.h"
#include "source/proxy.h"
#include "source/tls.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AGAIN_MS 300000   /* its configuration changes rarely */
#define RETRY_MS 3000     /* while it is away: its next address */
#define PATIENCE_MS 60000 /* for one dialogue: a reverse look-up may take 30 s */
#define SOON_MS 5000      /* between two, however often somebody asks for one */
#define BYTES_MAX 131072  /* of it */
/* A refused recipient stands in the source's log, and too many of them are an attack. */
#define RECIPIENTS_MS 86400000

void probe_init(struct probe *p, struct loop *loop, const struct settings *settings,
	enum service_id service, enum offer_kind kind, const struct probe_ops *ops,
	void *context)
{
	*p = (struct probe){ .loop = loop,
		.settings = settings,
		.service = service,
		.kind = kind,
		.protocol = protocol_of(service),
		.ops = ops,
		.context = context };
}

static void finish(struct probe *p, uint64_t again_ms)
{
	stream_free(p->source);
	p->source = NULL;
	buf_fini(&p->from_source);
	buf_fini(&p->to_source);
	arena_fini(&p->arena);
	p->ended_at = loop_now(p->loop);
	p->next_at = p->ended_at + again_ms;
}

/* Opened for the moment: no handle may be open when a worker is forked. */
static void store(struct probe *p, const struct learnt *learnt, struct str result)
{
	struct registry *r = NULL;
	struct error err = { 0 };
	bool changed = false;
	int code = registry_open_in(p->settings->state_dir, &r, &err);

	if (code == 0 && learnt)
		code = offer_store(r, p->service, p->kind, learnt, &changed, &err);
	if (code == 0)
		code = offer_store_probe(r, p->service, p->kind, result, &err);
	registry_close(r);
	if (code < 0)
		log_error(NULL, "probe", "service=%s error=\"%s\"",
			service_name(p->service), err.text);
	if (changed)
		p->ops->changed(p->context, p->service);
}

/* Some servers hang up, or stop for a while, behind a recipient that they do not know:
   what they show is still to be learnt. */
static void asked_in_vain(struct probe *p, const char *why)
{
	log_info(NULL, "probe", "service=%s recipients=\"%s\"", service_name(p->service),
		why);
	finish(p, 0);
}

/* A source need not have STARTTLS where `source_tls` is "client". */
static bool is_optional(const struct probe *p)
{
	return p->kind == OFFER_TLS;
}

static void failed(struct probe *p, const char *why)
{
	if (p->asks_recipients && !p->connecting) {
		asked_in_vain(p, why);
		return;
	}
	if (p->asks_recipients)
		p->recipients_at = 0; /* it was not */
	if (!p->failed && !is_optional(p))
		log_warning(NULL, "probe", "service=%s error=\"%s\"",
			service_name(p->service), why);
	if (!p->failed)
		store(p, NULL, str_from(why));
	p->failed = true;
	p->address++;
	finish(p, is_optional(p) ? AGAIN_MS : RETRY_MS);
}

static void succeeded(struct probe *p)
{
	struct learnt learnt = p->protocol->probe_result(p->machine);

	/* good manners; whether it arrives does not matter */
	if (stream_write(p->source, p->protocol->probe_goodbye, false) < 0)
		log_debug(NULL, "probe", "goodbye=failed");
	log_info(NULL, "probe", "service=%s greeting=\"%.*s\"", service_name(p->service),
		STR_ARG(learnt.greeting));
	store(p, &learnt, STR_LIT("ok"));
	p->failed = false;
	finish(p, AGAIN_MS);
}

static void flush(struct probe *p)
{
	ssize_t n = 1;

	while (buf_len(&p->to_source) && n > 0)
		n = stream_write_buf(p->source, &p->to_source);
	if (n < 0 && n != -EAGAIN)
		failed(p, strerror((int)-n));
	else
		stream_want(p->source,
			UV_READABLE | (buf_len(&p->to_source) ? UV_WRITABLE : 0));
}

static void go_on(struct probe *p)
{
	enum protocol_probe is;
	size_t used;

	do {
		is = p->protocol->probe_bytes(
			p->machine, buf_view(&p->from_source), &used, &p->to_source);
		buf_consume(&p->from_source, used);
	} while (is == PROTOCOL_PROBE_AGAIN);
	if (is == PROTOCOL_PROBE_DONE)
		succeeded(p);
	else if (is == PROTOCOL_PROBE_FAILED)
		failed(p, "it does not speak as expected, or does not want us");
	else
		flush(p);
}

static void ready(void *context, int events, int error)
{
	struct probe *p = context;
	ssize_t n;
	int r = p->connecting ? stream_connected(p->source) : 0;

	(void)events;
	(void)error;
	if (r == -EINPROGRESS)
		return;
	if (r < 0) {
		failed(p, strerror(-r));
		return;
	}
	if (p->connecting)
		stream_want(p->source, UV_READABLE);
	p->connecting = false;
	n = stream_read_buf(p->source, &p->from_source, 4096);
	if (n > 0)
		go_on(p);
	else if (n == 0)
		failed(p, "it closed the connection");
	else if (n != -EAGAIN)
		failed(p, strerror((int)-n));
}

static union endpoint address_of(const struct probe *p)
{
	size_t at = p->address % p->settings->n_sources;
	union endpoint wanted, e = { 0 };

	memcpy(&wanted, &p->settings->sources[at], sizeof(wanted));
	if (source_address(p->settings, p->service, &wanted, &e) < 0)
		e = wanted;
	return e;
}

/* Opened anew each time: the master keeps no handle, and it is asked once a while. */
static bool is_retired(const struct probe *p)
{
	struct registry *r = NULL;
	struct error err;
	uint64_t since = 0;

	if (registry_open_in(p->settings->state_dir, &r, &err) == 0)
		(void)registry_retired(r, &since, NULL);
	registry_close(r);
	return since != 0;
}

/* Not when the last attempt failed: the simple question comes first then. */
static struct str domain_to_ask(struct probe *p)
{
	uint64_t now = loop_now(p->loop);

	p->asks_recipients = p->kind == OFFER_OURS && !p->failed &&
	                     now >= p->recipients_at && p->settings->n_domains &&
	                     p->settings->smtp_policy == SMTP_POLICY_SOURCE;
	if (!p->asks_recipients)
		return STR_LIT("");
	p->recipients_at = now + RECIPIENTS_MS;
	return str_from(p->settings->domains[0]);
}

/* As our own sessions do, or a client's. Without a confirmed pin nothing is asked. */
static int secure(struct probe *p)
{
	const struct stream *clear = p->source;
	struct source_tls tls = { 0 };
	struct registry *r = NULL;
	struct error err = { 0 };
	int code = p->kind == OFFER_CLEAR
	                   ? 0
	                   : registry_open_in(p->settings->state_dir, &r, &err);

	if (code == 0 && p->kind == OFFER_OURS)
		code = source_tls_wrap(
			&tls, p->settings, r, p->service, &p->source, &err);
	if (code == 0 && p->kind == OFFER_TLS) {
		code = source_tls_wrap_for_tls(
			&tls, p->settings, r, p->service, &p->source, &err);
		if (code == 0 && p->source == clear)
			code = -ENOKEY;
	}
	source_tls_fini(&tls); /* the stream keeps what it uses */
	registry_close(r);
	if (code < 0 && !p->failed && !is_optional(p))
		log_warning(NULL, "probe", "service=%s error=\"%s\"",
			service_name(p->service), err.text);
	return code;
}

static void start(struct probe *p)
{
	union endpoint source = address_of(p);
	int fd = source_connect(&source, NULL), r = fd;

	p->asks_recipients = false;
	arena_init(&p->arena);
	buf_init(&p->from_source, BYTES_MAX);
	buf_init(&p->to_source, BYTES_MAX);
	p->machine = arena_alloc(&p->arena, p->protocol->probe_size);
	if (r >= 0)
		r = stream_plain_new(p->loop, fd, &p->source);
	if (r == 0)
		r = source_proxy_begin(p->settings, p->service, NULL, NULL, p->source);
	if (r == 0)
		r = secure(p);
	if (r < 0 || !p->machine) {
		failed(p, r < 0 ? strerror(-r) : "no memory");
		return;
	}
	stream_set_owner(p->source, ready, p);
	p->protocol->probe_begin(p->machine, domain_to_ask(p), &p->arena);
	p->connecting = true;
	p->deadline = loop_now(p->loop) + PATIENCE_MS;
	stream_want(p->source, UV_WRITABLE);
}

void probe_soon(struct probe *p)
{
	uint64_t soon = p->ended_at + SOON_MS;

	if (!p->source && p->next_at != UINT64_MAX && p->next_at > soon)
		p->next_at = soon;
}

void probe_tick(struct probe *p)
{
	uint64_t now = loop_now(p->loop);

	if (!p->source && now >= p->next_at && is_retired(p))
		p->next_at = UINT64_MAX; /* there is no way back from that */
	else if (!p->source && now >= p->next_at)
		start(p);
	else if (p->source && now >= p->deadline)
		failed(p, "it does not answer");
}
