/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "messages/takeover.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "messages/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

static int take(int connection, char *bytes, takeover_fn *told, void *context,
	struct message *ret, struct error *err)
{
	int fds[IPC_FDS_MAX], r = wait_for(connection, POLLIN, &ask_patience);
	struct message m = { 0 };
	size_t n_fds = 0;
	ssize_t len;

	if (r < 0)
		return error_errno(err, r, "the one that runs does not answer");
	len = ipc_receive(connection, bytes, IPC_MESSAGE_MAX, fds, &n_fds);
	if (len <= 0)
		return error_errno(err, len < 0 ? (int)len : -EPIPE,
			"the one that runs hands nothing over");
	if (message_decode(str_of(bytes, (size_t)len), &m) < 0 || n_fds > 1) {
		while (n_fds)
			fd_closep(&fds[--n_fds]);
		return error_set(err, -EBADMSG,
			"the one that runs is of a version that this one cannot follow; "
			"stop it, then start this one");
	}
	*ret = m;
	if (m.type == MESSAGE_TAKEN_OVER)
		return 1;
	return told(context, &m, n_fds ? fds[0] : -1, err);
}

int takeover_receive(int connection, takeover_fn *told, void *context,
	struct message *ret_last, struct error *err)
{
	char bytes[IPC_MESSAGE_MAX];
	struct message last = { 0 };
	int r = 0;

	while (r == 0)
		r = take(connection, bytes, told, context, &last, err);
	if (r < 0)
		return r;
	*ret_last = (struct message){
		.type = last.type, .number = last.number, .number2 = last.number2
	};
	return 0;
}

static int ask_and_take(int connection, enum message_type type, takeover_fn *told,
	void *context, struct message *ret_last, struct error *err)
{
	const struct message question = { .type = type };
	int r = ask_send(connection, &question, &ask_patience, err);

	return r < 0 ? r : takeover_receive(connection, told, context, ret_last, err);
}

int takeover_begin(const char *run_dir, const char *socket_name, takeover_fn *handed,
	void *context, struct message *ret_last, struct error *err)
{
	CLEANUP(fd_closep) int fd = ask_open(run_dir, socket_name, err);
	int r = fd < 0 ? fd
	               : ask_and_take(
				 fd, MESSAGE_TAKE_OVER, handed, context, ret_last, err);

	return r < 0 ? r : fd_steal(&fd);
}

int takeover_retire(int connection, takeover_fn *told, void *context,
	struct message *ret_last, struct error *err)
{
	return ask_and_take(connection, MESSAGE_RETIRE, told, context, ret_last, err);
}

int takeover_hand(struct channel *to, const char *what, uint64_t number, int fd)
{
	const struct message m = {
		.type = MESSAGE_HANDED, .text = str_from(what), .number = number
	};
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int r = copy < 0 ? -errno : message_send(to, &m, copy);

	if (r < 0)
		fd_closep(&copy);
	return r;
}

bool takeover_is_allowed(int connection, uid_t started_by)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == started_by);
}
