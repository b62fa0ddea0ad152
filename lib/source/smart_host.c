/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/smart_host.h"

#include "base/address.h"
#include "base/fd.h"
#include "tls/stream_starttls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

int smart_host_connect(const struct settings *s)
{
	struct smart_host h;
	const int on = 1;
	CLEANUP(fd_closep) int fd = -1;

	if (smart_host_parse(s->smart_host, &h) < 0 || h.kind == SMART_HOST_NONE)
		return -EINVAL;
	fd = socket(h.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (h.address.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&h.address, address_length(&h.address)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return fd_steal(&fd);
}

static int context_of(struct source_tls *t, const struct settings *s, struct error *err)
{
	static const enum tls_verify verifiers[] = {
		[SMART_HOST_VERIFY_CA] = TLS_VERIFY_CA,
		[SMART_HOST_VERIFY_NONE] = TLS_VERIFY_NONE,
		[SMART_HOST_VERIFY_PIN] = TLS_VERIFY_PIN,
	};
	struct tls_client_policy policy = {
		.verify = verifiers[s->smart_host_verify],
		.name = s->smart_host_name,
		.authorities = t->authorities,
		.min_version = TLS1_2_VERSION,
	};

	if (t->smart_host)
		return 0;
	if (policy.verify == TLS_VERIFY_CA && !*s->smart_host_name)
		return error_set(err, -EINVAL,
			"the smart host's certificate cannot be verified without its "
			"name: set `smart_host_name`, or `smart_host_verify = \"none\"`");
	if (policy.verify == TLS_VERIFY_PIN &&
		!pin_read(str_from(s->smart_host_pin), policy.pin))
		return error_set(err, -ENOKEY,
			"smart_host_verify = \"pin\" needs the smart host's key, 64 "
			"hexadecimal digits: set `smart_host_pin`");
	return tls_client_context(&policy, &t->smart_host, err);
}

int smart_host_wrap(struct source_tls *t, const struct settings *s,
	struct stream **stream, struct error *err)
{
	const char *name = *s->smart_host_name ? s->smart_host_name : NULL;
	struct smart_host h;
	struct stream *secure;
	int r = smart_host_parse(s->smart_host, &h);

	if (r < 0 || !smart_host_has_tls(&h))
		return r;
	r = context_of(t, s, err);
	if (r < 0)
		return r;
	r = h.kind == SMART_HOST_SMTPS
	            ? stream_tls_connect(*stream, t->smart_host, name, &secure)
	            : stream_starttls_connect(
			      *stream, t->smart_host, name, STARTTLS_SMTP, &secure);
	if (r < 0)
		return error_errno(err, r, "TLS to the smart host");
	*stream = secure;
	return 0;
}
