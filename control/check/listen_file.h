/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_LISTEN_FILE_H
#define CONTROL_CHECK_LISTEN_FILE_H
/* Could one of our programs listen at a socket file there? Nothing is made. */
#include "settings/settings.h"

/* 0: yes; run_dir, which is made at the start, need not be there yet. -EEXIST: there is
   something else than a socket. Another -errno: of its folder. */
int listen_file_try(const struct settings *s, const char *path);

#endif
