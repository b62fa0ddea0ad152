/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H
/*
 * What a process of ours can still do once it has what it needs, if somebody else runs
 * code in it. It cannot be undone, and children inherit it.
 *
 *   always    a user of its own (root becomes the row's), no core file, no ptrace by
 *             others (PR_SET_DUMPABLE), no_new_privs, only the capabilities of the row
 *   seccomp   refuses (EPERM) what none of ours calls: looking into other processes,
 *             signals to them, other programs, mounts, namespaces, kernel keys, modules,
 *             BPF, other users, ...; and sockets, where the row has none
 *   Landlock  no file but those of the row; no signal and no abstract socket out of here.
 *             Where the kernel has none (sandbox_has_landlock()) that wall is missing.
 */
#include "base/error.h"
#include "base/process.h"

#include <stdbool.h>
#include <stddef.h>

enum sandbox_allows {
	SANDBOX_LOCAL_SOCKETS = 1, /* makes UNIX sockets, connects */
	SANDBOX_SOCKETS = 2,       /* any */
	SANDBOX_CHILDREN = 4, /* starts our own programs and ends them; all files that
	                              its user may have */
	SANDBOX_USERS = 8,    /* they are other users, of a range and no other: to be
	                              one of them CAP_SETUID and CAP_SETGID are needed */
};

/* A file, or a folder with all below it: read and written. */
struct sandbox_path {
	const char *path;
	bool may_be_absent; /* then it stays out of reach */
};

struct sandbox {
	unsigned allows;
	const struct process_user *user; /* NULL: as it is */
	unsigned user_first, user_last; /* SANDBOX_USERS: and groups of the same number */
	const int *capabilities;        /* CAP_* that it keeps */
	size_t n_capabilities;
	const int *passed; /* of them, to its children */
	size_t n_passed;
	const struct sandbox_path *paths; /* not with SANDBOX_CHILDREN */
	size_t n_paths;
};

int sandbox_enter(const struct sandbox *s, struct error *err);

bool sandbox_has_landlock(void);

#endif
