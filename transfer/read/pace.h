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
 * What a question will bring is taken before it is asked, and it is asked when that is
 * due: an answer comes as fast as the line, and into the kernel's buffers, whoever reads
 * it. What comes without (listings) is paid for before more is read. A connection that is
 * lost gives back what did not come: a source that ends sessions which are idle for as
 * long as one large message takes would else never be asked for it.
 *
 * These processes read the source's bytes. A thief in one of them may write what they
 * like into the page: the others then wait as long as if all the others were before them
 * (PACE_WAIT_MAX_MS, where that is less), and go on.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PACE_WAIT_MAX_MS 60000u
#define PACE_PART_MS 250u /* of the rate: what one question may bring */
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
	/* All that may use the source at once cannot have taken more than that. */
	uint64_t most_us[PACE_KIND_COUNT];
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
/* Takes n that were had already, and returns in how many milliseconds they have had
   their time. */
unsigned pace_pay(struct pace *p, enum pace_kind kind, uint64_t n, uint64_t now_ms);

/* Whether what is read keeps a rate now. p may be NULL. */
bool pace_limits_reading(const struct pace *p);
/* What one question may bring, of messages or bytes; one message may always come. */
uint64_t pace_part(const struct pace *p, enum pace_kind kind);
/* Takes what a question will bring, as pace_take(). */
unsigned pace_take_reading(
	struct pace *p, uint64_t messages, uint64_t bytes, uint64_t now_ms);

/* What was taken for reading, and did not come: its connection was lost. */
void pace_give_back(struct pace *p, uint64_t messages, uint64_t bytes);

/* How a login ended. -EAGAIN (the source has too many for now) and -ETIMEDOUT: the next
   one comes later, and later each time; 0: it has room again. Others say nothing. */
void pace_login_ended(struct pace *p, int code, uint64_t now_ms);

#endif
