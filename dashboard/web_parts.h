/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_WEB_PARTS_H
#define DASHBOARD_WEB_PARTS_H
/*
 * The web process and its visits: a visit is one HTTP request.
 *
 *   NEW ── its head is there ──► READING ── its body is there ──► judged ──► ANSWERED
 *                                                                   │           ▲
 *                           WAITING (for answers to questions) ◄────┘           │
 *                              └── they have come, or time has passed ──► READY ┘
 */
#include "base/buf.h"
#include "dashboard/answers.h"
#include "dashboard/request.h"
#include "event/channel.h"
#include "event/timer.h"

#include <microhttpd.h>
#include <sys/queue.h>

#define CONNECTIONS_MAX 64        /* a browser has six */
#define CONNECTION_SECONDS 10     /* in which nothing is sent or taken */
#define CONNECTION_LIFE_MS 60000u /* however busy; an action is waited for 20 s */
#define CONNECTION_MEMORY 32768u  /* its head may have that much */
#define BODY_MAX 4096u            /* the largest form has a name of 512 bytes */

enum visit_state { VISIT_NEW, VISIT_READING, VISIT_WAITING, VISIT_READY, VISIT_ANSWERED };

struct visit {
	struct web *web;
	struct MHD_Connection *connection;
	enum visit_state state;
	char *uri; /* as it was sent; its query is decoded in place */
	struct buf body;
	struct request request;
	struct judgement judgement;
	uint64_t began; /* monotonic */
	uint64_t id;    /* of its own question; 0: it has none */
	struct answer own;
	LIST_ENTRY(visit) next;
};

struct connection_slot {
	int fd; /* -1: free; stays MHD's */
	uint64_t began;
};

struct web {
	struct loop loop;
	struct channel link;
	struct MHD_Daemon *http;
	struct watch *watch;
	struct timer *tick, *soon;
	struct logins logins;
	struct answers answers;
	bool admin;
	uint64_t next_id; /* above QUESTION_COUNT: below are the questions of the whole */
	LIST_HEAD(, visit) visits;
	struct connection_slot connections[CONNECTIONS_MAX];
	int result;
};

/* ---- visit.c ---- */

/* What MHD calls, with the web as context. */
void *visit_begin(void *web, const char *uri, struct MHD_Connection *connection);
enum MHD_Result visit_go_on(void *web, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *body, size_t *body_len,
	void **visit);
void visit_end(void *web, struct MHD_Connection *connection, void **visit,
	enum MHD_RequestTerminationCode code);

/* An answer has come, or time has passed: those that wait for nothing more are woken. */
void visits_look(struct web *w, uint64_t now);
/* The answer to a visit's own question. */
void visits_take(
	struct web *w, uint64_t id, int fd, int exit_code, struct str says, uint64_t now);

/* ---- web.c ---- */

/* Has a question asked. 0 or -errno. */
int web_ask(struct web *w, enum question q, struct str argument, uint64_t id);

#endif
