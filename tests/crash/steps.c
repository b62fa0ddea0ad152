/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "steps.h"
#include "base/fd.h"
#include "base/ipc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 256
#define UNSYNCED_MAX 256 /* ranges between two syncs; far more than the work makes */
#define PACKS_MAX 16

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	_exit(1);
}

static int remove_one(
	const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	if (place->level && remove(path) < 0)
		fail("%s: %s", path, strerror(errno));
	return 0;
}

void empty_folder(const char *path)
{
	if (nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0)
		fail("%s: %s", path, strerror(errno));
}

/* ── the child's side ──────────────────────────────────────────────────────────────── */

static const unsigned stepped[] = {
	SYS_write,
	SYS_pwrite64,
	SYS_fdatasync,
	SYS_fsync,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_unlink,
	SYS_unlinkat,
	SYS_mkdir,
};
#define N_STEPPED (sizeof(stepped) / sizeof(stepped[0]))

/* Load the number; one comparison a call, each jumping to the last line; else allow. */
static int install_filter(void)
{
	struct sock_filter lines[N_STEPPED + 3];
	struct sock_fprog program = { .len = N_STEPPED + 3, .filter = lines };
	long fd;

	lines[0] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < N_STEPPED; i++)
		lines[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			stepped[i], (uint8_t)(N_STEPPED - i), 0);
	lines[N_STEPPED + 1] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	lines[N_STEPPED + 2] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs: %s", strerror(errno));
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (fd < 0)
		fail("seccomp: %s", strerror(errno));
	return (int)fd;
}

__attribute__((noreturn)) static void be_child(
	int socket, void (*work)(void *), void *context)
{
	int listener = install_filter();

	if (ipc_send(socket, str_from("steps"), &listener, 1) < 0)
		_exit(1);
	close(listener);
	close(socket);
	work(context);
	_exit(0);
}

/* ── what would be lost with the power ─────────────────────────────────────────────── */

struct range {
	char path[PATH_SIZE];
	uint64_t offset, len;
};

struct disk {
	const char *folder;
	struct range *unsynced;
	size_t n_unsynced;
	char packs[PACKS_MAX][NAME_MAX + 1]; /* whose names are durable */
	size_t n_packs;
	char syncing[PATH_SIZE]; /* done when the next step comes */
};

static bool ends_with(const char *path, const char *end)
{
	size_t len = strlen(path), n = strlen(end);

	return len >= n && strcmp(path + len - n, end) == 0;
}

static bool path_of_fd(pid_t child, uint64_t fd, const char *folder, char path[PATH_SIZE])
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", child, (int)fd);
	n = readlink(link, path, PATH_SIZE - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strncmp(path, folder, strlen(folder)) == 0 && !ends_with(path, "-shm");
}

static void note_packs(struct disk *d)
{
	char path[PATH_SIZE];
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/bodies", d->folder);
	dir = opendir(path);
	d->n_packs = 0;
	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
		if (ends_with(e->d_name, ".pack") && d->n_packs < PACKS_MAX)
			(void)snprintf(d->packs[d->n_packs++], sizeof(d->packs[0]), "%s",
				e->d_name);
	if (dir)
		(void)closedir(dir);
}

static void finish_sync(struct disk *d)
{
	size_t kept = 0;

	if (!d->syncing[0])
		return;
	for (size_t i = 0; i < d->n_unsynced; i++)
		if (strcmp(d->unsynced[i].path, d->syncing) != 0)
			d->unsynced[kept++] = d->unsynced[i];
	d->n_unsynced = kept;
	if (ends_with(d->syncing, "/bodies"))
		note_packs(d);
	d->syncing[0] = '\0';
}

