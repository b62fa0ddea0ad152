/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H
/*
 * What a process does about itself: where its sibling programs lie, and which rights it
 * gives up. Each capability kept has its line in ARCHITECTURE.md.
 */
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define PROCESS_GROUPS_MAX 2

/* Whom a process becomes. */
struct process_user {
	unsigned uid, gid;
	unsigned groups[PROCESS_GROUPS_MAX]; /* besides gid */
	size_t n_groups;
};

/* The absolute path of a program that lies beside the running one, into path[size]. */
int process_sibling(const char *name, char *path, size_t size, struct error *err);

/* Root becomes that user, and keeps its capabilities until the next call takes them. One
   that is not root stays who it is: whoever started it has seen to that. */
int process_become(const struct process_user *user, struct error *err);

/* Keeps only the listed capabilities (CAP_* numbers; count 0: none), in every set, and
   sets no_new_privs. Cannot be undone. */
int process_keep_capabilities(const int *capabilities, size_t count, struct error *err);

/* Of those that are kept: programs that are started from here have them, too. */
int process_pass_capabilities(const int *capabilities, size_t count, struct error *err);

/* In a copy of this process that is only that user (its group stays): what run() says, 0
   or -errno. For what the user may do and we may not; not where there are threads. */
int process_run_as(unsigned uid, int (*run)(void *context), void *context);

/* chroot and chdir into directory; needs CAP_SYS_CHROOT, so call it before the above. */
int process_enter(const char *directory, struct error *err);

/* No core files and no ptrace by others: memory may hold a password. */
int process_protect_memory(struct error *err);

/* Asks the kernel to end us (SIGTERM) when the parent is gone, and ends at once when it
   already is. parent: the pid that forked us. */
int process_end_with_parent(int parent, struct error *err);

/* The same, by the end of a pipe whose other end the parent holds: a parent that is
   another user may send no signal, not even by its death. */
int process_end_with_pipe(int pipe, struct error *err);

/* So many descriptors, or as many as there may be: how many that is. Programs that are
   started from here may have them, too. */
uint64_t process_allow_descriptors(uint64_t wanted);

/* mkdir with all parents, mode for the last one; fine when it is there already. */
int process_make_directory(const char *path, unsigned mode, struct error *err);

#endif
