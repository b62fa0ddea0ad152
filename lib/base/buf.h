/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef BASE_BUF_H
#define BASE_BUF_H
/*
 * A growing queue of bytes: append at the end, consume at the front.
 *
 * `limit` is the most it may ever hold; past it buf_append() answers -ENOBUFS and the
 * buffer stays as it was, so that a peer cannot make us grow without end. Views from
 * buf_view() die at the next append, reserve or consume.
 */
#include "base/str.h"

#include <sys/types.h>

struct buf {
	char *data;   /* owned */
	size_t start; /* first unread byte */
	size_t end;   /* one past the last */
	size_t cap;
	size_t limit; /* 0: no limit */
};

void buf_init(struct buf *b, size_t limit);
void buf_fini(struct buf *b); /* frees; may be called twice */
void buf_wipe(struct buf *b); /* overwrites all it ever held, keeps the memory */

struct str buf_view(const struct buf *b);
size_t buf_len(const struct buf *b);

/* 0, -ENOBUFS (limit) or -ENOMEM. */
int buf_append(struct buf *b, struct str bytes);
int buf_append_c(struct buf *b, const char *c_string);
int buf_byte(struct buf *b, char c);
int buf_number(struct buf *b, uint64_t n); /* in decimal */
int buf_printf(struct buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Room for `len` more bytes: write to *ret_space, then buf_commit() what was written. */
int buf_reserve(struct buf *b, size_t len, char **ret_space);
void buf_commit(struct buf *b, size_t len);

void buf_consume(struct buf *b, size_t len);
void buf_clear(struct buf *b);

/* read(2) / write(2) once. Returns bytes moved, 0 at end of file (read only), or
   -errno: -EAGAIN means wait. EINTR is retried inside. */
ssize_t buf_read(struct buf *b, int fd, size_t max);
ssize_t buf_write(struct buf *b, int fd);

#endif
