/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_CONNECTION_H
#define MAILSTORE_SERVE_CONNECTION_H
/* Sessions on sockets, driven by libuv: reading and sending when it can be done, turns
   for all, time-outs, the end. */
#include "mailstore/serve/service.h"

#include <uv.h>

#define CONNECTION_IDLE_MS (30 * 60 * 1000) /* RFC 3501, 5.4: at least half an hour */

struct connection_end {
	struct str session; /* id */
	uint64_t bytes_in, bytes_out;
	const char *reason;
};

struct connections {
	uv_loop_t *loop;
	struct serve *serve;
	struct connection *first;
	uv_idle_t turn; /* active while some session has something to do at once */
	void (*ended)(void *context, const struct connection_end *end);
	void *context;
};

/* Sets serve->wake; serve->context must be `all`. */
int connections_init(struct connections *all, uv_loop_t *loop, struct serve *serve);

/* Takes the socket, also when it fails (-errno). */
int connection_start(struct connections *all, const struct service_ops *ops,
	const struct login *login, int socket);

/* Says good-bye to all and closes them. */
void connections_bye(struct connections *all, const char *why);
size_t connections_count(const struct connections *all);
/* Ends whoever is left, at once, and the handles; run the loop once more afterwards. */
void connections_fini(struct connections *all);

#endif
