/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/alarms.h"

#include "base/fd.h"
#include "messages/ask.h"

static void ask_one(const struct settings *s, const char *socket_name,
	alarms_each_fn *each, void *context)
{
	struct message question = { .type = MESSAGE_ALARMS }, m;
	char bytes[IPC_MESSAGE_MAX];
	CLEANUP(fd_closep)
	int fd = ask_begin(s->run_dir, socket_name, &question, NULL);

	while (fd >= 0 && ask_receive(fd, bytes, &ask_patience, &m, NULL) == 0 &&
		m.type == MESSAGE_ALARM)
		each(context, &m);
}

void alarms_each(const struct settings *s, alarms_each_fn *each, void *context)
{
	static const char *const sockets[] = { INTERCEPTOR_SOCKET, MAILSTORE_SOCKET,
		ADMISSION_SOCKET };

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		ask_one(s, sockets[i], each, context);
}
