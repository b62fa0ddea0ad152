/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file that holds the sealing key. */
#include "base/fd.h"
#include "vault/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(int fd, const char *path, struct error *err)
{
	struct stat about;

	if (fstat(fd, &about) < 0)
		return error_errno(err, -errno, "cannot look at the key file %s", path);
	if (!S_ISREG(about.st_mode) || about.st_size != SEAL_KEY_SIZE)
		return error_set(err, -EINVAL,
			"%s is not a key file (%d random bytes); restore it, or point "
			"`key_file` to the right one",
			path, SEAL_KEY_SIZE);
	if (about.st_mode & 077)
		return error_set(err, -EPERM,
			"the key file %s can be read by others; run: chmod 600 %s", path,
			path);
	return 0;
}

static int sync_directory_of(const char *path)
{
	char directory[PATH_MAX];
	char *slash;

	(void)snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash)
		slash[slash == directory ? 1 : 0] = '\0';
	return fd_sync_directory(slash ? directory : ".");
}

static int write_key(const char *path)
{
	uint8_t key[SEAL_KEY_SIZE];
	CLEANUP(fd_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = RAND_priv_bytes(key, sizeof(key)) == 1 ? fd_write_all(fd, key, sizeof(key))
	                                           : -EIO;
	explicit_bzero(key, sizeof(key));
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

/* Complete or not at all, and only one of several processes that start together wins:
   link() refuses a name that is there already. */
static int make_file(const char *path, struct error *err)
{
	char part[PATH_MAX];
	int len = snprintf(part, sizeof(part), "%s.new.%d", path, (int)getpid());
	int r = len < 0 || (size_t)len >= sizeof(part) ? -ENAMETOOLONG : 0;

	if (r == 0) {
		(void)unlink(part);
		r = write_key(part);
		if (r == 0 && link(part, path) < 0 && errno != EEXIST)
			r = -errno;
		(void)unlink(part);
	}
	if (r == 0)
		r = sync_directory_of(path);
	return r < 0 ? error_errno(err, r, "cannot make the key file %s", path) : 0;
}

int seal_key_load(const char *path, bool create, uint8_t key[static SEAL_KEY_SIZE],
	struct error *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0 && errno == ENOENT && create) {
		r = make_file(path, err);
		if (r < 0)
			return r;
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 && errno == ENOENT)
		return error_set(err, -ENOENT,
			"the key file %s is missing; restore it, or let `mailferry up` "
			"make one when nothing is sealed yet",
			path);
	if (fd < 0)
		return error_errno(err, -errno, "cannot read the key file %s", path);
	r = check_file(fd, path, err);
	if (r < 0)
		return r;
	r = fd_read_all(fd, key, SEAL_KEY_SIZE);
	return r < 0 ? error_errno(err, r, "cannot read the key file %s", path) : 0;
}
