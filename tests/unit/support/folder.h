/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SUPPORT_FOLDER_H
#define SUPPORT_FOLDER_H
/* Folders of a test: one that is filled once and copied for each try is as fresh for the
   last as it was for the first, and copying takes a tenth of the time of filling. */
#include <stddef.h>

/* A new one in TMPDIR, or in memory (scratch.h); its path goes to *path. 0 or -errno. */
int folder_make(const char *name, char *path, size_t size);
/* All files and folders in it, into one that is there. 0 or -errno. */
int folder_copy(const char *from, const char *to);
/* With all that is in it. */
void folder_remove(const char *path);
/* The same when this process ends by exit(); for four of them. */
void folder_remove_at_exit(const char *path);

#endif
