/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/maildir/starter.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "settings/maildir_path.h"
#include "transfer/maildir/record.h"
#include "transfer/maildir/writer.h"
#include "users/maildir_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STARTER_SETTINGS = CHILD_FD_FIRST, STARTER_SOCKET };
#define SETTINGS_PATH "/proc/self/fd/3"
#define ORDER_MAX (PATH_MAX + 512) /* a name, a NUL, a path */
#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

_Static_assert(
	STARTER_SETTINGS == 3 && MAILDIR_WRITER_SOCKET == 4 && MAILDIR_WRITER_FOLDER == 5,
	"in this order");

/* ---- for the scheduler ---- */

int maildir_starter_open(struct maildir_starter *m, const struct settings *s,
	int settings_fd, struct loop *loop, child_ended_fn *ended, void *context,
	struct error *err)
{
	static const char *const arguments[] = { "mailferry-transfer", "-c",
		SETTINGS_PATH, "--task", MAILDIR_STARTER_TASK, NULL };
	int ends[2], fds[2], r;
	struct child_plan plan = { .arguments = arguments, .fds = fds, .n_fds = 2 };

	if (s->destination.kind != DESTINATION_MAILDIR)
		return 0;
	r = ipc_pair(ends);
	if (r < 0)
		return error_errno(err, r, "cannot make a pair of sockets");
	fds[0] = settings_fd;
	fds[1] = ends[1];
	r = child_start(&m->child, loop, &plan, ended, context, err);
	fd_closep(&ends[1]);
	if (r < 0)
		fd_closep(&ends[0]);
	m->socket = ends[0];
	return r;
}

void maildir_starter_close(struct maildir_starter *m)
{
	fd_closep(&m->socket); /* which is its end */
	if (child_runs(&m->child))
		child_forget(&m->child);
}

int maildir_starter_ask(const struct maildir_starter *m, const struct settings *s,
	struct str account, struct str login, int *ret_end, struct error *err)
{
	char place[PATH_MAX], order[ORDER_MAX];
	int ends[2], len, r = maildir_path_place(s, login, place, sizeof(place), err);

	if (r < 0)
		return r;
	len = snprintf(order, sizeof(order), "%.*s%c%s", STR_ARG(account), '\0', place);
	if (len < 0 || (size_t)len >= sizeof(order) ||
		memchr(account.ptr, '\0', account.len))
		return error_set(err, -ENAMETOOLONG, "the account's name is too long");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_errno(err, -errno, "cannot make a pair of sockets");
	r = ipc_send(m->socket, str_of(order, (size_t)len), &ends[1], 1);
	fd_closep(&ends[1]);
	if (r < 0) {
		fd_closep(&ends[0]);
		return error_errno(err, r, "cannot start the writer of a Maildir");
	}
	*ret_end = ends[0];
	return 0;
}

/* ---- the process ---- */

struct starter {
	const struct settings *settings;
	int root;
	struct loop loop;
	struct watch *scheduler;
	LIST_HEAD(, writer_process) writers;
};

struct writer_process {
	LIST_ENTRY(writer_process) all;
	struct child child;
	char account[256];
};

static void on_writer_ended(void *context, int status)
{
	struct writer_process *w = context;
	char text[64];

	if (status) {
		child_end_text(status, text, sizeof(text));
		log_info(NULL, "maildir-writer", "account=%s end=\"%s\"", w->account,
			text);
	}
	LIST_REMOVE(w, all);
	free(w);
}

/* The account's process hears why. */
static void say_why(int stream, const struct error *err)
{
	const struct maildir_record r = {
		.kind = RECORD_FAILED, .code = err->code, .bytes = str_from(err->text)
	};
	struct buf out;

	log_warning(NULL, "maildir-writer", "error=\"%s\"", err->text);
	buf_init(&out, 0);
	if (maildir_record_put(&out, &r) == 0)
		(void)send(stream, buf_view(&out).ptr, buf_len(&out), MSG_NOSIGNAL);
	buf_fini(&out);
}

/* Step by step: nothing on the way may be a link. */
static int make_place(int root, struct str place, int *ret, struct error *err)
{
	char part[MAILDIR_NAME_MAX + 1];
	int at = root, next, r = 0;

	while (r == 0 && place.len) {
		struct str name = str_split(&place, '/');

		(void)snprintf(part, sizeof(part), "%.*s", STR_ARG(name));
		if (mkdirat(at, part, 0700) < 0 && errno != EEXIST)
			r = error_errno(err, -errno, "cannot make the folder %s", part);
		next = r == 0 ? openat(at, part, DIRECTORY_FLAGS) : -1;
		if (r == 0 && next < 0)
			r = error_errno(err, -errno, "cannot open the folder %s", part);
		if (at != root)
			fd_closep(&at);
		at = next;
	}
	if (r == 0)
		*ret = at;
	return r;
}

