/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef VAULT_ASKER_H
#define VAULT_ASKER_H
/*
 * Whoever has a connection to the vault. What role they have is known by where they have
 * it from: a socket in run_dir that only that program's user can open, or a descriptor
 * that the vault was given for the process of one account. requests.c says which role
 * may ask what; who asks anything else is cut off for good.
 */
#include "base/ipc.h"
#include "vault/tls.h"
#include "vault/vault.h"

#include <sys/queue.h>
#include <uv.h>

enum role {
	ROLE_LOGIN,   /* a worker of the interceptor */
	ROLE_MAIL,    /* the mailstore's master */
	ROLE_MOVE,    /* the transfer's scheduler */
	ROLE_ACCOUNT, /* the transfer's process for one account */
	ROLE_COMMAND, /* the admin's command */
	ROLE_COUNT
};
const char *role_name(enum role r);

#define ASKER_QUEUE_MAX (1u << 20) /* bytes of answers that an asker does not read */
/* Signatures of one under way: 13 ms of a CPU by RSA 2048. Until one is done the asker is
   asked for nothing more, so that none keeps the others waiting. */
#define ASKER_SIGNINGS_MAX 32
/* Verifiers that are made for one transfer's process, which asks for one and waits. */
#define ASKER_LOANS_MAX 4
/* Questions of one that are answered at once; then the others have their turn, though it
   never stops asking. */
#define ASKER_TURN 16

struct guess;
struct server;
struct answer; /* one that waits until the asker reads */

struct asker {
	LIST_ENTRY(asker) all;
	struct server *server;
	enum role role;
	uv_poll_t poll;
	int watched; /* the events that poll is started for */
	int fd;      /* -1: closed */
	int pid;
	STAILQ_HEAD(, answer) queue;
	size_t queued;
	unsigned jobs;     /* on helper threads, that will answer it */
	unsigned signings; /* of them */
	/* ROLE_COMMAND */
	struct vault_tls *renewal; /* what has come of it; NULL: nothing */
	struct error renewal_err;  /* the first that was wrong with it */
	/* ROLE_ACCOUNT */
	int64_t account;
	struct arena arena;
	struct loan *loans; /* LOANS_MAX; NULL: it has not asked yet */
	size_t n_loans;
};

/* Takes fd on success. NULL: no memory. */
struct asker *asker_new(struct server *server, enum role role, int fd);
/* Its memory goes when nothing refers to it any more. */
void asker_close(struct asker *a);
/* Sends it, or queues it; who does not read is closed. */
void asker_send(struct asker *a, const struct message *m);
/* FAILED with the sentence of err. */
void asker_send_failed(struct asker *a, const struct error *err);
/* A job of it is over. */
void asker_job_done(struct asker *a);
/* One that is a signature. */
void asker_signed(struct asker *a);

/* ---- requests.c ---- */

/* What it says: fds[n_fds] are taken or closed. false: it may not, and is to be closed.
 */
bool request(struct asker *a, const struct message *m, int *fds, size_t n_fds);

/* The first word to one that has connected. */
void request_greet(struct asker *a);

/* ---- requests_tls.c, for requests.c ---- */

void request_send_identities(struct asker *a);
void request_renewal_file(struct asker *a, const struct message *m, int fd);
void request_renew(struct asker *a, const struct message *m, int fd);
void request_drop_renewal(struct asker *a);

/* ---- signing.c ---- */

/* Answers a SIGN with SIGNED, now or later; without bytes: it cannot be signed. */
void sign(struct asker *a, const struct message *m);

/* ---- jobs.c ---- */

/* What is done about a password off the loop. */
enum job_kind {
	JOB_CHECK, /* compare it with verifiers, and answer VERDICT */
	JOB_LOAN,  /* make a verifier of one that is lent, then loan_is_ready() */
	JOB_SET,   /* make one of a new password, and answer DONE */
	JOB_KIND_COUNT
};
struct job_order {
	enum job_kind kind;
	struct asker *asker;
	struct str password;
	struct str verifiers;        /* CHECK */
	struct ticket_bearer bearer; /* CHECK */
	struct str client;           /* CHECK */
	int64_t id;                  /* CHECK, SET: account; LOAN: which one */
	bool only;                   /* SET */
	bool proves;                 /* LOAN: the source took it already */
};
/* Copies the order. 0; -EBUSY: too much waits already; -ENOMEM. */
int job_add(struct server *server, const struct job_order *order);
/* Whether the queue has as many CHECKs from that client's address, or from a network
   around it, as it takes. Users who have logged in from there are counted apart. */
bool jobs_have_enough_from(const struct server *server, const struct guess *a);

/* ---- requests.c, for jobs.c ---- */

/* A verdict, with a ticket when it is right. */
void answer_verdict(
	struct asker *a, const struct ticket_bearer *bearer, enum verdict verdict);
/* Looks at a CHECK, unless it has to wait: then false. */
bool check_now(struct asker *a, const struct message *m);
/* A password was judged, here or off the loop. */
void check_is_judged(
	struct asker *a, const struct job_order *order, enum verdict verdict);
/* The verifier of one that is lent is made. */
void loan_is_ready(struct asker *a, const struct job_order *order, struct str verifier);

#endif
