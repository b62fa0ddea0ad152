/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/pace.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define US_PER_MS 1000u
#define NS_PER_S UINT64_C(1000000000)
#define S_PER_MINUTE 60u
#define WAIT_MAX_US ((uint64_t)PACE_WAIT_MAX_MS * US_PER_MS)
#define PART_US ((uint64_t)PACE_PART_MS * US_PER_MS)

/* ---- the page ---- */

int pace_make(void)
{
	CLEANUP(fd_closep) int fd = memfd_create("pace", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, sizeof(struct pace_page)) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return fd_steal(&fd);
}

/* Each of those who take, once; and of one the largest message. */
static uint64_t most_of(
	const struct pace *p, enum pace_kind kind, const struct limits *limits)
{
	uint64_t takers = limits->transfers * limits->source_connections;
	uint64_t one = p->interval_ns[kind] / US_PER_MS, most;

	most = takers * (one > PART_US ? one : PART_US);
	if (kind == PACE_BYTE)
		most += p->interval_ns[kind] * limits->message_bytes / US_PER_MS;
	return most > WAIT_MAX_US ? most : WAIT_MAX_US;
}

static uint64_t interval_of(uint64_t n, uint64_t in_s)
{
	return n ? in_s * NS_PER_S / n : 0;
}

int pace_open(struct pace *p, int fd, const struct limits *limits)
{
	struct stat is;
	void *page;

	if (fstat(fd, &is) < 0)
		return -errno;
	if (is.st_size != sizeof(struct pace_page))
		return -EINVAL;
	page = mmap(NULL, sizeof(struct pace_page), PROT_READ | PROT_WRITE, MAP_SHARED,
		fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	*p = (struct pace){ .page = page };
	p->interval_ns[PACE_LOGIN] = interval_of(limits->source_logins, S_PER_MINUTE);
	p->interval_ns[PACE_MESSAGE] = interval_of(limits->source_messages, 1);
	p->interval_ns[PACE_BYTE] =
		interval_of((uint64_t)limits->source_kilobytes * 1024, 1);
	for (unsigned kind = 0; kind < PACE_KIND_COUNT; kind++)
		p->most_us[kind] = most_of(p, kind, limits);
	return 0;
}

void pace_close(struct pace *p)
{
	if (p->page)
		(void)munmap(p->page, sizeof(*p->page));
	*p = (struct pace){ 0 };
}

/* ---- taking ---- */

static bool waits(const struct pace *p)
{
	return !p->is_urgent || !*p->is_urgent;
}

static unsigned in_ms(uint64_t due_us, uint64_t now_us)
{
	uint64_t ms = due_us > now_us ? (due_us - now_us + US_PER_MS - 1) / US_PER_MS : 0;

	return ms < INT_MAX ? (unsigned)ms : INT_MAX;
}

/* A moment that is too far away was written by no process of ours. */
static uint64_t due_from(uint64_t due_us, uint64_t now_us, uint64_t most_us)
{
	if (due_us < now_us)
		return now_us;
	return due_us < now_us + most_us ? due_us : now_us + most_us;
}

/* When they are due. */
static uint64_t take(
	struct pace *p, enum pace_kind kind, uint64_t cost_us, uint64_t now_us)
{
	_Atomic uint64_t *due = &p->page->due_us[kind];
	uint64_t was = atomic_load(due), from;

	do
		from = due_from(was, now_us, p->most_us[kind]);
	while (!atomic_compare_exchange_weak(due, &was, from + cost_us));
	return from;
}

static uint64_t cost_of(const struct pace *p, enum pace_kind kind, uint64_t n)
{
	return p->interval_ns[kind] * n / US_PER_MS;
}

unsigned pace_take(struct pace *p, enum pace_kind kind, uint64_t n, uint64_t now_ms)
{
	uint64_t now_us = now_ms * US_PER_MS, from;

	if (!p || !p->page)
		return 0;
	from = take(p, kind, cost_of(p, kind, n), now_us);
	return waits(p) ? in_ms(from, now_us) : 0;
}

unsigned pace_pay(struct pace *p, enum pace_kind kind, uint64_t n, uint64_t now_ms)
{
	uint64_t now_us = now_ms * US_PER_MS, from, cost_us;

	if (!p || !p->page)
		return 0;
	cost_us = cost_of(p, kind, n);
	from = take(p, kind, cost_us, now_us);
	return waits(p) ? in_ms(from + cost_us, now_us) : 0;
}

void pace_wait(struct pace *p, enum pace_kind kind)
{
	uint64_t now = clock_monotonic_ms(), end = now + pace_take(p, kind, 1, now);

	for (; now < end; now = clock_monotonic_ms())
		(void)poll(NULL, 0, (int)(end - now));
}

bool pace_limits_reading(const struct pace *p)
{
	return p && p->page && waits(p) &&
	       (p->interval_ns[PACE_BYTE] || p->interval_ns[PACE_MESSAGE]);
}

uint64_t pace_part(const struct pace *p, enum pace_kind kind)
{
	uint64_t ns = p->interval_ns[kind];

	return ns ? (uint64_t)PACE_PART_MS * NS_PER_S / 1000 / ns : UINT64_MAX;
}

unsigned pace_take_reading(
	struct pace *p, uint64_t messages, uint64_t bytes, uint64_t now_ms)
{
	unsigned a = pace_take(p, PACE_MESSAGE, messages, now_ms);
	unsigned b = pace_take(p, PACE_BYTE, bytes, now_ms);

	return a > b ? a : b;
}

static void give_back(struct pace *p, enum pace_kind kind, uint64_t n)
{
	_Atomic uint64_t *due = &p->page->due_us[kind];
	uint64_t was = atomic_load(due), cost_us = cost_of(p, kind, n);

	while (!atomic_compare_exchange_weak(
		due, &was, was > cost_us ? was - cost_us : 0))
		;
}

void pace_give_back(struct pace *p, uint64_t messages, uint64_t bytes)
{
	if (!p || !p->page)
		return;
	give_back(p, PACE_MESSAGE, messages);
	give_back(p, PACE_BYTE, bytes);
}

/* ---- too much ---- */

static uint32_t more_penalty(uint32_t ms)
{
	ms *= 2;
	return ms < PACE_PENALTY_FIRST_MS ? PACE_PENALTY_FIRST_MS
	       : ms > PACE_PENALTY_MAX_MS ? PACE_PENALTY_MAX_MS
	                                  : ms;
}

static void slow_down(struct pace *p, uint64_t now_ms)
{
	_Atomic uint64_t *due = &p->page->due_us[PACE_LOGIN];
	uint32_t ms = more_penalty(atomic_load(&p->page->penalty_ms));
	uint64_t later = (now_ms + ms) * US_PER_MS, was = atomic_load(due);

	atomic_store(&p->page->penalty_ms, ms);
	while (was < later && !atomic_compare_exchange_weak(due, &was, later))
		;
	log_info(NULL, "slower", "next_login_ms=%u", ms);
}

void pace_login_ended(struct pace *p, int code, uint64_t now_ms)
{
	if (!p || !p->page)
		return;
	if (code == -EAGAIN || code == -ETIMEDOUT)
		slow_down(p, now_ms);
	else if (code == 0)
		atomic_store(&p->page->penalty_ms, atomic_load(&p->page->penalty_ms) / 2);
}
