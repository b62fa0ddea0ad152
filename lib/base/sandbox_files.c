/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Landlock, without a library: three system calls. */
#include "base/fd.h"
#include "base/sandbox_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that a header may not know yet: of ABI 3, 4, 5 and 6. */
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define NET_TCP (UINT64_C(3)) /* bind, connect */
#define NET_CONNECT (UINT64_C(2))
#define RULE_NET_PORT 2
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define FS_OF_ABI_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_OF_FILES                                                                      \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
/* Nothing below a row's folder is run, and no device or socket made there. */
#define FS_OF_FOLDERS                                                                    \
	(FS_OF_FILES | FS_REFER | LANDLOCK_ACCESS_FS_READ_DIR |                          \
		LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |         \
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)

struct ruleset_attributes {
	uint64_t fs, net, scoped;
};

static int at_most = INT_MAX;

void sandbox_assume_landlock(int version)
{
	at_most = version;
}

static int abi(void)
{
	int version = (int)syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version < at_most ? version : at_most;
}

bool sandbox_has_landlock(void)
{
	return abi() > 0;
}

bool sandbox_has_landlock_refer(void)
{
	return abi() >= 2;
}

static uint64_t fs_handled(int version)
{
	return FS_OF_ABI_1 | (version >= 2 ? FS_REFER : 0) |
	       (version >= 3 ? FS_TRUNCATE : 0) | (version >= 5 ? FS_IOCTL_DEV : 0);
}

/* No rule set lets a file go from one folder to another but one that says where. */
static uint64_t fs_of_parents(const struct sandbox *s, int version)
{
	return s->allows & SANDBOX_MAILDIR && version >= 2 ? FS_REFER : 0;
}

/* Those who start others keep the files of their user: what they start is a file, and
   every account's folder is one of their children's. So do those for whom a file goes
   from tmp/ to cur/ where no rule set can allow that (Linux 5.13 to 5.18). */
static uint64_t fs_of(const struct sandbox *s, int version)
{
	if (s->allows & SANDBOX_CHILDREN)
		return fs_of_parents(s, version);
	return s->allows & SANDBOX_MAILDIR && version < 2 ? 0 : fs_handled(version);
}

static struct ruleset_attributes handled(const struct sandbox *s, int version)
{
	return (struct ruleset_attributes){
		.fs = fs_of(s, version),
		.net = version < 4 || (s->allows & SANDBOX_SOCKETS && !s->port) ? 0
		                                                                : NET_TCP,
		.scoped = version < 6 ? 0 : SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL,
	};
}

static int add_path(int rules, uint64_t all, const struct sandbox_path *p)
{
	CLEANUP(fd_closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .parent_fd = fd };
	struct stat about;

	if (fd < 0)
		return errno == ENOENT && p->may_be_absent ? 0 : -errno;
	if (fstat(fd, &about) < 0)
		return -errno;
	rule.allowed_access =
		all & (S_ISDIR(about.st_mode) ? FS_OF_FOLDERS : FS_OF_FILES);
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule,
		       0) < 0
	               ? -errno
	               : 0;
}

static int add_port(int rules, uint16_t port)
{
	const struct {
		uint64_t allowed, port;
	} rule = { NET_CONNECT, port };

	return syscall(SYS_landlock_add_rule, rules, RULE_NET_PORT, &rule, 0) < 0 ? -errno
	                                                                          : 0;
}

int sandbox_open_files(const struct sandbox *s, int *ret_rules, struct error *err)
{
	int version = abi(), r = 0;
	struct ruleset_attributes attributes = handled(s, version);
	CLEANUP(fd_closep) int rules = -1;

	if (version <= 0 || !(attributes.fs | attributes.net | attributes.scoped))
		return 0;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attributes,
		version >= 6   ? sizeof(attributes)
		: version >= 4 ? 2 * sizeof(uint64_t)
			       : sizeof(uint64_t),
		0);
	if (rules < 0)
		return error_errno(err, -errno, "cannot restrict files");
	for (size_t i = 0; attributes.fs && r == 0 && i < s->n_paths; i++) {
		r = add_path(rules, attributes.fs, &s->paths[i]);
		if (r < 0)
			return error_errno(err, r, "cannot keep %s", s->paths[i].path);
	}
	if (attributes.net && s->port) {
		r = add_port(rules, s->port);
		if (r < 0)
			return error_errno(err, r, "cannot keep port %u", s->port);
	}
	*ret_rules = fd_steal(&rules);
	return 0;
}

int sandbox_enter_files(int rules, struct error *err)
{
	if (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return error_errno(err, -errno, "cannot restrict files");
	return 0;
}
