/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_FD_H
#define BASE_FD_H
/* File descriptors: -1 when empty, closed by scope, O_CLOEXEC from birth. */
#include <stddef.h>
#include <stdint.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* Closes *fd when it is open and sets it to -1; keeps errno. For CLEANUP(fd_closep). */
void fd_closep(int *fd);

/* Gives the descriptor away: returns it and leaves -1 behind. */
int fd_steal(int *fd);

/* All of it or an error: 0, -errno; short reads at end of file give -ENODATA.
   For regular files and blocking descriptors. */
int fd_write_all(int fd, const void *bytes, size_t len);
int fd_read_all(int fd, void *bytes, size_t len);

/* A new name is durable with the directory that holds it: 0 or -errno. */
int fd_sync_directory(const char *path);

/* Whether so many bytes more leave the reserve of the disk under fd free: 0 or -ENOSPC.
   A disk that cannot be asked says by itself when it is full. */
int fd_leaves_room(int fd, uint64_t len, uint64_t reserve);

#endif
