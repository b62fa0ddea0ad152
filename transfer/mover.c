/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/mover.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "transfer/account/account_login.h"
#include "transfer/account/job/job.h"
#include "transfer/account/job/loan.h"
#include "transfer/read/pace.h"

#include <limits.h>
#include <linux/capability.h>

#define DIGITS(n) #n
#define NUMBER(n) DIGITS(n)

/* No process has both of the last two. */
_Static_assert(ONWARD_WRITER_SOCKET == LOAN_SOCKET + 1, "likewise");
_Static_assert(JOB_SETTINGS == CHILD_FD_FIRST && JOB_PACE == JOB_SETTINGS + 1 &&
		       LOAN_SOCKET == JOB_PACE + 1 &&
		       LOGIN_CLIENT_SOCKET == LOAN_SOCKET + 1,
	"in this order");

int movers_open(struct movers *m, const struct settings *s, struct error *err)
{
	int r = users_load(s, &m->users, err);

	m->settings = s;
	m->settings_fd = settings_descriptor(s);
	m->pace_fd = pace_make();
	if (r == 0 && m->settings_fd < 0)
		r = error_errno(err, m->settings_fd, "no file in memory");
	if (r == 0 && m->pace_fd < 0)
		r = error_errno(err, m->pace_fd, "no page to share");
	if (r == 0)
		r = users_share_registry(s, &m->users, err);
	if (r == 0)
		r = folders_prepare(s, &m->users, err);
	return r < 0 ? r : uid_pool_open(&m->uids, s, &m->users, err);
}

void movers_close(struct movers *m)
{
	maildir_starter_close(&m->maildirs);
	uid_pool_close(&m->uids);
	fd_closep(&m->settings_fd);
	fd_closep(&m->pace_fd);
}

int movers_enter_sandbox(const struct movers *m, struct error *err)
{
	/* to become the owners; and to bind sockets to addresses of clients */
	static const int kept[] = { CAP_SETUID, CAP_SETGID, CAP_NET_RAW };
	const struct sandbox sandbox = { .allows = SANDBOX_SOCKETS | SANDBOX_LISTENS |
		                                   SANDBOX_DATABASE | SANDBOX_FOLDER |
		                                   SANDBOX_CHILDREN | SANDBOX_USERS,
		.user = &m->users.of[USER_TRANSFER],
		.user_first = m->users.first,
		.user_last = m->users.last,
		.capabilities = kept,
		.n_capabilities = m->settings->pop_before_smtp ? 3 : 2 };

	return sandbox_enter(&sandbox, err);
}

static const char *const task_options[] = { NULL, "--return", "--foretell", "--sweep",
	"--again", "--log-in" };
_Static_assert(sizeof(task_options) / sizeof(task_options[0]) == MOVER_TASK_COUNT,
	"one for each");

static int owner_of(struct movers *m, const struct mover_order *o, unsigned *ret_uid,
	struct error *err)
{
	char path[PATH_MAX];
	int r = settings_mail_path(m->settings, str_from(o->name), path, sizeof(path));

	return r < 0 ? error_errno(err, r, "no folder for %s", o->name)
	             : folder_owner_or_make(&m->users, &m->uids, path, ret_uid, err);
}

/* A process without one fails with the sentence. */
static int ask_writer(struct movers *m, const struct mover_order *o)
{
	struct account a;
	struct arena arena;
	struct error err;
	int end = -1, r;

	if (m->maildirs.socket < 0 || o->task != MOVER_MOVE)
		return -1;
	arena_init(&arena);
	r = registry_find_id(m->registry, o->id, &arena, &a, &err);
	if (r == 0)
		r = maildir_starter_ask(
			&m->maildirs, m->settings, a.name, a.login, &end, &err);
	if (r < 0)
		log_warning(
			NULL, "maildir", "account=%s error=\"%s\"", o->name, err.text);
	arena_fini(&arena);
	return end;
}

int mover_start(struct movers *m, const struct mover_order *o, struct child *c,
	struct loop *loop, child_ended_fn *ended, void *context, struct error *err)
{
	static const char *const settings = "/proc/self/fd/" NUMBER(JOB_SETTINGS);
	const char *const arguments[] = { "mailferry-transfer", "-c", settings,
		"--account", o->name, task_options[o->task],
		o->task == MOVER_LOG_IN ? service_name(o->service) : NULL, NULL };
	/* JOB_SETTINGS, JOB_PACE, LOAN_SOCKET; LOGIN_CLIENT_SOCKET or
	   ONWARD_WRITER_SOCKET */
	int fds[4] = { m->settings_fd, m->pace_fd };
	struct child_plan plan = { .arguments = arguments, .fds = fds, .n_fds = 2 };
	CLEANUP(fd_closep) int loan = -1;
	CLEANUP(fd_closep) int writer = -1;
	int r = owner_of(m, o, &plan.user, err);

	if (r < 0)
		return r;
	r = loan_order(m->settings, o->id, &loan, err);
	/* where nothing is new, going back takes no password; and of what is lost it is
	   said why it cannot be had */
	if (r < 0 && o->task != MOVER_RETURN && o->task != MOVER_AGAIN)
		return r;
	if (loan >= 0)
		fds[plan.n_fds++] = loan;
	if (o->task == MOVER_LOG_IN) /* never without a loan */
		fds[plan.n_fds++] = o->socket;
	writer = ask_writer(m, o);
	if (writer >= 0) /* likewise */
		fds[plan.n_fds++] = writer;
	return child_start(c, loop, &plan, ended, context, err);
}
