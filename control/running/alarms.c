/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/alarms.h"

#include "base/fd.h"
#include "messages/ask.h"
#include "registry/mendings.h"

static bool is_mended(struct registry *r, const struct message *m)
{
	struct mending last = { 0 };
	struct arena arena;
	struct account a;

	if (!r || !str_eq(m->service, STR_LIT(ALARM_DAMAGE)))
		return false;
	arena_init(&arena);
	if (registry_find(r, m->account, &arena, &a, NULL) == 0)
		(void)registry_mending(r, a.id, &arena, &last, NULL);
	arena_fini(&arena);
	return last.at > m->number2 && !last.left;
}

static void ask_one(const struct settings *s, const char *socket_name, struct registry *r,
	alarms_each_fn *each, void *context)
{
	struct message question = { .type = MESSAGE_ALARMS }, m;
	char bytes[IPC_MESSAGE_MAX];
	CLEANUP(fd_closep)
	int fd = ask_begin(s->run_dir, socket_name, &question, NULL);

	while (fd >= 0 && ask_receive(fd, bytes, &ask_patience, &m, NULL) == 0 &&
		m.type == MESSAGE_ALARM)
		if (!is_mended(r, &m))
			each(context, &m);
}

void alarms_each(
	const struct settings *s, struct registry *r, alarms_each_fn *each, void *context)
{
	static const char *const sockets[] = { INTERCEPTOR_SOCKET, MAILSTORE_SOCKET,
		ADMISSION_SOCKET };

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		ask_one(s, sockets[i], r, each, context);
}
