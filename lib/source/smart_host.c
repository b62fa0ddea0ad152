/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/smart_host.h"

#include "base/address.h"
#include "base/fd.h"
#include "tls/stream_starttls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

int other_server_connect(const struct sockaddr_storage *address)
{
	const int on = 1;
	CLEANUP(fd_closep)
	int fd =
		socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (address->ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)address, address_length(address)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return fd_steal(&fd);
}

int smart_host_connect(const struct settings *s)
{
	struct smart_host h;

	if (smart_host_parse(s->smart_host, &h) < 0 || h.kind == SMART_HOST_NONE)
		return -EINVAL;
	return other_server_connect(&h.address);
}

const char *smart_host_trouble(int code)
{
	if (code == -EPROTONOSUPPORT)
		return "it offers no STARTTLS: write smtps:// in `smart_host` where it has "
		       "TLS from the start (port 465), smtp:// where it has none";
	if (code == -EPROTO)
		return "no TLS with it, or another certificate than smart_host_name and "
		       "smart_host_verify say";
	return strerror(-code);
}

int smart_host_wrap(struct source_tls *t, const struct settings *s,
	struct stream **stream, struct error *err)
{
	const struct other_server server = { "smart host", "smart_host",
		s->smart_host_verify, s->smart_host_name, s->smart_host_pin };
	const char *name = *s->smart_host_name ? s->smart_host_name : NULL;
	struct smart_host h;
	struct stream *secure;
	int r = smart_host_parse(s->smart_host, &h);

	if (r < 0 || !smart_host_has_tls(&h))
		return r;
	r = source_tls_context_of_other(t, &server, &t->smart_host, err);
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

int smart_host_relay_path(const struct settings *s, const char *name, char *path)
{
	return settings_run_path(
		s, name, path, SMART_HOST_RELAY_PATH_MAX - sizeof("unix:"));
}

int smart_host_open(const struct settings *s)
{
	char path[SMART_HOST_RELAY_PATH_MAX];
	struct sockaddr_storage address;
	int r;

	if (!*s->smart_host_credentials)
		return smart_host_connect(s);
	r = smart_host_relay_path(s, SMART_HOST_RELAY_SOCKET, path);
	if (r == 0 && !address_from_path(path, &address))
		r = -ENAMETOOLONG;
	return r < 0 ? r : other_server_connect(&address);
}

int smart_host_secure(struct source_tls *t, const struct settings *s,
	struct stream **stream, struct error *err)
{
	return *s->smart_host_credentials ? 0 : smart_host_wrap(t, s, stream, err);
}
