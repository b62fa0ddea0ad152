/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/loan.h"

#include "base/fd.h"
#include "messages/ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The vault makes one verifier after the other, of 256 processes at the most (`limits {
   transfers }`), and of logins between them. The user is served meanwhile. */
#define PREPARE_MS 120000

int loan_order(const struct settings *s, int64_t account, int *ret_end, struct error *err)
{
	const struct message m = { .type = MESSAGE_LEND, .number = (uint64_t)account };
	CLEANUP(fd_closep) int vault = ask_open(s->run_dir, VAULT_MOVE_SOCKET, err);
	int pair[2], r = vault < 0 ? vault : ipc_pair(pair);

	if (r < 0)
		return r;
	r = ask_send_fd(vault, &m, pair[0], &ask_patience, err);
	close(pair[0]);
	if (r < 0) {
		close(pair[1]);
		return r;
	}
	*ret_end = pair[1];
	return 0;
}

bool loan_is_there(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(LOAN_SOCKET, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

bool loan_is_lost(void)
{
	struct pollfd end = { .fd = LOAN_SOCKET };

	return loan_is_there() && poll(&end, 1, 0) == 1 && end.revents & POLLHUP;
}

/* What it answers, up to DONE. */
static int receive(char *bytes, const struct patience *patience, struct message *ret,
	struct error *err)
{
	int r = ask_receive(LOAN_SOCKET, bytes, patience, ret, err);

	if (r == 0 && ret->type != MESSAGE_PASSWORD && ret->type != MESSAGE_DONE)
		r = error_set(err, -EBADMSG, "the vault's answer makes no sense");
	return r;
}

int loan_take(int (*each)(void *context, const struct loan *loan), void *context,
	struct error *err)
{
	struct message m = { .type = MESSAGE_LEND };
	char bytes[IPC_MESSAGE_MAX];
	int r = ask_send(LOAN_SOCKET, &m, &ask_patience, err), stop = 0;

	while (r == 0 && (r = receive(bytes, &ask_patience, &m, err)) == 0 &&
		m.type != MESSAGE_DONE) {
		const struct loan loan = { .id = (int64_t)m.number,
			.login = m.text,
			.password = m.payload,
			.user = m.tag };

		stop = stop ? stop : each(context, &loan);
	}
	explicit_bzero(bytes, sizeof(bytes));
	return r ? r : stop;
}

static int receive_residence(
	char *bytes, struct arena *arena, struct str *ret, struct error *err)
{
	struct message m;
	int r = ask_receive(LOAN_SOCKET, bytes, &ask_patience, &m, err);

	if (r < 0)
		return r;
	if (m.type != MESSAGE_RESIDENCE_IS)
		return error_set(err, -EBADMSG, "the vault's answer makes no sense");
	*ret = arena_str(arena, m.text);
	return ret->ptr ? 0 : error_set(err, -ENOMEM, "no memory");
}

int loan_residence(struct arena *arena, struct str *ret, struct error *err)
{
	const struct message m = { .type = MESSAGE_RESIDENCE };
	char bytes[IPC_MESSAGE_MAX];
	int r = ask_send(LOAN_SOCKET, &m, &ask_patience, err);

	return r < 0 ? r : receive_residence(bytes, arena, ret, err);
}

static int tell(enum message_type type, int64_t id, const struct patience *patience,
	struct error *err)
{
	struct message m = { .type = type, .number = (uint64_t)id };
	char bytes[IPC_MESSAGE_MAX];
	int r = ask_send(LOAN_SOCKET, &m, &ask_patience, err);

	if (r == 0)
		r = receive(bytes, patience, &m, err);
	if (r == 0 && m.number2)
		r = error_set(err, -ENOENT, "that password is not kept any more");
	return r;
}

int loan_prepare(int64_t id, struct error *err)
{
	const struct patience patience = { .ms = PREPARE_MS };

	return tell(MESSAGE_PREPARE, id, &patience, err);
}

int loan_prove(int64_t id, struct error *err)
{
	return tell(MESSAGE_PROVED, id, &ask_patience, err);
}
