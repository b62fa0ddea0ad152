/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_CRASH_STEPS_H
#define TEST_CRASH_STEPS_H
/*
 * Runs a function in a child and stops it before its n-th step: a system call that
 * changes a file or makes a change durable.
 *
 * The program under test knows nothing of it: the child asks the kernel (seccomp's user
 * notification) to let its parent decide about those calls. When it is killed, the power
 * goes too: every range that was written and not synced becomes garbage, and pack files
 * whose directory was not synced are gone. So "it is in the page cache" does not pass.
 */
#include <stdbool.h>

struct steps {
	const char *folder; /* only files below it are treated so */
	unsigned count;     /* of steps that were begun */
	bool killed;        /* false: the child came to its end */
};

/* kill_at 0: never. What the child returns must be 0, unless it was killed. */
void steps_run(struct steps *s, unsigned kill_at, void (*work)(void *), void *context);

/* Removes all that is in it; fail() if that cannot be. */
void empty_folder(const char *path);

/* A sentence and exit(1); for parent and child. */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

/* That of the library, with its `struct error err`. */
#define MUST(call)                                                                       \
	do {                                                                             \
		if ((call) < 0)                                                          \
			fail("%s: %s", #call, err.text);                                 \
	} while (0)

#endif
