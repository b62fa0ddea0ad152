/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_SANDBOX_WALLS_H
#define BASE_SANDBOX_WALLS_H
/* The parts of sandbox.h, for sandbox.c alone. */
#include "base/sandbox.h"

#include <linux/filter.h>

/* sandbox_calls.c: *ret is libseccomp's, also after an error. pid: the process's own. */
int sandbox_list_calls(const struct sandbox *s, int pid, void **ret);

/* Instructions to stand before a list. A socket that lingers lets close() wait as long as
   it says, also in the master that a process gives it to. */
#define SANDBOX_NO_LINGERING 7
extern const struct sock_filter sandbox_no_lingering[SANDBOX_NO_LINGERING];

/* sandbox_filters.c: the last one, it ends what the others need. */
int sandbox_enter_calls(const struct sandbox *s, struct error *err);

/* sandbox_files.c. Opened as who the process was: the last time that it may look at every
   folder on the way. *ret_rules stays -1 where the kernel has no Landlock. */
int sandbox_open_files(const struct sandbox *s, int *ret_rules, struct error *err);
int sandbox_enter_files(int rules, struct error *err);
/* For tests: as on a kernel whose Landlock is not newer. */
void sandbox_assume_landlock(int version);

#endif
