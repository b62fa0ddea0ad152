/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Invariant 6 for the store: killed at any instant, it loses nothing that was committed,
 * doubles nothing, and goes on by itself.
 *
 *   store_crash steps    killed before every single step, with what was not synced lost
 *   store_crash random   SIGKILL at random moments on a real disk
 *
 * After each kill the content must be exactly that of a run without a crash after as many
 * batches as were committed (or one more: its commit was done but not yet reported), and
 * going on must end where that run ended.
 */
#include "steps.h"
#include "store_work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RANDOM_KILLS 40
#define FULL_RESUME_EVERY 8    /* to stay below half a minute under ASan */
#define RANDOM_MOMENT_US 20000 /* about what the whole work takes */

struct crash {
	char folder[64];
	struct work work;
	struct buf expected[WORK_BATCHES + 1]; /* after so many batches */
};

static void clean(struct crash *c)
{
	empty_folder(c->folder);
	*c->work.committed = 0;
}

static void dump_now(struct crash *c, struct buf *ret_text, unsigned *ret_done)
{
	struct error err = { 0 };
	struct store *s;

	if (store_open(c->folder, true, &s, &err) < 0 || store_verify(s, &err) < 0)
		fail("%s", err.text);
	*ret_done = work_done(s);
	work_dump(s, ret_text);
	store_close(s);
}

/* The run without a crash: one dump after each batch. */
static void expect(struct crash *c)
{
	unsigned done = 0;

	clean(c);
	for (unsigned i = 0; i <= WORK_BATCHES; i++)
		buf_init(&c->expected[i], 0);
	dump_now(c, &c->expected[0], &done);
	for (unsigned i = 1; i <= WORK_BATCHES; i++) {
		c->work.batches = i;
		work_run(&c->work);
		dump_now(c, &c->expected[i], &done);
		if (done != i)
			fail("the reference stands at %u, not at %u", done, i);
	}
}

static void same(
	struct crash *c, const char *when, unsigned step, struct buf *is, unsigned done)
{
	struct str expected = buf_view(&c->expected[done]);

	if (str_eq(buf_view(is), expected))
		return;
	fail("%s, step %u, after %u batches:\n%.*s\nwas to be\n%.*s", when, step, done,
		STR_ARG(buf_view(is)), STR_ARG(expected));
}

/* After a kill: nothing lost, nothing half, nothing twice. */
static unsigned check(struct crash *c, unsigned step)
{
	unsigned done = 0, committed = *c->work.committed;
	struct buf is;

	buf_init(&is, 0);
	dump_now(c, &is, &done);
	if (done != committed && done != committed + 1)
		fail("step %u: %u batches were reported, %u are there", step, committed,
			done);
	same(c, "after the crash", step, &is, done);
	buf_fini(&is);
	return done;
}

/* Goes on to so many batches without a crash; at the end another run does nothing. */
static void resume(struct crash *c, unsigned step, unsigned batches)
{
	unsigned done = 0;
	struct buf is;

	c->work.batches = batches;
	work_run(&c->work);
	if (batches == WORK_BATCHES)
		work_run(&c->work);
	c->work.batches = WORK_BATCHES;
	buf_init(&is, 0);
	dump_now(c, &is, &done);
	if (done != batches)
		fail("step %u: it ended after %u batches, not %u", step, done, batches);
	same(c, "after the resume", step, &is, done);
	buf_fini(&is);
}

/* One more batch shows that the store goes on; now and then it goes on to the end. */
static void resume_some(struct crash *c, unsigned step, unsigned done)
{
	bool all = step % FULL_RESUME_EVERY == 0 || done == WORK_BATCHES;

	resume(c, step, all ? WORK_BATCHES : done + 1);
}

static void run_steps(struct crash *c)
{
	struct steps steps = { .folder = c->folder };

	for (unsigned step = 1; step == 1 || steps.killed; step++) {
		clean(c);
		steps_run(&steps, step, work_run, &c->work);
		resume_some(c, step, check(c, step));
	}
	if (steps.count < 100)
		fail("only %u steps: is anything counted?", steps.count);
	printf("killed before each of %u steps\n", steps.count);
}

static void kill_after(struct crash *c, long us)
{
	struct timespec moment = { .tv_nsec = us * 1000 };
	pid_t child = fork();

	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (child == 0) {
		work_run(&c->work);
		_exit(0);
	}
	(void)nanosleep(&moment, NULL);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
}

static void run_random(struct crash *c)
{
	unsigned seed = (unsigned)time(NULL), ends = 0;

	printf("seed %u\n", seed);
	srandom(seed);
	clean(c);
	for (unsigned i = 1; i <= RANDOM_KILLS; i++) {
		kill_after(c, random() % RANDOM_MOMENT_US);
		*c->work.committed = check(c, i); /* what a restart would know */
		if (*c->work.committed < WORK_BATCHES)
			continue;
		clean(c);
		ends++;
	}
	resume(c, RANDOM_KILLS, WORK_BATCHES);
	printf("%d kills, %u runs came to their end\n", RANDOM_KILLS, ends + 1);
}

int main(int argc, char **argv)
{
	bool steps = argc == 2 && strcmp(argv[1], "steps") == 0;
	const char *base = steps && access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct crash c = { .work = { .folder = c.folder } };

	if (argc != 2 || (!steps && strcmp(argv[1], "random") != 0)) {
		(void)fprintf(stderr, "usage: store_crash steps|random\n");
		return 2;
	}
	c.work.committed = mmap(NULL, sizeof(unsigned), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)snprintf(c.folder, sizeof(c.folder), "%s/mailferry-crash-XXXXXX", base);
	if (c.work.committed == MAP_FAILED || !mkdtemp(c.folder))
		fail("cannot make a folder in %s", base);
	expect(&c);
	if (steps)
		run_steps(&c);
	else
		run_random(&c);
	clean(&c);
	(void)rmdir(c.folder);
	for (unsigned i = 0; i <= WORK_BATCHES; i++)
		buf_fini(&c.expected[i]);
	return 0;
}
