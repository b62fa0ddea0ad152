/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/handoff.h"

#include "base/fd.h"
#include "base/hex.h"
#include "base/ipc.h"
#include "base/log.h"
#include "interceptor/smtp/staging.h"
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The session that an id of ours speaks of, or NULL. */
static struct session *by_id(struct worker *w, struct str text)
{
	char id[SESSION_ID_MAX];
	struct session *s;
	size_t dash = str_index(text, '-');
	uint64_t number;

	if (!hex_to_u64(str_skip(text, dash + 1), &number))
		return NULL;
	LIST_FOREACH(s, &w->host.local[number % HOST_LOCAL_BUCKETS], numbered)
	if (str_eq(str_from(session_id(s, id)), text))
		return s;
	return NULL;
}

static void on_served(void *context, const struct message *m, int fd)
{
	struct session *s = by_id(context, m->session);

	(void)fd;
	if (!s || s->bridge)
		return;
	s->served_in = m->number;
	s->served_out = m->number2;
}

static void on_end(void *context, const struct message *m, int fd)
{
	struct session *s = by_id(context, m->session);

	(void)fd;
	if (!s)
		return;
	if (s->bridge) {
		session_bridge_ended(s, m->type == MESSAGE_SERVE_END);
		return;
	}
	s->bytes_in += m->number;
	s->bytes_out += m->number2;
	s->served_in = s->served_out = 0;
	session_close(s, m->type == MESSAGE_FAILED ? "mailstore failed" : "over");
}

static void on_staging(void *context, const struct message *m, int fd)
{
	struct worker *w = context;

	(void)fd;
	staging_answered(&w->host, m);
}

static const struct message_row messages[] = {
	{ MESSAGE_SERVED, false, on_served },
	{ MESSAGE_SERVE_END, false, on_end },
	{ MESSAGE_FAILED, false, on_end },
	{ MESSAGE_STAGED, false, on_staging },
	{ MESSAGE_DELIVERED, false, on_staging },
	{ MESSAGE_DELIVERY_FAILED, false, on_staging },
};

static void on_message(void *context, struct channel *c, struct packet *p)
{
	(void)c;
	worker_handle(context, "mailstore", messages,
		sizeof(messages) / sizeof(messages[0]), p);
}

static void lose(struct session *s)
{
	if (s->bridge)
		session_bridge_orphaned(s);
	else
		session_close(s, "mailstore ended");
}

/* Its master is gone; what its account processes still serve is not known to us, but for
   what goes by a bridge. */
static void on_lost(void *context, struct channel *c, int code)
{
	struct worker *w = context;

	log_warning(NULL, "mailstore", "connection=lost code=%d", code);
	channel_close(c);
	for (size_t i = 0; i < HOST_LOCAL_BUCKETS; i++)
		while (!LIST_EMPTY(&w->host.local[i]))
			lose(LIST_FIRST(&w->host.local[i]));
	staging_mailstore_lost(&w->host);
}

static const struct channel_ops mailstore_ops = { .message = on_message,
	.lost = on_lost,
	.bytes_max = WORKER_QUEUE_MAX,
	.fds_max = WORKER_QUEUE_FDS_MAX };

int handoff_connect(struct worker *w)
{
	char path[PATH_MAX];
	struct error err;
	int fd, r;

	if (channel_is_open(&w->mailstore))
		return 0;
	r = settings_run_path(w->host.settings, MAILSTORE_SOCKET, path, sizeof(path));
	if (r < 0)
		return r;
	fd = ipc_connect(path, &err);
	if (fd < 0)
		return fd;
	r = channel_open(&w->mailstore, &w->loop, fd, &mailstore_ops, w);
	if (r < 0)
		fd_closep(&fd);
	return r;
}

/* Where TLS ends here: a socket pair whose far end the mailstore gets. */
static int make_bridge(struct worker *w, struct stream **ret_near, int *ret_far)
{
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = stream_plain_new(&w->loop, fds[0], ret_near);
	if (r < 0) {
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	*ret_far = fds[1];
	return 0;
}

/* What the mailstore gets: the client's own socket, where it is plain or the kernel does
   its TLS, or a bridge to it (*ret_near). */
static int client_for_mailstore(
	struct worker *w, struct session *s, struct stream **ret_near)
{
	int r = stream_tls_offload(&s->client);
	int fd = r == -EIO ? r : stream_share(s->client);

	*ret_near = NULL;
	if (fd != -EOPNOTSUPP)
		return fd;
	r = make_bridge(w, ret_near, &fd);
	return r < 0 ? r : fd;
}

static int give(struct worker *w, struct session *s, struct message *m)
{
	struct stream *near_end;
	char client[ADDRESS_TEXT_MAX];
	int fd, r = handoff_connect(w);

	if (r < 0)
		return r;
	endpoint_text(&s->peer, client);
	m->client = str_from(client);
	/* a duplicate travels: when it cannot be sent, the client is still ours */
	fd = client_for_mailstore(w, s, &near_end);
	if (fd < 0)
		return fd;
	r = message_send(&w->mailstore, m, fd);
	if (r < 0) {
		fd_closep(&fd);
		stream_free(near_end);
		return r;
	}
	if (near_end)
		session_bridge(s, near_end);
	return 0;
}

int handoff(struct host *h, struct session *s, struct str tag, struct str ticket,
	const struct resumption *resumed)
{
	char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX];
	size_t unread = buf_len(&s->memory->from_client);
	struct buf known;
	struct message m = {
		.type = MESSAGE_SERVE,
		.account = str_from(s->account),
		.session = str_from(session_id(s, id)),
		.service = str_from(protocol_of(s->service)->name),
		.tag = tag,
		.text = ticket,
		.payload = buf_view(&s->memory->from_client),
	};
	int r = 0;

	buf_init(&known, 0);
	if (resumed) {
		r = resumption_encode(resumed, &known);
		m.number = 1;
		m.payload = buf_view(&known);
	}
	if (r == 0)
		r = give(worker_of(h), s, &m);
	buf_fini(&known);
	if (r < 0)
		return r;
	log_info(id, "hand-off", "account=%s %s=%zu", s->account,
		resumed ? "known" : "unread", resumed ? resumed->uids.len : unread);
	if (resumed)
		return 0;
	/* of use to the admin alone: a registry that is busy is not waited for */
	client_text(&s->peer, client);
	(void)registry_note_login(h->registry, s->account_id, str_from(client), NULL);
	return 0;
}