static int check_owner(int folder, struct error *err)
{
	struct stat is;

	if (fstat(folder, &is) < 0)
		return error_errno(err, -errno, "cannot look at the Maildir");
	if (is.st_uid != geteuid())
		return error_set(err, -EPERM,
			"the Maildir is user %u's, and not `maildir_owner`'s", is.st_uid);
	return 0;
}

static int start_writer(
	struct starter *s, struct str account, int folder, int stream, struct error *err)
{
	struct writer_process *w = calloc(1, sizeof(*w));
	const char *const arguments[] = { "mailferry-transfer", "-c", SETTINGS_PATH,
		"--task", MAILDIR_WRITER_TASK, "--account", w ? w->account : "", NULL };
	const int fds[] = { STARTER_SETTINGS, stream, folder };
	struct child_plan plan = { .arguments = arguments, .fds = fds, .n_fds = 3 };
	int r;

	if (!w)
		return error_set(err, -ENOMEM, "no memory");
	(void)snprintf(w->account, sizeof(w->account), "%.*s", STR_ARG(account));
	r = child_start(&w->child, &s->loop, &plan, on_writer_ended, w, err);
	if (r < 0)
		free(w);
	else
		LIST_INSERT_HEAD(&s->writers, w, all);
	return r;
}

static void on_order(struct starter *s, struct str order, int stream)
{
	struct str account = str_split(&order, '\0');
	CLEANUP(fd_closep) int folder = -1;
	struct error err = { 0 };
	int r = maildir_path_is_place(order) && account.len && account.len < 256
	                ? make_place(s->root, order, &folder, &err)
	                : error_set(&err, -EBADMSG, "that is no place for a Maildir");

	if (r == 0)
		r = check_owner(folder, &err);
	if (r == 0)
		r = start_writer(s, account, folder, stream, &err);
	if (r < 0)
		say_why(stream, &err);
}

/* Its end is ours. */
static void on_scheduler(void *context, int events, int error)
{
	struct starter *s = context;
	char order[ORDER_MAX];
	int fds[IPC_FDS_MAX];
	size_t n = 0;
	ssize_t len = ipc_receive(s->scheduler->fd, order, sizeof(order), fds, &n);

	(void)events;
	if (error || len == 0 || (len < 0 && len != -EAGAIN)) {
		loop_stop(&s->loop);
		return;
	}
	if (len > 0 && n == 1)
		on_order(s, str_of(order, (size_t)len), fds[0]);
	for (size_t i = 0; len > 0 && i < n; i++)
		fd_closep(&fds[i]);
}

static int open_root(struct starter *s, struct error *err)
{
	char root[PATH_MAX];

	maildir_path_root(s->settings->destination.path, root, sizeof(root));
	s->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->root < 0 ? error_errno(err, -errno, "cannot open %s", root) : 0;
}

static int enter_sandbox(const struct settings *settings, struct error *err)
{
	static const struct sandbox_path everywhere = { "/", false };
	struct process_user owner;
	/* what the writers do it may do, too */
	const struct sandbox sandbox = { .allows = SANDBOX_CHILDREN | SANDBOX_FOLDER |
		                                   SANDBOX_MAILDIR,
		.user = &owner,
		.paths = &everywhere,
		.n_paths = 1 };
	int r = maildir_owner_find(settings, &owner, err);

	return r < 0 ? r : sandbox_enter(&sandbox, err);
}

static int prepare(struct starter *s, struct error *err)
{
	int r = loop_init(&s->loop, true);

	if (r < 0)
		return error_errno(err, r, "no event loop");
	if (!sandbox_has_landlock_refer())
		log_warning(NULL, "maildir-writer",
			"Landlock is older than version 2 (Linux 5.19): a writer is kept "
			"from other Maildirs of `maildir_owner` by nothing");
	r = enter_sandbox(s->settings, err);
	if (r == 0)
		r = open_root(s, err); /* as that user */
	if (r == 0)
		r = watch_new(&s->loop, STARTER_SOCKET, on_scheduler, s, &s->scheduler);
	return r;
}

int maildir_starter_run(const struct settings *settings)
{
	struct starter s = { .settings = settings, .root = -1 };
	struct error err = { 0 };
	int r = prepare(&s, &err);

	if (r < 0)
		log_error(NULL, "start", "%s", err.code ? err.text : strerror(-r));
	else {
		watch_want(s.scheduler, UV_READABLE);
		loop_run(&s.loop, NULL, NULL);
	}
	while (!LIST_EMPTY(&s.writers)) { /* they end with their movers */
		struct writer_process *w = LIST_FIRST(&s.writers);

		child_forget(&w->child);
		LIST_REMOVE(w, all);
		free(w);
	}
	watch_free(s.scheduler);
	fd_closep(&s.root);
	(void)loop_fini(&s.loop);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
