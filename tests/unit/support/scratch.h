/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a test keeps its files: in memory if there is such a place. Nobody cuts the
 * power during a test, so an fsync() that waits for a disk proves nothing, and a test
 * that opens hundreds of stores spends most of its time in it.
 */
#ifndef SUPPORT_SCRATCH_H
#define SUPPORT_SCRATCH_H

#include <unistd.h>

static inline const char *scratch_folder(void)
{
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

#endif
