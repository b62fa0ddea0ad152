/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/spool.h"

#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GATHER ((size_t)65536) /* a write(2) each: what is smaller needs no file */

void spool_init(struct spool *s)
{
	*s = (struct spool){ .fd = -1 };
	buf_init(&s->gathered, 0);
}

void spool_fini(struct spool *s)
{
	fd_closep(&s->fd);
	buf_fini(&s->gathered);
	s->len = 0;
}

/* In the folder itself, so that it counts where the mail counts, too. */
static int open_file(struct store *store, struct spool *s, struct error *err)
{
	s->fd = openat(store->packs.directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return error_errno(
			err, -errno, "%s: cannot make a temporary file", store->folder);
	return 0;
}

static int flush(struct store *store, struct spool *s, struct error *err)
{
	int code = s->fd < 0 ? open_file(store, s, err) : 0;

	if (code == 0)
		code = store_has_room(store, buf_len(&s->gathered), err);
	while (code == 0 && buf_len(&s->gathered)) {
		ssize_t n = buf_write(&s->gathered, s->fd);

		if (n < 0)
			return error_errno(err, (int)n,
				"%s: cannot write a temporary "
				"file",
				store->folder);
	}
	return code;
}

int spool_write(struct store *store, struct spool *s, struct str bytes, struct error *err)
{
	int code = buf_append(&s->gathered, bytes);

	if (code < 0)
		return error_set(err, code, "no memory");
	s->len += bytes.len;
	return buf_len(&s->gathered) < GATHER ? 0 : flush(store, s, err);
}

static int take_small(struct spool *s, struct body *ret, struct error *err)
{
	struct str bytes = buf_view(&s->gathered);

	ret->copy = malloc(bytes.len ? bytes.len : 1);
	if (!ret->copy)
		return error_set(err, -ENOMEM, "no memory");
	if (bytes.len)
		memcpy(ret->copy, bytes.ptr, bytes.len);
	ret->bytes = str_of(ret->copy, bytes.len);
	return 0;
}

static int take_mapped(struct spool *s, struct body *ret, struct error *err)
{
	struct str rest = buf_view(&s->gathered);

	while (rest.len) {
		ssize_t n = write(s->fd, rest.ptr, rest.len);

		if (n < 0 && errno != EINTR)
			return error_errno(err, -errno, "cannot write a temporary file");
		rest = str_skip(rest, n < 0 ? 0 : (size_t)n);
	}
	ret->map = mmap(NULL, (size_t)s->len, PROT_READ, MAP_PRIVATE, s->fd, 0);
	if (ret->map == MAP_FAILED) {
		ret->map = NULL;
		return error_errno(err, -errno, "cannot map a temporary file");
	}
	ret->map_len = (size_t)s->len;
	ret->bytes = str_of(ret->map, (size_t)s->len);
	return 0;
}

int spool_take(struct spool *s, struct body *ret, struct error *err)
{
	int code;

	*ret = (struct body){ .bytes = STR_LIT(""), .fd = -1, .checksum = -1 };
	code = s->fd < 0 ? take_small(s, ret, err) : take_mapped(s, ret, err);
	spool_fini(s);
	return code;
}
