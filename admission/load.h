/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_LOAD_H
#define ADMISSION_LOAD_H
/*
 * Whether there is room for one more connection. Looked at several times a second:
 *
 *   accept queues   of our listeners, from the kernel (sock_diag): half full means that
 *                   workers do not keep up, or one hangs
 *   sessions        of all workers, asked of the interceptor (MESSAGE_LOAD)
 *   memory          of this host, from /proc/meminfo
 *   silence         the interceptor has not answered for six seconds
 *
 * Each has a mark at which it is full, and a lower one at which it has room again.
 */
#include "admission/queue_state.h"
#include "base/error.h"
#include "settings/settings.h"

enum load_reason {
	LOAD_ROOM,
	LOAD_ACCEPT_QUEUE,
	LOAD_SESSIONS,
	LOAD_MEMORY,
	LOAD_SILENCE,
	LOAD_REASON_COUNT
};

/* A machine under load may be late with an answer; what is late is not gone, and new
   clients would be refused meanwhile. */
#define LOAD_SILENCE_MS 6000

/* What was seen. */
struct load_view {
	uint32_t waiting, backlog; /* of the fullest accept queue; backlog 0: none */
	uint64_t sessions, sessions_max; /* max 0: not known yet */
	uint64_t free_kib, all_kib;      /* all 0: not known */
	uint64_t silent_ms; /* since the interceptor's last answer; 0: never asked */
};

/* `before` as it was judged last. */
enum load_reason load_judge(const struct load_view *view, enum load_reason before);

/* Whether the kernel may decide by itself for a while (nft-rules/room.h): all is known,
   the interceptor has just answered, and nothing is above the lower of its marks. */
#define LOAD_CALM_MS 1000
bool load_is_calm(const struct load_view *view);

/* The same, but for a while after load: it may come and go several times a second. What
   nobody knows yet, at the start (zeros), is no load that could come again. */
#define LOAD_CALM_AFTER_MS 1000
struct load_calm {
	bool was_known, is_calm;
	uint64_t at; /* not before */
};
/* Each time that was looked; returns is_calm. */
bool load_calm_look(struct load_calm *calm, const struct load_view *view, uint64_t now);

const char *load_reason_name(enum load_reason reason); /* "accept queue full" */

/* What is read of a file of /proc. */
#define LOAD_FILE_MAX 4096

struct load {
	const struct settings *settings;
	int meminfo;             /* /proc/meminfo, opened before the sandbox */
	int queues;              /* nfnetlink_queue's file, likewise; -1: there is none */
	struct mnl_socket *diag; /* sock_diag */
};

int load_open(struct load *l, const struct settings *settings, struct error *err);
void load_close(struct load *l);
/* Fills in what the kernel says; what cannot be read stays as it was. */
void load_look(struct load *l, struct load_view *view);

/* The same of our queues: n from `first` on. */
void load_look_at_queues(
	const struct load *l, uint16_t first, uint16_t n, struct queue_state *state);

/* From the text of /proc/meminfo. false: it has not both numbers. */
bool load_read_memory(struct str text, uint64_t *ret_free_kib, uint64_t *ret_all_kib);

#endif
