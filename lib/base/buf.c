/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_FIRST 512 /* most command lines fit */

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){ .limit = limit };
}

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .limit = b->limit };
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	b->start = b->end = 0;
}

struct str buf_view(const struct buf *b)
{
	return b->data ? str_of(b->data + b->start, b->end - b->start) : STR_LIT("");
}

size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/* Grows by a copy and not by realloc(): what moved away may have been a password. */
static int grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	char *data;

	while (cap < need)
		if (__builtin_mul_overflow(cap, 2u, &cap))
			return -ENOMEM;
	data = malloc(cap);
	if (!data)
		return -ENOMEM;
	if (b->data) {
		memcpy(data, b->data + b->start, buf_len(b));
		explicit_bzero(b->data, b->cap);
		free(b->data);
	}
	b->end -= b->start;
	b->start = 0;
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_reserve(struct buf *b, size_t len, char **ret_space)
{
	size_t need;
	int r;

	if (__builtin_add_overflow(buf_len(b), len, &need))
		return -ENOMEM;
	if (b->limit && need > b->limit)
		return -ENOBUFS;
	if (b->cap - b->end < len) {
		if (need <= b->cap && b->start >= b->cap / 2) {
			memmove(b->data, b->data + b->start, buf_len(b));
			b->end -= b->start;
			b->start = 0;
		} else {
			r = grow(b, need);
			if (r < 0)
				return r;
		}
	}
	*ret_space = b->data ? b->data + b->end : NULL;
	return 0;
}

void buf_commit(struct buf *b, size_t len)
{
	b->end += len;
}

int buf_append(struct buf *b, struct str bytes)
{
	char *space;
	int r;

	if (!bytes.len)
		return 0;
	r = buf_reserve(b, bytes.len, &space);
	if (r < 0)
		return r;
	memcpy(space, bytes.ptr, bytes.len);
	buf_commit(b, bytes.len);
	return 0;
}

int buf_append_c(struct buf *b, const char *c_string)
{
	return buf_append(b, str_from(c_string));
}

int buf_byte(struct buf *b, char c)
{
	return buf_append(b, str_of(&c, 1));
}

#define NUMBER_DIGITS 20 /* of 2^64 - 1 */

int buf_number(struct buf *b, uint64_t n)
{
	char digits[NUMBER_DIGITS];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return buf_append(b, str_of(digits + at, sizeof(digits) - at));
}

/* Into the room there is, and once more when that was too little. */
int buf_printf(struct buf *b, const char *format, ...)
{
	size_t room = b->cap - b->end;
	va_list args;
	char *space;
	int len, r;

	if (b->limit) /* what is past it must not be written */
		room = 0;
	va_start(args, format);
	len = vsnprintf(room ? b->data + b->end : NULL, room, format, args);
	va_end(args);
	if (len < 0)
		return -EINVAL;
	if ((size_t)len < room) {
		buf_commit(b, (size_t)len);
		return 0;
	}
	r = buf_reserve(b, (size_t)len + 1, &space);
	if (r < 0)
		return r;
	va_start(args, format);
	len = vsnprintf(space, (size_t)len + 1, format, args);
	va_end(args);
	buf_commit(b, (size_t)len);
	return 0;
}

void buf_consume(struct buf *b, size_t len)
{
	b->start += len;
	if (b->start >= b->end)
		b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

ssize_t buf_read(struct buf *b, int fd, size_t max)
{
	char *space;
	ssize_t n;
	int r = buf_reserve(b, max, &space);

	if (r < 0)
		return r;
	do {
		n = read(fd, space, max);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf_commit(b, (size_t)n);
	return n;
}

ssize_t buf_write(struct buf *b, int fd)
{
	struct str view = buf_view(b);
	ssize_t n;

	do {
		n = write(fd, view.ptr, view.len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf_consume(b, (size_t)n);
	return n;
}
