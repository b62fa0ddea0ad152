/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_INTERCEPTOR_WORKER_WORKER_FIXTURE_H
#define TEST_INTERCEPTOR_WORKER_WORKER_FIXTURE_H
/*
 * A worker with its loop, its registry and its master's channel, and without listeners:
 * the test is the programs around it, by their sockets in a run_dir of its own.
 */
#include "interceptor/worker/worker.h"
#include "lib/registry/registry_fixture.h"

struct worker_test {
	struct worker *w;
	struct test *t; /* the registry; its directory is run_dir, too */
	struct settings settings;
	struct connection_limits limits;
	uv_idle_t pulse; /* so that a turn never waits */
	int master;      /* the other end of the worker's channel */
	int listener;    /* of one program; -1 */
};

int worker_test_setup(void **state);
int worker_test_teardown(void **state);

/* Turns of the loop, enough for all that is on its way. */
void worker_test_turns(struct worker_test *b);

/* That program runs: it listens. Then: who has connected, -1: nobody. */
void worker_test_listen(struct worker_test *b, const char *name);
int worker_test_accept(const struct worker_test *b);
/* It ends, and its socket goes. */
void worker_test_ends(struct worker_test *b, const char *name);

/* The vault runs, says that first and is connected; its end of the connection, and what
   vault_link_is_ready() has said. hello NULL: it closes at once. */
int worker_test_vault(
	struct worker_test *b, const struct message *hello, bool *ret_is_ready);
/* The usual one, with a public key. */
int worker_test_vault_begins(struct worker_test *b);
/* Whether that box, closed with the usual key, holds this. */
bool worker_test_opens(struct str box, const char *account, const char *password);

/* That end of a connection says it, and the worker has the time to take it. */
void worker_test_tell(struct worker_test *b, int fd, const struct message *m);
/* The next message that came, views until the next call. false: there is none. */
bool worker_test_hears(int fd, struct message *ret, int *ret_fd);

/* Of a session that does nothing by itself. */
extern const struct service_handler worker_test_service;

/* A session of that account, in no list and without streams. Freed by the caller. */
struct session *worker_test_session(struct worker_test *b, const char *account);

/* Does that in a child; whether the worker there ended itself. */
bool worker_test_aborts(void (*act)(struct worker_test *b, int fd, const void *what),
	struct worker_test *b, int fd, const void *what);

#endif
