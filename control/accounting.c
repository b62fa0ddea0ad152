/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounting.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "/proc/sys/net/netfilter/"

static const char *const names[] = { "nf_conntrack_acct", "nf_conntrack_timestamp" };
#define NAMES (sizeof(names) / sizeof(names[0]))

/* '\0': this kernel has no such setting. */
static char value_of(const char *name)
{
	char path[PATH_MAX], value = '\0';
	CLEANUP(fd_closep) int fd = -1;

	(void)snprintf(path, sizeof(path), FOLDER "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &value, 1) == 1 ? value : '\0';
}

static int set(const char *name, char value)
{
	char path[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;

	(void)snprintf(path, sizeof(path), FOLDER "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, &value, 1) == 1 ? 0 : -errno;
}

/* Where it is noted that we switched it on. */
static int note_path(const struct settings *s, const char *name, char *path, size_t size)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "%s.was-off", name);
	return settings_run_path(s, file, path, size);
}

static void switch_on(const struct settings *s, const char *name)
{
	char path[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;

	if (value_of(name) != '0' || note_path(s, name, path, sizeof(path)) < 0)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || set(name, '1') < 0) {
		log_warning(NULL, "accounting", "setting=%s not switched on", name);
		(void)unlink(path);
		return;
	}
	log_info(NULL, "accounting",
		"setting=%s switched on until the end, for `mailferry flows`", name);
}

static void put_back(const struct settings *s, const char *name)
{
	char path[PATH_MAX];

	if (note_path(s, name, path, sizeof(path)) < 0 || access(path, F_OK) < 0)
		return;
	if (set(name, '0') == 0)
		log_info(NULL, "accounting", "setting=%s put back", name);
	(void)unlink(path);
}

void accounting_begin(const struct settings *s)
{
	for (size_t i = 0; i < NAMES; i++)
		switch_on(s, names[i]);
}

void accounting_end(const struct settings *s)
{
	for (size_t i = 0; i < NAMES; i++)
		put_back(s, names[i]);
}
