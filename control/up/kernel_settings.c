/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/up/kernel_settings.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

struct setting {
	const char *path, *name;
	char before, wanted;
	const char *note; /* the file in run_dir that says that we changed it */
	const char *use;
	bool is_for_direct; /* not before clients are admitted to the source */
};

static const struct setting table[] = {
	{ "/proc/sys/net/netfilter/nf_conntrack_acct", "nf_conntrack_acct", '0', '1',
		"nf_conntrack_acct.was-off", "for `mailferry flows`", false },
	{ "/proc/sys/net/netfilter/nf_conntrack_timestamp", "nf_conntrack_timestamp", '0',
		'1', "nf_conntrack_timestamp.was-off", "for `mailferry flows`", false },
	{ "/proc/sys/net/ipv4/tcp_early_demux", "tcp_early_demux", '1', '0',
		"tcp_early_demux.was-on", "for clients that use a port again", true },
};
#define SETTINGS (sizeof(table) / sizeof(table[0]))

/* '\0': this kernel has no such setting. */
static char value_of(const char *path)
{
	char value = '\0';
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, &value, 1) == 1 ? value : '\0';
}

static int set(const char *path, char value)
{
	CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, &value, 1) == 1 ? 0 : -errno;
}

static void change(const struct settings *s, const struct setting *it)
{
	char note[PATH_MAX];
	CLEANUP(fd_closep) int fd = -1;

	if (value_of(it->path) != it->before ||
		settings_run_path(s, it->note, note, sizeof(note)) < 0)
		return;
	fd = open(note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || set(it->path, it->wanted) < 0) {
		log_warning(NULL, "kernel-setting", "setting=%s not set to %c", it->name,
			it->wanted);
		(void)unlink(note);
		return;
	}
	log_info(NULL, "kernel-setting", "setting=%s set to %c until the end, %s",
		it->name, it->wanted, it->use);
}

static void put_back(const struct settings *s, const struct setting *it)
{
	char note[PATH_MAX];

	if (settings_run_path(s, it->note, note, sizeof(note)) < 0 ||
		access(note, F_OK) < 0)
		return;
	/* '\0': its module has gone, and the setting with it */
	if (value_of(it->path) != '\0' && set(it->path, it->before) < 0) {
		log_warning(NULL, "kernel-setting",
			"setting=%s not put back to %c: the next end tries again",
			it->name, it->before);
		return;
	}
	log_info(NULL, "kernel-setting", "setting=%s put back", it->name);
	(void)unlink(note);
}

static void begin(const struct settings *s, bool for_direct)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (table[i].is_for_direct == for_direct)
			change(s, &table[i]);
}

void kernel_settings_begin(const struct settings *s)
{
	begin(s, false);
}

void kernel_settings_begin_direct(const struct settings *s)
{
	begin(s, true);
}

void kernel_settings_end(const struct settings *s)
{
	for (size_t i = 0; i < SETTINGS; i++)
		put_back(s, &table[i]);
}
