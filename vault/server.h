/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef VAULT_SERVER_H
#define VAULT_SERVER_H
/* The vault's process: its sockets and its loop. */
#include "vault/asker.h"
#include "vault/guess.h"
#include "vault/tls.h"

#define JOBS_MAX 512 /* of scrypt that wait; there may be 256 transfers */
#define JOBS_FOR_LOGINS 128
/* And for those who have logged in from there before: clients of many networks may guess
   at once. */
#define JOBS_FOR_USERS 128
#define SIGNERS_MAX 16 /* threads */
/* Connections of one worker at the same time: it needs one, and a new one while the end
   of the old one is not read yet. */
#define CONNECTIONS_MAX 16
#define OUTCASTS_MAX                                                                     \
	64 /* processes that broke the rules and get no connection any more */

struct server {
	struct vault vault;
	struct vault_tls tls, tls_before; /* the one before the last renewal */
	uv_loop_t loop;
	uv_signal_t terminate, interrupt;
	struct listener *listeners;
	LIST_HEAD(, asker) askers;
	STAILQ_HEAD(, job) jobs;
	STAILQ_HEAD(, waiting) waiting;
	unsigned n_waiting;
	uv_timer_t tick; /* while any waits */
	struct guesses *guesses;
	unsigned n_jobs;
	bool job_runs;
	bool once; /* ends with its only asker */
	int outcasts[OUTCASTS_MAX];
	unsigned n_outcasts;
	char buffer[IPC_MESSAGE_MAX];
};

/* Until SIGTERM; the exit status. */
int server_run(const struct settings *settings);
/* For the one command at the other end of fd, while no vault runs. */
int server_run_once(const struct settings *settings, int fd);

/* ---- waiting.c ---- */
int waiting_init(struct server *s);
/* Copies the CHECK. 0; -EBUSY: too many wait; -ENOMEM. */
int waiting_add(struct server *s, struct asker *a, const struct message *m);
void waiting_fini(struct server *s);

/* Whether one that has just connected may stay: its process has not broken the rules, and
   takes no descriptors from others. */
bool server_takes(struct server *s, const struct asker *a);

/* ---- recall.c ---- */
/* From where accounts have logged in lately, as the registry has it: guesses from there
   shut none of them out, also behind a restart. */
void recall_clients(struct server *s);

/* ---- server.c, for asker.c ---- */
void server_asker_gone(struct server *s, struct asker *a);
void server_cast_out(struct server *s, int pid);

#endif
