/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How fast is the store, beside the disk under it?
 *
 *   store_bench [folder]      a folder on the disk in question; /var/tmp
 *
 * Three contenders in turn, several rounds, the median of each: the same bytes by plain
 * write and fdatasync (what the disk can do), the store in pieces of a reader's buffer,
 * and single small messages, each durable before the next.
 */
#include "base/clock.h"
#include "mailstore/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGES 20000
#define MEAN 37000
#define LONGEST ((size_t)2 * MEAN)
#define BATCH 500
#define ROUNDS 3
#define SINGLES 2000
#define SINGLE_SIZE 4000

struct bench {
	char folder[256];
	char *bytes; /* incompressible, as long as the longest message */
	uint32_t sizes[MESSAGES];
	uint64_t total;
};

struct result {
	double seconds, cpu, rate; /* MB or messages a second */
};

static _Noreturn void die(const char *what, const struct error *err)
{
	(void)fprintf(
		stderr, "store_bench: %s: %s\n", what, err ? err->text : strerror(errno));
	exit(1);
}

#define MUST(call)                                                                       \
	do {                                                                             \
		if ((call) < 0)                                                          \
			die(#call, &err);                                                \
	} while (0)

/* ── what is measured ──────────────────────────────────────────────────────────────── */

static double cpu_now(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int remove_one(
	const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	return place->level ? remove(path) : 0;
}

static void clean(struct bench *b)
{
	if (nftw(b->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0)
		die(b->folder, NULL);
	sync(); /* nobody's write-back in somebody else's time */
}

/* The limit: one file, one write a message, one fdatasync a batch. */
static void plain(struct bench *b, size_t piece)
{
	char path[300];
	int fd;

	(void)piece;
	(void)snprintf(path, sizeof(path), "%s/plain", b->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die(path, NULL);
	for (size_t i = 0; i < MESSAGES; i++) {
		if (write(fd, b->bytes, b->sizes[i]) != (ssize_t)b->sizes[i])
			die(path, NULL);
		if ((i + 1) % BATCH == 0 && fdatasync(fd) < 0)
			die(path, NULL);
	}
	close(fd);
}

static struct store *open_store(struct bench *b, int64_t *ret_inbox)
{
	struct error err = { 0 };
	struct mailbox inbox = { .name = STR("INBOX"), .separator = '/' };
	struct store *s;

	MUST(store_open(b->folder, true, &s, &err));
	MUST(store_begin(s, &err));
	MUST(store_create_mailbox(s, &inbox, ret_inbox, &err));
	MUST(store_commit(s, &err));
	return s;
}

static struct body_place put(struct store *s, struct str bytes, size_t piece)
{
	struct error err = { 0 };
	struct body_writer w;
	struct body_place place;

	MUST(store_body_begin(s, bytes.len, &w, &err));
	for (; bytes.len; bytes = str_skip(bytes, piece))
		MUST(store_body_write(s, &w, str_take(bytes, piece), &err));
	MUST(store_body_end(s, &w, &place, &err));
	return place;
}

static void add(struct bench *b, struct store *s, int64_t inbox, size_t i, size_t piece)
{
	struct error err = { 0 };
	struct store_message m = { .uid = (uint32_t)i + 1,
		.flags = FLAG_SEEN,
		.date = 1700000000 + (int64_t)i,
		.size = b->sizes[i] };
	struct body_place place = put(s, str_of(b->bytes, b->sizes[i]), piece);

	MUST(store_add(s, inbox, &m, &place, NULL, &err));
}

static void bulk(struct bench *b, size_t piece)
{
	struct error err = { 0 };
	int64_t inbox = 0;
	struct store *s = open_store(b, &inbox);

	for (size_t i = 0; i < MESSAGES; i++) {
		if (i % BATCH == 0)
			MUST(store_begin(s, &err));
		add(b, s, inbox, i, piece);
		if ((i + 1) % BATCH == 0)
			MUST(store_commit(s, &err));
	}
	store_close(s);
}

/* One message, durable when it returns. piece 0: in the index; else in a pack. */
static void append(struct bench *b, struct store *s, int64_t inbox, size_t piece)
{
	struct error err = { 0 };
	struct str bytes = str_of(b->bytes, SINGLE_SIZE);
	struct store_message m = { .size = SINGLE_SIZE };
	struct body_place place = store_body_inline(bytes);

	MUST(store_begin(s, &err));
	if (piece)
		place = put(s, bytes, piece);
	MUST(store_add(s, inbox, &m, &place, NULL, &err));
	MUST(store_commit(s, &err));
}

static void singles(struct bench *b, size_t piece)
{
	int64_t inbox = 0;
	struct store *s = open_store(b, &inbox);

	for (size_t i = 0; i < SINGLES; i++)
		append(b, s, inbox, piece);
	store_close(s);
}

/* ── the rounds ────────────────────────────────────────────────────────────────────── */

static const struct contender {
	const char *name;
	void (*run)(struct bench *b, size_t piece);
	size_t piece;
	bool counts; /* messages, not megabytes */
} contenders[] = {
	{ "plain write + fdatasync", plain, 0, false },
	{ "store, pieces of 64 KiB", bulk, 65536, false },
	{ "store, pieces of 4 KiB", bulk, 4096, false },
	{ "single APPEND, in the index", singles, 0, true },
	{ "single APPEND, in a pack", singles, SINGLE_SIZE, true },
};
#define N_CONTENDERS (sizeof(contenders) / sizeof(contenders[0]))

static struct result measure(struct bench *b, const struct contender *c)
{
	struct result r;
	uint64_t start;

	clean(b);
	start = clock_monotonic_ms();
	r.cpu = cpu_now();
	c->run(b, c->piece);
	r.cpu = cpu_now() - r.cpu;
	r.seconds = (double)(clock_monotonic_ms() - start) / 1e3;
	r.rate = (c->counts ? (double)SINGLES : (double)b->total / 1e6) / r.seconds;
	return r;
}

static int by_rate(const void *a, const void *b)
{
	const struct result *x = a, *y = b;

	return (x->rate > y->rate) - (x->rate < y->rate);
}

static void prepare(struct bench *b, const char *folder)
{
	unsigned seed = 1;

	(void)snprintf(b->folder, sizeof(b->folder), "%s/store-bench-XXXXXX", folder);
	b->bytes = malloc(LONGEST);
	if (!b->bytes || !mkdtemp(b->folder))
		die(folder, NULL);
	srandom(1);
	for (size_t i = 0; i < LONGEST; i++) {
		seed = seed * 1103515245 + 12345;
		b->bytes[i] = (char)(seed >> 16);
	}
	for (size_t i = 0; i < MESSAGES; i++) {
		b->sizes[i] = 1 + (uint32_t)((size_t)random() % (LONGEST - 1));
		b->total += b->sizes[i];
	}
}

int main(int argc, char **argv)
{
	static struct bench b;
	static struct result results[N_CONTENDERS][ROUNDS];
	double limit = 0;

	prepare(&b, argc > 1 ? argv[1] : "/var/tmp");
	for (size_t round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < N_CONTENDERS; i++)
			results[i][round] = measure(&b, &contenders[i]);
	printf("%d messages, %.0f MB, %d a commit; singles of %d bytes; median of %d\n",
		MESSAGES, (double)b.total / 1e6, BATCH, SINGLE_SIZE, ROUNDS);
	for (size_t i = 0; i < N_CONTENDERS; i++) {
		const struct contender *c = &contenders[i];
		struct result r;

		qsort(results[i], ROUNDS, sizeof(r), by_rate);
		r = results[i][ROUNDS / 2];
		limit = i == 0 ? r.rate : limit;
		printf("%-28s %8.2f s %6.2f s CPU %8.0f %s", c->name, r.seconds, r.cpu,
			r.rate, c->counts ? "/s" : "MB/s");
		if (!c->counts)
			printf("  %.2f of plain", r.rate / limit);
		printf("\n");
	}
	clean(&b);
	(void)rmdir(b.folder);
	free(b.bytes);
	return 0;
}
