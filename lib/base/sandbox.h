/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H
/*
 * What a process of ours can still do once it has what it needs, if somebody else runs
 * code in it. It cannot be undone, and children inherit it.
 *
 *   always    a user of its own (root becomes the row's), no core file, no ptrace by
 *             others (PR_SET_DUMPABLE), no_new_privs, only the capabilities of the row
 *   seccomp   a list of the system calls that the process makes (sandbox_calls.c). Any
 *             other one ends it, with a line in the log that names the call.
 *   Landlock  no file but those of the row (where the kernel has it:
 *             sandbox_has_landlock()); from its version 4 (Linux 6.7) on no TCP where the
 *             row has no sockets, or to one port alone; from 6 (6.12) on no signal and no
 *             abstract socket out of here. Where it is older that wall is missing.
 */
#include "base/error.h"
#include "base/process.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What it does besides computing, its descriptors, and opening files. */
enum sandbox_allows {
	SANDBOX_LOCAL_SOCKETS = 1, /* makes UNIX sockets, connects */
	SANDBOX_SOCKETS = 2,       /* those, and TCP */
	SANDBOX_LISTENS = 4,       /* takes connections of listeners that it has */
	SANDBOX_DATABASE = 8,      /* SQLite's files: written, cut, synced, removed */
	SANDBOX_FOLDER = 16,       /* a folder's names: listed, made, changed */
	SANDBOX_BULK = 32,         /* bytes that pass without being copied */
	SANDBOX_THREADS = 64,      /* has helper threads */
	/* starts our own programs and ends them; all files that its user may have. What
	   the children do it may do, too */
	SANDBOX_CHILDREN = 128,
	/* they are other users, of a range and no other: to be one of them CAP_SETUID and
	   CAP_SETGID are needed */
	SANDBOX_USERS = 256,
	/* puts files into a folder: counts them, gives a name to one that has none */
	SANDBOX_QUEUE = 512,
	/* files as a mail server has them: with dates, all on the disk at once */
	SANDBOX_MAILDIR = 1024,
};

/* An account's process, which starts for a login: its list of calls is made by the build
   (cmake/sandbox_ready.c), since libseccomp takes a tenth of that start. */
#define SANDBOX_OF_ACCOUNT (SANDBOX_DATABASE | SANDBOX_FOLDER | SANDBOX_BULK)

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
	/* With SANDBOX_CHILDREN: none; and SANDBOX_MAILDIR: where files may go from one
	   folder to another, which the children could not do else. */
	const struct sandbox_path *paths;
	size_t n_paths;
	uint16_t port; /* the only one of TCP that it connects to; 0: any */
};

int sandbox_enter(const struct sandbox *s, struct error *err);

/* A call that is refused, here or by the sandbox of who started us, is told in the log
   before it ends us. sandbox_enter() does so, too. */
void sandbox_tell_refused_calls(void);

bool sandbox_has_landlock(void);
/* Its version 2 (Linux 5.19), by which a file may go from one folder to another: without
   it SANDBOX_MAILDIR keeps all files that its user may have. */
bool sandbox_has_landlock_refer(void);

#endif