static void note_step(struct disk *d, pid_t child, const struct seccomp_data *call)
{
	char path[PATH_SIZE];
	struct range *r;

	finish_sync(d);
	if (!path_of_fd(child, call->args[0], d->folder, path))
		return;
	switch (call->nr) {
	case SYS_fsync:
	case SYS_fdatasync:
		memcpy(d->syncing, path, sizeof(path));
		break;
	case SYS_pwrite64:
		if (d->n_unsynced == UNSYNCED_MAX)
			fail("more than %d writes without a sync", UNSYNCED_MAX);
		r = &d->unsynced[d->n_unsynced++];
		memcpy(r->path, path, sizeof(path));
		r->offset = call->args[3];
		r->len = call->args[2];
		break;
	default:
		break;
	}
}

static void make_garbage(const struct range *r)
{
	static char garbage[4096];
	int fd = open(r->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0) /* unlinked since */
		return;
	memset(garbage, 'X', sizeof(garbage));
	for (uint64_t done = 0; done < r->len; done += sizeof(garbage)) {
		uint64_t left = r->len - done;
		size_t n = left < sizeof(garbage) ? (size_t)left : sizeof(garbage);

		if (pwrite(fd, garbage, n, (off_t)(r->offset + done)) != (ssize_t)n)
			fail("%s: %s", r->path, strerror(errno));
	}
	close(fd);
}

static bool is_durable(const struct disk *d, const char *name)
{
	for (size_t i = 0; i < d->n_packs; i++)
		if (strcmp(d->packs[i], name) == 0)
			return true;
	return false;
}

static void lose_power(struct disk *d)
{
	struct disk now = { .folder = d->folder };
	char path[PATH_SIZE * 2 + NAME_MAX];

	for (size_t i = 0; i < d->n_unsynced; i++)
		make_garbage(&d->unsynced[i]);
	note_packs(&now);
	for (size_t i = 0; i < now.n_packs; i++) {
		if (is_durable(d, now.packs[i]))
			continue;
		(void)snprintf(
			path, sizeof(path), "%s/bodies/%s", d->folder, now.packs[i]);
		(void)unlink(path);
	}
}

/* ── the parent's side ─────────────────────────────────────────────────────────────── */

static void receive_listener(int socket, int *ret_listener)
{
	struct pollfd p = { .fd = socket, .events = POLLIN };
	char bytes[16];
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;

	(void)poll(&p, 1, -1);
	if (ipc_receive(socket, bytes, sizeof(bytes), fds, &n_fds) <= 0 || n_fds != 1)
		fail("the child did not start");
	*ret_listener = fds[0];
}

/* False: the child is gone. */
static bool next_step(int listener, struct seccomp_notif *ret)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	for (;;) {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			fail("poll: %s", strerror(errno));
		if (!(p.revents & POLLIN) && p.revents)
			return false;
		memset(ret, 0, sizeof(*ret));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret) == 0)
			return true;
	}
}

static void follow(
	struct steps *s, struct disk *d, pid_t child, int listener, unsigned kill_at)
{
	struct seccomp_notif step;

	while (next_step(listener, &step)) {
		struct seccomp_notif_resp go = { .id = step.id,
			.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

		s->count++;
		note_step(d, child, &step.data);
		if (s->count == kill_at) {
			s->killed = true;
			(void)kill(child, SIGKILL);
			return;
		}
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go);
	}
}

void steps_run(struct steps *s, unsigned kill_at, void (*work)(void *), void *context)
{
	struct disk d = { .folder = s->folder };
	int sockets[2], listener, status;
	pid_t child;

	s->count = 0;
	s->killed = false;
	d.unsynced = calloc(UNSYNCED_MAX + 1, sizeof(*d.unsynced));
	if (!d.unsynced || ipc_pair(sockets) < 0)
		fail("no memory");
	note_packs(&d); /* those that are there are on the disk */
	child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (child == 0)
		be_child(sockets[1], work, context);
	close(sockets[1]);
	receive_listener(sockets[0], &listener);
	close(sockets[0]);
	follow(s, &d, child, listener, kill_at);
	(void)waitpid(child, &status, 0);
	close(listener);
	if (s->killed)
		lose_power(&d);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("the work failed (status %#x)", (unsigned)status);
	free(d.unsynced);
}
