/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_ADMISSION_H
#define ADMISSION_ADMISSION_H
/*
 * The process that judges new connections.
 *
 *   kernel ══queues══► queue.h ──► judge.h ──► marks, back to the kernel
 *                                    ▲
 *   sock_diag, /proc, interceptor.sock ── load.h, several times a second
 *   admission.sock ── clients.h: what was judged, alarms
 *
 * It reads nothing but heads of packets, has no file and no registry, and keeps
 * CAP_NET_ADMIN, without which the kernel takes no verdict.
 */
#include "admission/judge.h"
#include "admission/load.h"
#include "admission/queue.h"
#include "admission/reach.h"
#include "event/channel.h"
#include "event/signals.h"
#include "event/timer.h"
#include "messages/alarms.h"
#include "nft-rules/ruleset.h"

struct admission {
	const struct settings *settings;
	struct loop loop;
	struct timer *tick;
	struct signals signals;
	struct queue queues[RULES_QUEUES_MAX];
	struct watch *watches[RULES_QUEUES_MAX];
	size_t n_queues;
	struct judge judge;
	struct load load;
	struct load_view view;
	struct queue_state queued;
	enum load_reason reason;
	uint64_t left_before; /* judged so when that reason was last told of */
	struct channel interceptor;
	uint64_t asked_at; /* of it, without an answer yet; 0: nothing is asked */
	uint64_t call_at;  /* not before is it called again */
	uint64_t accepted; /* by it, in all */
	struct reach reach;
	struct alarms alarms;
	struct channel_listener door;
	LIST_HEAD(, client) clients;
	int result;
};

int admission_run(const struct settings *settings);
/* The interceptor has told how many it accepted. */
void admission_reach(struct admission *a);

/* clients.c: admission.sock. */
int clients_open(struct admission *a, struct error *err);
void clients_sweep(void *admission); /* frees those that have gone */

/* interceptor.c: asks for its sessions. Called at each tick. */
void interceptor_ask(struct admission *a);

#endif
