/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_OWNERSHIP_H
#define CONTROL_CHECK_OWNERSHIP_H
/* Who may have what below state_dir and run_dir (users/users.h): put right by `up` before
   it starts anything, also where an older version left all of it to root, or a backup was
   put back as another user; looked at by `check`. */
#include "control/check/findings.h"
#include "control/terminal/control.h"

#include <time.h>

/* Of state_dir: our programs, which are no root, pass it and see nothing. */
#define STATE_DIRECTORY_MODE 0711

/* The folders; makes those that are not there. */
int ownership_of_directories(struct control *c);
/* The registry and each account's folder. What changes is logged. */
int ownership_of_files(struct control *c);
/* While `up` runs: a folder that somebody has copied back as root gets its owner. Looks
   when folders have come or gone since *seen. */
int ownership_follow(struct control *c, struct timespec *seen);
/* Each of our programs reaches its files, also as the user that it becomes. */
int ownership_is_reachable(struct control *c);

void check_ownership(struct control *c, struct findings *f);

#endif
