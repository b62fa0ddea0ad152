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
#include "admission/kernel_room.h"
#include "admission/load.h"
#include "admission/queue.h"
#include "admission/reach.h"
#include "event/channel.h"
#include "event/signals.h"
#include "event/timer.h"
#include "messages/alarms.h"
#include "nft-rules/ruleset.h"
#include "settings/program.h"

#include <sys/types.h>

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
	struct kernel_room room;
	struct load_calm calm;
	unsigned looks; /* up to BEGIN_LOOKS */
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
	struct program_start *start;
	uid_t started_by;
	int takeover, handed_door;  /* takeover.c; -1: none */
	int kept[RULES_QUEUES_MAX]; /* sockets of queues that the one before left; -1 */
	bool is_retired;
	int result;
};

/* Connections that were diverted, by this process or by the kernel itself. */
uint64_t admission_diverted(const struct admission *a);
/* Packets of all queues that were judged here. */
uint64_t admission_packets(const struct admission *a);

int admission_run(struct program_start *start);
/* Of one packet: a queue_judge_fn. */
uint32_t admission_judge(void *admission, struct str packet, uint32_t mark);
/* The interceptor has told how many it accepted. */
void admission_reach(struct admission *a);

/* clients.c: admission.sock. */
int clients_open(struct admission *a, struct error *err);
void clients_sweep(void *admission); /* frees those that have gone */
/* The same on a socket that listens already, which it takes. 0 or -errno. */
int clients_open_on(struct admission *a, int fd);

/* takeover.c: the one that runs is followed by this one, whose queues are handed over:
   they have a listener all the time. 0 or -errno. */
int follow_ask(struct admission *a, struct error *err);
/* None runs; what the supervisor kept of the one before is in `kept`. 0 or -errno. */
int follow_kept(struct admission *a, struct error *err);
int follow_commit(struct admission *a, struct error *err);
/* And this one by the next. */
void retire_hand(struct admission *a, struct channel *to);
void retire_begin(struct admission *a, struct channel *to);

/* interceptor.c: asks for its sessions. Called at each tick. */
void interceptor_ask(struct admission *a);

#endif
