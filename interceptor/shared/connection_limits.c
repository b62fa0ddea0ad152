/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/shared/connection_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct shared {
	uint64_t layout; /* as `layout` below */
	uint64_t key;
	uint64_t first;
	struct known_passwords passwords;
	struct known_networks known;
	struct source_answers answers;
	struct connection_counts rows[];
};

/* Another version's memory has another one, as far as sizes tell. */
static const uint64_t layout =
	sizeof(struct shared) << 32 | sizeof(struct connection_counts);

static int map(struct connection_limits *t, size_t size)
{
	struct shared *shared =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);

	if (shared == MAP_FAILED)
		return -errno;
	t->n_rows = (unsigned)((size - sizeof(*shared)) / sizeof(t->rows[0]));
	t->rows = shared->rows;
	t->passwords = &shared->passwords;
	t->known = &shared->known;
	t->answers = &shared->answers;
	if (t->key) {
		shared->layout = layout;
		shared->key = t->key;
		shared->first = t->first;
	}
	t->key = shared->key;
	t->first = (unsigned)shared->first;
	return 0;
}

int connection_limits_init(
	struct connection_limits *t, unsigned n_workers, unsigned first)
{
	size_t size = sizeof(struct shared) +
	              sizeof(struct connection_counts) * (n_workers + (size_t)1);
	int r;

	*t = (struct connection_limits){
		.fd = memfd_create("mailferry-connections", MFD_CLOEXEC), .first = first
	};
	if (t->fd < 0)
		return -errno;
	if (getrandom(&t->key, sizeof(t->key), 0) != (ssize_t)sizeof(t->key))
		return -EIO;
	if (ftruncate(t->fd, (off_t)size) < 0)
		return -errno;
	r = map(t, size);
	if (r == 0 && getrandom(t->passwords->key, sizeof(t->passwords->key), 0) !=
			      (ssize_t)sizeof(t->passwords->key))
		r = -EIO;
	if (r == 0 && getrandom(t->answers->key, sizeof(t->answers->key), 0) !=
			      (ssize_t)sizeof(t->answers->key))
		r = -EIO;
	return r;
}

int connection_limits_attach(struct connection_limits *t, int fd)
{
	struct stat st;

	*t = (struct connection_limits){ .fd = fd };
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size <= sizeof(struct shared) ||
		((size_t)st.st_size - sizeof(struct shared)) % sizeof(t->rows[0]))
		return -EBADMSG;
	return map(t, (size_t)st.st_size);
}

void connection_limits_inherit(struct connection_limits *t, int fd)
{
	struct shared *mine =
		(struct shared *)((char *)t->rows - offsetof(struct shared, rows));
	struct shared *theirs = mmap(NULL, sizeof(*theirs), PROT_READ, MAP_SHARED, fd, 0);
	struct stat st;

	if (theirs == MAP_FAILED)
		return;
	if (fstat(fd, &st) == 0 && (size_t)st.st_size > sizeof(*theirs) &&
		theirs->layout == layout) {
		mine->key = t->key = theirs->key;
		mine->passwords = theirs->passwords;
		mine->known = theirs->known;
		mine->answers = theirs->answers;
	}
	(void)munmap(theirs, sizeof(*theirs));
}

void connection_limits_set_retired(
	struct connection_limits *t, uint32_t connections, uint32_t accepted)
{
	struct connection_counts *row = &t->rows[t->n_rows - 1];

	__atomic_store_n(&row->connections, connections, __ATOMIC_RELAXED);
	__atomic_store_n(&row->accepted, accepted, __ATOMIC_RELAXED);
}

void connection_limits_clear_row(struct connection_limits *t, unsigned worker)
{
	memset(&t->rows[worker], 0, sizeof(t->rows[worker]));
}

/* Relaxed: a decision may be one connection late. */
static uint32_t look(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void change_by(uint32_t *counter, int change)
{
	__atomic_store_n(counter, (uint32_t)((int)look(counter) + change),
		__ATOMIC_RELAXED); /* only its worker writes it */
}

uint32_t connections_counted(const struct connection_limits *t)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < t->n_rows; i++)
		sum += look(&t->rows[i].connections);
	return sum;
}

uint64_t connections_accepted(const struct connection_limits *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < t->n_rows; i++)
		sum += look(&t->rows[i].accepted);
	return sum;
}

void connection_limits_add_connection(
	struct connection_limits *t, unsigned worker, int change)
{
	if (change > 0)
		change_by(&t->rows[worker].accepted, change);
	change_by(&t->rows[worker].connections, change);
}

void connection_limits_count_login(
	struct connection_limits *t, unsigned worker, enum login_result result)
{
	change_by(&t->rows[worker].logins[result], 1);
}

void connection_limits_count_hold(
	struct connection_limits *t, unsigned worker, uint64_t ms)
{
	static const uint64_t ends_s[HELD_BUCKETS - 1] = { 1, 3, 10, 30, 60 };
	size_t bucket = 0;

	while (bucket < HELD_BUCKETS - 1 && ms > ends_s[bucket] * 1000)
		bucket++;
	change_by(&t->rows[worker].held[bucket], 1);
	change_by(&t->rows[worker].held_s, (int)((ms + 500) / 1000));
}

void connection_limits_tally(const struct connection_limits *t, char *text, size_t size)
{
	uint64_t logins[LOGIN_RESULT_COUNT] = { 0 }, held[HELD_BUCKETS] = { 0 }, sum = 0;

	for (unsigned i = 0; i < t->n_rows; i++) {
		for (size_t k = 0; k < LOGIN_RESULT_COUNT; k++)
			logins[k] += look(&t->rows[i].logins[k]);
		for (size_t k = 0; k < HELD_BUCKETS; k++)
			held[k] += look(&t->rows[i].held[k]);
		sum += look(&t->rows[i].held_s);
	}
	(void)snprintf(text, size,
		"{\"connections\":%" PRIu32 ",\"accepted\":%" PRIu64
		",\"logins_source\":%" PRIu64 ",\"logins_local\":%" PRIu64
		",\"logins_failed\":%" PRIu64 ",\"held_1\":%" PRIu64
		",\"held_3\":%" PRIu64 ",\"held_10\":%" PRIu64 ",\"held_30\":%" PRIu64
		",\"held_60\":%" PRIu64 ",\"held_more\":%" PRIu64 ",\"held_s\":%" PRIu64
		"}",
		connections_counted(t), connections_accepted(t), logins[LOGIN_TO_SOURCE],
		logins[LOGIN_TO_LOCAL], logins[LOGIN_FAILED], held[0], held[1], held[2],
		held[3], held[4], held[5], sum);
}

bool connection_limits_is_slow(const struct connection_limits *t, int64_t account)
{
	for (unsigned i = 0; i < t->n_rows; i++)
		for (size_t j = 0; j < LIMITS_SLOW; j++)
			if (__atomic_load_n(&t->rows[i].slow[j], __ATOMIC_RELAXED) ==
				account)
				return true;
	return false;
}

void connection_limits_remember_slow(
	struct connection_limits *t, unsigned worker, int64_t account)
{
	struct connection_counts *row = &t->rows[worker];

	if (connection_limits_is_slow(t, account))
		return;
	__atomic_store_n(
		&row->slow[row->next_slow % LIMITS_SLOW], account, __ATOMIC_RELAXED);
	row->next_slow++;
}
