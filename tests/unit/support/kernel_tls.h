/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_KERNEL_TLS_H
#define TEST_KERNEL_TLS_H
/*
 * A stand-in for a kernel with TLS, where the machine's has none: the system calls of
 * net/stream_ktls.c and stream_plain.c, wrapped at link time (KERNEL_TLS_WRAPS in
 * unit/CMakeLists.txt). It enciphers and deciphers real records with the keys that
 * setsockopt() gives, and answers as Linux does: data of one kind in one call, the type
 * of a record beside it, EINVAL for a splice of what is no data.
 */
#include <stdbool.h>

enum kernel_tls_fault {
	KERNEL_TLS_WORKS,
	KERNEL_TLS_NONE,        /* ENOENT, as without the module */
	KERNEL_TLS_NO_KEYS,     /* takes none: a cipher that it does not know */
	KERNEL_TLS_NO_SEND_KEY, /* takes that of the receiving side alone */
};

void kernel_tls_set(enum kernel_tls_fault fault);
/* Whether sockets take anything. */
void kernel_tls_block(bool blocked);
/* Takes one record more, keeps it back until there is room, and is blocked. */
void kernel_tls_keep_next(void);
/* Calls of splice() that moved bytes of such a socket. */
unsigned kernel_tls_splices(void);
void kernel_tls_forget(void);
/* Two connected sockets that can have keys; support/kernel_tls_own.c has the same for the
   machine's own kernel. */
void kernel_tls_sockets(int fds[2]);

#endif
