/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/vault_link.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "event/wait.h"
#include "interceptor/worker/keeper.h"
#include "interceptor/worker/verify.h"
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#define AGAIN_MS 250         /* until it is looked whether it runs */
#define QUEUE_MAX (4u << 20) /* bytes of questions that it does not read */
#define GREETING_MS 1000     /* it says its key at once, unless its disk is slow */

static void on_identities(void *context, const struct message *m, int fd)
{
	(void)fd;
	tls_keys_begin(&((struct worker *)context)->tls, m);
}

static void on_identity(void *context, const struct message *m, int fd)
{
	struct worker *w = context;

	(void)fd;
	tls_keys_identity(&w->tls, m);
	worker_accept(w);
}

static void on_signed(void *context, const struct message *m, int fd)
{
	struct worker *w = context;
	const struct message asked = { .type = MESSAGE_SIGN, .number = m->number };

	(void)fd;
	vault_question_drop(&w->vault, &asked);
	tls_keys_signed(&w->tls, m);
}

static const struct message_row messages[] = {
	{ MESSAGE_VERDICT, false, verify_answered },
	{ MESSAGE_COMPARED, false, keeper_answered },
	{ MESSAGE_IDENTITIES, false, on_identities },
	{ MESSAGE_IDENTITY, false, on_identity },
	{ MESSAGE_SIGNED, false, on_signed },
};

static void on_message(void *context, struct channel *c, struct packet *p)
{
	(void)c;
	worker_handle(
		context, "vault", messages, sizeof(messages) / sizeof(messages[0]), p);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct worker *w = context;

	log_warning(NULL, "vault", "connection=lost code=%d", code);
	channel_close(c);
	vault_questions_lost(w);
	keeper_vault_lost(w);
}

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_MAX
};

/* Its first word, which is waited for: nothing can be done without. */
static int take_key(struct vault_link *v, int fd)
{
	const struct patience patience = { .ms = GREETING_MS };
	char bytes[MESSAGE_SMALL_MAX];
	int fds[IPC_FDS_MAX], r = wait_for(fd, POLLIN, &patience);
	struct message m;
	size_t n_fds = 0;
	ssize_t n = r ? r : ipc_receive(fd, bytes, sizeof(bytes), fds, &n_fds);

	while (n_fds)
		fd_closep(&fds[--n_fds]);
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	if (message_decode(str_of(bytes, (size_t)n), &m) < 0 ||
		m.type != MESSAGE_VAULT_READY || m.payload.len != BOX_KEY_SIZE)
		return -EBADMSG;
	box_closer_init(&v->closer, (const uint8_t *)m.payload.ptr);
	return 0;
}

static int connect_vault(struct worker *w)
{
	char path[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;
	int r = settings_run_path(
		w->host.settings, VAULT_LOGIN_SOCKET, path, sizeof(path));

	if (r < 0)
		return r;
	fd = ipc_connect(path, NULL);
	if (fd < 0)
		return fd;
	r = take_key(&w->vault, fd);
	if (r == 0)
		r = channel_open(&w->vault.channel, &w->loop, fd, &ops, w);
	if (r == 0) {
		(void)fd_steal(&fd);
		vault_questions_send(w);
	}
	return r;
}

bool vault_link_is_ready(struct worker *w)
{
	struct vault_link *v = &w->vault;
	int r;

	if (channel_is_open(&v->channel))
		return true;
	if (loop_now(&w->loop) < v->again_at)
		return false;
	r = connect_vault(w);
	if (r == 0)
		return true;
	v->again_at = loop_now(&w->loop) + AGAIN_MS;
	log_warning(NULL, "vault", "error=\"%s\"", strerror(-r));
	return false;
}

int vault_link_ask(struct worker *w, const struct message *m)
{
	return vault_link_is_ready(w) ? message_send(&w->vault.channel, m, -1)
	                              : -ENOTCONN;
}

static int ask_for_tls(void *context, const struct message *m)
{
	return vault_question_ask(context, m);
}

int vault_link_init(struct worker *w)
{
	struct vault_link *v = &w->vault;

	for (size_t i = 0; i < VAULT_CHECKS; i++)
		LIST_INIT(&v->checks[i]);
	LIST_INIT(&v->comparisons);
	TAILQ_INIT(&v->questions);
	return tls_keys_init(&w->tls, w->host.settings, ask_for_tls, w) < 0
	               ? -ENOMEM
	               : keeper_init(v, w->limits->passwords);
}
