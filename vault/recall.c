/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/clock.h"
#include "base/log.h"
#include "vault/server.h"

#include <stdio.h>

#define RECALLED_MS (UINT64_C(90) * 86400000) /* a summer, a leave */
#define RECALLED_MAX 32768                    /* guess.c has places for twice as many */
#define CLIENT_MAX 64

/* The registry has "192.0.2.1" and "2001:db8::/64". */
static int recall(void *context, int64_t account, struct str address)
{
	struct server *s = context;
	struct str host = str_take(address, str_index(address, '/'));
	bool is_v6 = str_index(host, ':') < host.len;
	char client[CLIENT_MAX];
	struct guess g = { .account = account };

	(void)snprintf(
		client, sizeof(client), is_v6 ? "[%.*s]:0" : "%.*s:0", STR_ARG(host));
	g.client = str_from(client);
	guess_was_right(s->guesses, &g, clock_monotonic_ms());
	return 0;
}

void recall_clients(struct server *s)
{
	struct error err;

	if (registry_each_account_client(
		    s->vault.registry, RECALLED_MS, RECALLED_MAX, recall, s, &err) < 0)
		log_warning(NULL, "recall", "error=\"%s\"", err.text);
}
