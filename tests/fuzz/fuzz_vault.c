/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What any process can say to the vault: the first byte is its role, then messages, each
   with its length (2 bytes). It must neither crash nor answer a role what is not its own,
   nor change what only a command may: who lives here has the name that commands gave, and
   nobody is let in, whatever it is called. */
#include "fuzz.h"
#include "registry/here.h"
#include "vault/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 4

static struct server server;
static struct settings settings;
static int64_t alice; /* who lives here, and may not log in */
static char name[256] = "alice";

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
	if (registry_add_here(server.vault.registry, STR_LIT("alice"), &alice, &err) < 0)
		abort();
	/* or a run would find the password that one before it has set */
	must(registry_set_disabled(server.vault.registry, alice, true, &err), err.text);
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
		/* a registry without passwords: nobody is let in, nothing is lent */
		if (m.type == MESSAGE_PASSWORD ||
			(m.type == MESSAGE_VERDICT && m.number == VERDICT_RIGHT) ||
			(m.type == MESSAGE_VERDICT && role != ROLE_LOGIN))
			abort();
	}
}

/* Only commands rename; and the account keeps all its names. */
static void check_name(enum role role)
{
	struct registry *r = server.vault.registry;
	struct account_route route;
	struct account a;
	struct arena arena;
	struct error err;

	arena_init(&arena);
	must(registry_find_id(r, alice, &arena, &a, &err), err.text);
	if (!str_eq(a.name, str_from(name)) && role != ROLE_COMMAND)
		abort();
	(void)snprintf(name, sizeof(name), "%.*s", STR_ARG(a.name));
	must(registry_route(r, a.name, &route, &err), err.text);
	if (route.id != alice || a.route != ROUTE_LOCAL || a.passwords > 1)
		abort();
	arena_fini(&arena);
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
		check_name(role);
	}
	close(pair[1]);
	run();
	while (server.n_jobs) /* a thread of its own, which must not outlive main() */
		(void)uv_run(&server.loop, UV_RUN_ONCE);
	return 0;
}
