/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_PACE_H
#define TRANSFER_PACE_H
/*
 * How fast all our processes together use the source: the rates of `limits`, and slower
 * where the source says that it is too much.
 *
 * The scheduler makes a page of memory and gives it to each process that it starts. For
 * each kind of use it holds the moment from which the next one keeps the rate. A process
 * moves that moment on by what it takes (the generic cell rate algorithm): nobody waits
 * for a lock, and whoever is killed leaves nothing behind.
 *
 * These processes read the source's bytes. A thief in one of them may write what they
 * like into the page: the others then wait PACE_WAIT_MAX_MS, and go on.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PACE_WAIT_MAX_MS 60000u /* for one take */
#define PACE_PENALTY_FIRST_MS 1000u
#define PACE_PENALTY_MAX_MS 32000u

enum pace_kind { PACE_LOGIN, PACE_MESSAGE, PACE_BYTE, PACE_KIND_COUNT };

struct pace_page {
	_Atomic uint64_t due_us[PACE_KIND_COUNT]; /* monotonic */
	_Atomic uint32_t penalty_ms; /* between logins, while the source refuses them */
};

/* One process's. Zeroed: no limit, and nobody to share one with. */
struct pace {
	struct pace_page *page;                /* NULL: none */
	uint64_t interval_ns[PACE_KIND_COUNT]; /* of one; 0: no limit */
	/* Somebody waits for us: it takes, but does not wait. NULL: never. */
	const bool *is_urgent;
};

struct limits;

/* For the scheduler: a descriptor of such a page, or -errno. */
int pace_make(void);
/* For the process. -errno: fd is no such page, and nothing is shared. */
int pace_open(struct pace *p, int fd, const struct limits *limits);
void pace_close(struct pace *p); /* may be called twice */

/* now_ms: clock_monotonic_ms(). Takes n, and returns in how many milliseconds they are
   due at the rate. p may be NULL: now. */
unsigned pace_take(struct pace *p, enum pace_kind kind, uint64_t n, uint64_t now_ms);
/* Takes one, and waits until it is due. */
void pace_wait(struct pace *p, enum pace_kind kind);
/* In how many milliseconds one may read on: what was read so far had its time then. */
unsigned pace_reading_due(const struct pace *p, uint64_t now_ms);

/* How a login ended. -EAGAIN (the source has too many for now) and -ETIMEDOUT: the next
   one comes later, and later each time; 0: it has room again. Others say nothing. */
void pace_login_ended(struct pace *p, int code, uint64_t now_ms);

#endif
