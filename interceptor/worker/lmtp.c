/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mail servers that hand over mail come here (`lmtp`); no packet of theirs was diverted.
 */
#include "interceptor/smtp/lmtp.h"
#include "base/log.h"
#include "interceptor/worker/worker.h"
#include "settings/lmtp.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool may_connect(const struct settings *s, const union endpoint *peer)
{
	struct sockaddr_storage client = { 0 };

	memcpy(&client, peer, endpoint_length(peer));
	return peer->any.sa_family == AF_UNIX || lmtp_may_connect(s, &client);
}

static void refuse(int fd, const union endpoint *peer)
{
	char from[ADDRESS_TEXT_MAX];

	endpoint_text(peer, from);
	log_warning(NULL, "stranger", "client=%s: not in `lmtp_clients`", from);
	close(fd);
}

/* It is the admin's own: known, whoever else comes from its network. */
static void accepted(struct listener *l, int fd, const union endpoint *peer)
{
	static const struct service_handler service = { &lmtp_handler, NULL };
	struct worker *w = l->worker;
	struct arrival arrival = { .service = SERVICE_LMTP,
		.networks = client_networks(w->limits->key, &peer->any),
		.is_from_known = true,
		.peer = *peer,
		.destination = *peer };
	struct stream *client;

	if (stream_plain_new(&w->loop, fd, &client) < 0)
		close(fd);
	else
		session_accept(&w->host, &service, &arrival, client);
}

void worker_lmtp_ready(void *listener, int events, int error)
{
	struct listener *l = listener;
	union endpoint peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	(void)error;
	if (fd < 0)
		worker_accept_failed(l, errno);
	else if (!may_connect(l->worker->host.settings, &peer))
		refuse(fd, &peer);
	else
		accepted(l, fd, &peer);
}
