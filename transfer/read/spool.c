/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/spool.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECE 65536

void spool_init(struct spool *s, const char *folder)
{
	*s = (struct spool){ .folder = folder, .file = -1 };
	buf_init(&s->memory, SPOOL_MEMORY);
}

void spool_fini(struct spool *s)
{
	buf_fini(&s->memory);
	fd_closep(&s->file);
	s->len = 0;
}

int spool_clear(struct spool *s, struct error *err)
{
	bool in_file = s->len > buf_len(&s->memory);

	buf_clear(&s->memory);
	s->len = 0;
	if (in_file && (ftruncate(s->file, 0) < 0 || lseek(s->file, 0, SEEK_SET) < 0))
		return error_errno(err, -errno, "cannot empty the file of a message");
	return 0;
}

static int put_in_file(struct spool *s, struct str bytes, struct error *err)
{
	int r = 0;

	if (s->file < 0)
		s->file = open(s->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->file < 0)
		r = -errno;
	if (r == 0)
		r = fd_write_all(s->file, bytes.ptr, bytes.len);
	return r < 0 ? error_errno(err, r, "cannot keep a long message in %s", s->folder)
	             : 0;
}

int spool_put(struct spool *s, struct str bytes, struct error *err)
{
	size_t room = SPOOL_MEMORY - buf_len(&s->memory);
	struct str first = str_take(bytes, room), rest = str_skip(bytes, first.len);
	int r = first.len ? buf_append(&s->memory, first) : 0;

	if (r < 0)
		return error_set(err, r, "no memory for a message");
	if (rest.len)
		r = put_in_file(s, rest, err);
	if (r == 0)
		s->len += bytes.len;
	return r;
}

struct str spool_head(const struct spool *s)
{
	return buf_view(&s->memory);
}

int spool_each(struct spool *s, spool_each_fn *each, void *context, struct error *err)
{
	uint64_t at = 0, in_file = s->len - buf_len(&s->memory);
	char bytes[PIECE];
	int r = 0;

	if (buf_len(&s->memory))
		r = each(context, buf_view(&s->memory));
	while (r == 0 && at < in_file) {
		ssize_t n = pread(s->file, bytes, sizeof(bytes), (off_t)at);

		if (n <= 0)
			return error_errno(err, n < 0 ? -errno : -EIO,
				"cannot read a long message again");
		r = each(context, str_of(bytes, (size_t)n));
		at += (uint64_t)n;
	}
	return r;
}
