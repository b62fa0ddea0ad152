/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/smtp/content.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_MAX 65536 /* of a message; most mail is smaller, and never sees a disk */

void content_init(struct content *c, const struct settings *settings)
{
	*c = (struct content){ .settings = settings, .file = -1 };
	buf_init(&c->bytes, 0);
}

static void unmap(struct content *c)
{
	if (c->map)
		(void)munmap(c->map, c->map_len);
	c->map = NULL;
}

void content_fini(struct content *c)
{
	unmap(c);
	buf_fini(&c->bytes);
	fd_closep(&c->file);
}

/* Some file systems cannot make a file without a name. */
static int open_unnamed(const char *directory)
{
	char path[PATH_MAX];
	int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd < 0 ? -errno : fd;
	if (snprintf(path, sizeof(path), "%s/staging-XXXXXX", directory) >=
		(int)sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)unlink(path);
	return fd;
}

/* The folder is there already, but for a worker that was started by itself. */
static int open_file(const struct settings *s)
{
	char path[PATH_MAX];
	int r = settings_state_path(s, STAGING_DIRECTORY, path, sizeof(path));

	if (r == 0)
		r = open_unnamed(path);
	if (r != -ENOENT)
		return r;
	return mkdir(path, 0700) < 0 ? -errno : open_unnamed(path);
}

static int write_file(struct content *c)
{
	struct str bytes = buf_view(&c->bytes);
	int r = 0;

	if (c->file < 0)
		c->file = open_file(c->settings);
	if (c->file < 0)
		r = c->file;
	if (r == 0)
		r = fd_leaves_room(c->file, bytes.len, c->settings->limits.disk_reserve);
	if (r == 0)
		r = fd_write_all(c->file, bytes.ptr, bytes.len);
	buf_clear(&c->bytes);
	c->is_broken |= r < 0;
	return r;
}

int content_write(struct content *c, struct str bytes)
{
	int r = c->is_broken ? -EIO : buf_append(&c->bytes, bytes);

	unmap(c);
	c->len += bytes.len;
	if (r == 0 && buf_len(&c->bytes) > MEMORY_MAX)
		r = write_file(c);
	c->is_broken |= r < 0;
	return r;
}

static int map(struct content *c, struct str *ret)
{
	struct stat st;

	if (fstat(c->file, &st) < 0)
		return -errno;
	c->map_len = (size_t)st.st_size;
	c->map = mmap(NULL, c->map_len, PROT_READ, MAP_SHARED, c->file, 0);
	if (c->map == MAP_FAILED) {
		c->map = NULL;
		return -errno;
	}
	*ret = str_of(c->map, c->map_len);
	return 0;
}

int content_view(struct content *c, struct str *ret)
{
	int r = c->is_broken ? -EIO : 0;

	if (r == 0 && c->file >= 0 && buf_len(&c->bytes))
		r = write_file(c);
	if (r < 0)
		return r;
	unmap(c);
	if (c->file >= 0)
		return map(c, ret);
	*ret = buf_view(&c->bytes);
	return 0;
}

int content_file(struct content *c)
{
	int r;

	if (c->is_broken)
		return -EIO;
	unmap(c);
	if (c->file < 0) {
		c->file = memfd_create("mail", MFD_CLOEXEC);
		if (c->file < 0)
			return -errno;
	}
	r = write_file(c);
	return r < 0 ? r : c->file;
}
