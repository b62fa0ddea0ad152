/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "support/folder.h"

#include "support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_make(const char *name, char *path, size_t size)
{
	const char *where = getenv("TMPDIR");

	(void)snprintf(path, size, "%s/mailferry-%s-XXXXXX",
		where ? where : scratch_folder(), name);
	return mkdtemp(path) ? 0 : -errno;
}

static int copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = in < 0 || out < 0 ? -1 : 1;
	int code;

	while (n > 0)
		n = sendfile(out, in, NULL, 1 << 20);
	code = n < 0 ? -errno : 0;
	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
	return code;
}

static int copy_entry(const char *from, const char *to, const struct dirent *entry)
{
	char old[PATH_MAX], new[PATH_MAX];

	if (entry->d_name[0] == '.')
		return 0;
	(void)snprintf(old, sizeof(old), "%s/%s", from, entry->d_name);
	(void)snprintf(new, sizeof(new), "%s/%s", to, entry->d_name);
	if (entry->d_type != DT_DIR)
		return copy_file(old, new);
	return mkdir(new, 0700) < 0 ? -errno : folder_copy(old, new);
}

int folder_copy(const char *from, const char *to)
{
	DIR *folder = opendir(from);
	const struct dirent *entry;
	int code = 0;

	if (!folder)
		return -errno;
	while (code == 0 && (entry = readdir(folder)))
		code = copy_entry(from, to, entry);
	(void)closedir(folder);
	return code;
}

static int remove_one(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void folder_remove(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define AT_EXIT_MAX 4

static struct {
	char paths[AT_EXIT_MAX][PATH_MAX];
	unsigned count;
	pid_t owner; /* a child does not remove them */
} at_exit;

static void remove_all(void)
{
	for (unsigned i = 0; i < at_exit.count && getpid() == at_exit.owner; i++)
		folder_remove(at_exit.paths[i]);
}

void folder_remove_at_exit(const char *path)
{
	if (at_exit.count == AT_EXIT_MAX)
		abort();
	(void)snprintf(at_exit.paths[at_exit.count++], PATH_MAX, "%s", path);
	if (!at_exit.owner)
		(void)atexit(remove_all);
	at_exit.owner = getpid();
}
