/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_LOG_SOURCE_H
#define CONTROL_WATCH_LOG_SOURCE_H
/* Where log lines are read from: a file of them, or systemd's journal (by journalctl,
   which finds the entries and decides who may read them). */
#include "base/error.h"
#include "base/log_line.h"
#include "users/users.h"

#include <stddef.h>
#include <stdint.h>

/* What the line views is good during the call. 0, or -errno, which ends the reading. */
typedef int log_each_fn(void *context, const struct log_line *line);

/* What stderr took. Other lines in it are passed over. 0 or -errno. */
int log_read_file(const char *path, log_each_fn *each, void *context, struct error *err);

/* Entries whose account or session is `wanted`, and those of the sessions; with more
   sessions than a command line takes, all entries of our programs. Entries of users that
   are neither ours, nor root, nor who asks are left out: anybody can send entries to the
   journal. since: wall clock in milliseconds. -ENOENT: there is no journalctl. */
int log_read_journal(const struct users *users, const char *wanted, char *const *sessions,
	size_t n_sessions, uint64_t since, log_each_fn *each, void *context,
	struct error *err);

#endif
