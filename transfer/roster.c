/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/roster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 100u /* a process that was killed goes on at once */
#define AGAIN_MOST_MS 10000u
#define BITS_FIRST 6u
#define CRASHES_MAX 8 /* then it fails, and the registry's back-off counts */

static const char *const state_names[] = { "waiting", "running", "parked" };
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == ENTRY_STATE_COUNT,
	"a name for each");

const char *entry_state_name(enum entry_state s)
{
	return state_names[s];
}

void roster_fini(struct roster *r)
{
	while (r->first) {
		struct entry *e = r->first;

		r->first = e->next;
		free(e);
	}
	free(r->by_id);
	*r = (struct roster){ 0 };
}

void roster_look_begin(struct roster *r)
{
	for (struct entry *e = r->first; e; e = e->next)
		e->is_wanted = e->is_barred = e->is_probe = false;
}

/* ---- by number ---- */

/* Numbers are given one after the other: the golden ratio spreads them. */
static struct entry **bucket(const struct roster *r, int64_t id)
{
	return &r->by_id[(uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - r->bits)];
}

static void keep_by_id(struct roster *r, struct entry *e)
{
	struct entry **at = bucket(r, e->id);

	e->same = *at;
	*at = e;
}

static void forget_by_id(struct roster *r, const struct entry *e)
{
	struct entry **at = bucket(r, e->id);

	while (*at != e)
		at = &(*at)->same;
	*at = e->same;
}

/* Room for one more, about one in each bucket. */
static int grow(struct roster *r)
{
	unsigned bits = r->by_id ? r->bits + 1 : BITS_FIRST;
	struct entry **more;

	if (r->by_id && r->n < (size_t)1 << r->bits)
		return 0;
	more = calloc((size_t)1 << bits, sizeof(struct entry *));
	if (!more)
		return -ENOMEM;
	free(r->by_id);
	r->by_id = more;
	r->bits = bits;
	for (struct entry *e = r->first; e; e = e->next)
		keep_by_id(r, e);
	return 0;
}

struct entry *roster_by_id(const struct roster *r, int64_t id)
{
	struct entry *e = r->by_id ? *bucket(r, id) : NULL;

	while (e && e->id != id)
		e = e->same;
	return e;
}

static struct entry *made(struct roster *r, int64_t id, struct str name)
{
	struct entry *e = roster_by_id(r, id);

	if (e)
		return e;
	e = grow(r) == 0 ? calloc(1, sizeof(*e)) : NULL;
	if (!e)
		return NULL;
	e->id = id;
	name = str_take(name, sizeof(e->name) - 1);
	memcpy(e->name, name.ptr, name.len);
	if (r->last)
		r->last->next = e;
	else
		r->first = e;
	r->last = e;
	r->n++;
	keep_by_id(r, e);
	return e;
}

int roster_want(
	struct roster *r, int64_t id, struct str name, uint64_t rank, struct entry **ret)
{
	struct entry *e = made(r, id, name);

	if (!e)
		return -ENOMEM;
	e->is_wanted = true;
	e->rank = rank;
	*ret = e;
	return 0;
}

int roster_ask(struct roster *r, int64_t id, struct str name, enum entry_task task)
{
	struct entry *e = made(r, id, name);

	if (!e)
		return -ENOMEM;
	e->asked |= 1u << task;
	if (e->state == ENTRY_PARKED)
		e->state = ENTRY_WAITING;
	return 0;
}

bool entry_is_asked(const struct entry *e, enum entry_task task)
{
	return e->asked & 1u << task;
}

void roster_look_end(struct roster *r)
{
	struct entry **at = &r->first;

	r->last = NULL;
	while (*at) {
		struct entry *e = *at;

		if (e->is_wanted || e->asked || e->state == ENTRY_RUNNING) {
			at = &e->next;
			r->last = e;
			continue;
		}
		*at = e->next;
		forget_by_id(r, e);
		r->n--;
		free(e);
	}
}

static bool probe_runs(const struct roster *r)
{
	for (const struct entry *e = r->first; e; e = e->next)
		if (e->is_probe && e->state == ENTRY_RUNNING)
			return true;
	return false;
}

struct entry *roster_next(struct roster *r, unsigned most, uint64_t now)
{
	struct entry *first = NULL;
	bool no_probe = probe_runs(r);

	for (struct entry *e = r->first; e; e = e->next) {
		if (e->state != ENTRY_WAITING || now < e->not_before)
			continue;
		if (e->asked)
			return e;
		if (e->is_wanted && !e->is_barred && !(e->is_probe && no_probe) &&
			r->running < most && (!first || e->rank < first->rank))
			first = e;
	}
	return first;
}

unsigned roster_places(struct roster *r, unsigned most, uint64_t now)
{
	return r->running < most && !roster_next(r, most, now) ? most - r->running : 0;
}

enum entry_task entry_next_task(const struct entry *e)
{
	for (unsigned task = ENTRY_MOVE + 1; task < ENTRY_TASK_COUNT; task++)
		if (entry_is_asked(e, task))
			return task;
	return ENTRY_MOVE;
}

void roster_started(struct roster *r, struct entry *e, pid_t pid)
{
	e->state = ENTRY_RUNNING;
	e->runs = entry_next_task(e);
	e->pid = pid;
	r->running++;
}

struct entry *roster_by_pid(struct roster *r, pid_t pid)
{
	for (struct entry *e = r->first; e; e = e->next)
		if (e->state == ENTRY_RUNNING && e->pid == pid)
			return e;
	return NULL;
}

struct entry *roster_by_name(struct roster *r, struct str name)
{
	for (struct entry *e = r->first; e; e = e->next)
		if (str_eq(str_from(e->name), name))
			return e;
	return NULL;
}

static void left(struct roster *r, struct entry *e, enum entry_state state)
{
	if (e->state == ENTRY_RUNNING)
		r->running--;
	e->state = state;
	e->pid = 0;
}

void roster_ended(struct roster *r, struct entry *e, uint64_t now)
{
	left(r, e, ENTRY_WAITING);
	e->crashes = 0;
	e->asked &= ~(1u << e->runs);
	e->not_before = now + AGAIN_MS; /* should it still have work: no race around */
}

void roster_parked(struct roster *r, struct entry *e, uint64_t forced_at)
{
	left(r, e, ENTRY_PARKED);
	e->crashes = 0;
	e->is_awaited = false;
	e->is_held = e->is_copied = false;
	e->forced_at = forced_at;
}

void roster_held(struct roster *r, struct entry *e)
{
	roster_parked(r, e, 0);
	e->is_held = true;
}

void roster_copied(struct roster *r, struct entry *e, uint64_t again_at)
{
	roster_parked(r, e, again_at);
	e->is_held = e->is_copied = true;
}

bool roster_crashed(struct roster *r, struct entry *e, uint64_t now)
{
	uint64_t delay = AGAIN_MS;

	left(r, e, ENTRY_WAITING);
	for (unsigned i = 0; i < e->crashes && delay < AGAIN_MOST_MS; i++)
		delay *= 2;
	e->not_before = now + (delay < AGAIN_MOST_MS ? delay : AGAIN_MOST_MS);
	return ++e->crashes >= CRASHES_MAX;
}

void roster_wake(struct entry *e)
{
	if (e->state == ENTRY_PARKED)
		e->state = ENTRY_WAITING;
	e->not_before = 0;
}
