/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_IPC_H
#define BASE_IPC_H
/*
 * UNIX SOCK_SEQPACKET sockets between our own programs: one send is one message, and
 * descriptors travel with it (SCM_RIGHTS). What is inside a message: messages/message.h.
 *
 * All sockets are non-blocking and close-on-exec. A path must fit sun_path (107 bytes).
 */
#include "base/error.h"
#include "base/str.h"

#include <sys/types.h>

#define IPC_MESSAGE_MAX                                                                  \
	131072        /* below the default wmem of 208 KiB: one send never blocks        \
	                 for size alone */
#define IPC_FDS_MAX 4 /* a session's socket, a staged body */

/* Binds (replacing a stale socket file) and listens; mode is the file's, e.g. 0600.
   Returns the descriptor or -errno. */
int ipc_listen(const char *path, unsigned mode, struct error *err);

/* Returns the descriptor or -errno (-ECONNREFUSED, -ENOENT: nobody there). */
int ipc_connect(const char *path, struct error *err);

/* Returns the new descriptor or -errno (-EAGAIN: none waits). */
int ipc_accept(int listener);

int ipc_pair(int ret_fds[static 2]);

/* One message. The descriptors stay the caller's: close them after success.
   0 or -errno; -EAGAIN: the peer's queue is full, try when writable. */
int ipc_send(int fd, struct str bytes, const int *fds, size_t n_fds);

/* One message into bytes[size]. ret_fds has room for IPC_FDS_MAX; those received become
   the caller's. Returns its length, 0 at end of file (or for an empty message, which
   none of ours is), or -errno: -EAGAIN, -EMSGSIZE (it did not fit). Without a length
   no descriptor is left open. */
ssize_t ipc_receive(int fd, char *bytes, size_t size, int *ret_fds, size_t *ret_n_fds);

#endif
