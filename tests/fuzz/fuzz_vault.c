/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What any process can say to the vault: the first byte is its role, then messages, each
   with its length (2 bytes). It must neither crash nor answer a role what is not its own.
 */
#include "fuzz.h"
#include "vault/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 4

static struct server server;
static struct settings settings;

static void must(int result, const char *what)
{
	if (result < 0) {
		(void)fprintf(stderr, "%s: %d\n", what, result);
		abort();
	}
}

static void set_up(void)
{
	static char folder[] = "/tmp/mailferry-fuzz-vault-XXXXXX";
	char text[256];
	struct error err;

	if (!mkdtemp(folder))
		abort();
	(void)snprintf(text, sizeof(text),
		"source = \"192.0.2.10\"\ndomains = {\"example.com\"}\nstate_dir = "
		"\"%s\"\n",
		folder);
	must(settings_parse("fuzz", text, &settings, &err), err.text);
	must(vault_open(&settings, true, &server.vault, &err), err.text);
	must(uv_loop_init(&server.loop), "loop");
	must(waiting_init(&server), "timer");
	LIST_INIT(&server.askers);
	STAILQ_INIT(&server.jobs);
	server.guesses = guesses_new();
	if (!server.guesses)
		abort();
}

static void run(void)
{
	for (int i = 0; i < TURNS; i++)
		(void)uv_run(&server.loop, UV_RUN_NOWAIT);
}

/* What it answers; 0: nothing any more. */
static int heard(int fd, struct message *ret, char bytes[static IPC_MESSAGE_MAX])
{
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	ssize_t n = ipc_receive(fd, bytes, IPC_MESSAGE_MAX, fds, &n_fds);

	return n > 0 && message_decode(str_of(bytes, (size_t)n), ret) == 0;
}

static void check_answers(enum role role, int fd)
{
	static char bytes[IPC_MESSAGE_MAX];
	struct message m;

	while (heard(fd, &m, bytes)) {
		/* a registry without accounts: nobody is let in, nothing is lent */
		if (m.type == MESSAGE_PASSWORD ||
			(m.type == MESSAGE_VERDICT && m.number == VERDICT_RIGHT) ||
			(m.type == MESSAGE_VERDICT && role != ROLE_LOGIN))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_set_up;
	int pair[2];
	enum role role;

	if (!is_set_up)
		set_up();
	is_set_up = true;
	if (!size || ipc_pair(pair) < 0)
		return 0;
	server.n_outcasts = 0;
	role = (enum role)(data[0] % ROLE_COUNT);
	if (!asker_new(&server, role, pair[0]))
		abort();
	for (size_t at = 1; at + 2 < size;) {
		size_t len = (size_t)data[at] << 8 | data[at + 1];

		at += 2;
		len = len < size - at ? len : size - at;
		(void)ipc_send(pair[1], str_of(data + at, len), NULL, 0);
		at += len;
		run();
		check_answers(role, pair[1]);
	}
	close(pair[1]);
	run();
	while (server.n_jobs) /* a thread of its own, which must not outlive main() */
		(void)uv_run(&server.loop, UV_RUN_ONCE);
	return 0;
}
