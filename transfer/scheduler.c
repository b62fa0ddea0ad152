/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/scheduler.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/process.h"
#include "messages/message.h"
#include "transfer/account/account.h"
#include "transfer/account/deadline.h"
#include "transfer/roster.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define LOOK_EVERY_MS 5000 /* should a message get lost */
#define TICK_MS 100        /* processes to start again, deadlines */
#define CALLERS_MAX 64     /* connections to transfer.sock; each sends a line and goes */
#define MESSAGE_MAX 4096   /* a type and a name */
#define EXIT_NO_PROGRAM 127
/* What the way back may take: 10 s for each of two answers, and the disk. One that is
   found busy for longer, with nobody at work on it, stays: its user waits. */
#define WAY_BACK_MS 30000
#define LEFT_MAX 16 /* settled in one look; the others in the next */

enum signal_number { ON_TERM, ON_INT, ON_CHLD, SIGNALS };
static const int signal_numbers[SIGNALS] = { SIGTERM, SIGINT, SIGCHLD };

struct caller {
	uv_poll_t poll; /* first: libuv gives it back */
	struct caller *next;
	int fd;
	int64_t awaits; /* the return of that account; 0: none */
};

struct scheduler {
	const struct settings *settings;
	const char *config;
	char program[PATH_MAX];
	struct registry *registry;
	struct roster roster;
	uint64_t look_at; /* monotonic: the next look into the registry */
	unsigned callers;
	struct caller *first_caller;
	int listener, interceptor; /* -1: none */
	uv_loop_t loop;
	uv_poll_t listener_poll, *interceptor_poll;
	uv_timer_t tick;
	uv_signal_t signals[SIGNALS];
};

/* ---- the interceptor: who has logged off ---- */

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void hang_up(struct scheduler *s)
{
	if (s->interceptor_poll)
		uv_close((uv_handle_t *)s->interceptor_poll, free_handle);
	s->interceptor_poll = NULL;
	fd_closep(&s->interceptor);
	for (struct entry *e = s->roster.first; e; e = e->next)
		e->is_awaited = false;
}

static ssize_t receive(int fd, char bytes[static MESSAGE_MAX])
{
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	ssize_t n = ipc_receive(fd, bytes, MESSAGE_MAX, fds, &n_fds);

	while (n_fds)
		fd_closep(&fds[--n_fds]);
	return n;
}

static void on_interceptor(uv_poll_t *poll, int status, int events)
{
	struct scheduler *s = poll->data;
	char bytes[MESSAGE_MAX];
	struct message m;
	ssize_t n;

	(void)events;
	while ((n = status < 0 ? status : receive(s->interceptor, bytes)) > 0) {
		struct entry *e;

		if (message_decode(str_of(bytes, (size_t)n), &m) < 0)
			break;
		e = m.type == MESSAGE_LOGGED_OFF ? roster_by_name(&s->roster, m.account)
		                                 : NULL;
		if (e)
			roster_wake(e);
	}
	if (n != -EAGAIN)
		hang_up(s);
}

static void call_interceptor(struct scheduler *s)
{
	char path[PATH_MAX];
	uv_poll_t *poll;

	if (settings_run_path(s->settings, INTERCEPTOR_SOCKET, path, sizeof(path)) < 0)
		return;
	s->interceptor = ipc_connect(path, NULL);
	if (s->interceptor < 0) {
		s->interceptor = -1;
		return;
	}
	poll = calloc(1, sizeof(*poll));
	if (!poll || uv_poll_init(&s->loop, poll, s->interceptor) < 0) {
		free(poll);
		fd_closep(&s->interceptor);
		return;
	}
	poll->data = s;
	s->interceptor_poll = poll;
	(void)uv_poll_start(poll, UV_READABLE, on_interceptor);
}

/* While it does not run nobody's session lasts, but it knows best: it is asked when it is
   back. */
static void await_parked(struct scheduler *s)
{
	uint64_t now = clock_wall_ms();

	for (struct entry *e = s->roster.first; e; e = e->next) {
		struct message m = { .type = MESSAGE_AWAIT_LOGOFF,
			.account = str_from(e->name) };

		if (e->state != ENTRY_PARKED)
			continue;
		if (e->forced_at && now >= e->forced_at) {
			roster_wake(e);
			continue;
		}
		if (e->is_awaited)
			continue;
		if (s->interceptor < 0)
			call_interceptor(s);
		if (s->interceptor < 0)
			return;
		e->is_awaited = message_send(s->interceptor, &m, -1) == 0;
	}
}

/* ---- processes ---- */

/* Between fork() and exec(): only what a copy of a single-threaded process may do. */
static void become(const struct scheduler *s, const struct entry *e, pid_t parent)
{
	const char *const arguments[] = { s->program, "-c", s->config, "--account",
		e->name, e->is_return ? "--return" : NULL, NULL };
	char *copy[sizeof(arguments) / sizeof(arguments[0])];
	sigset_t none;

	memcpy(copy, arguments, sizeof(copy));
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (process_end_with_parent(parent, NULL) == 0)
		(void)execv(s->program, copy);
	_exit(EXIT_NO_PROGRAM);
}

static void start(struct scheduler *s, struct entry *e)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		become(s, e, parent);
	if (pid < 0) {
		log_error(NULL, "start", "account=%s reason=\"%s\"", e->name,
			strerror(errno));
		(void)roster_crashed(&s->roster, e, clock_monotonic_ms());
		return;
	}
	roster_started(&s->roster, e, pid);
	log_info(NULL, "begin", "account=%s pid=%d", e->name, (int)pid);
}

static void start_due(struct scheduler *s)
{
	struct entry *e;

	while ((e = roster_next(&s->roster, s->settings->limits.transfers,
			clock_monotonic_ms())) != NULL)
		start(s, e);
}

/* Nobody looks after it any more. All that was ever accepted for it is here. */
static void let_stay(struct scheduler *s, int64_t id)
{
	struct error err;
	int r = registry_transition(s->registry, id, EVENT_STAY, STR_LIT("transfer"),
		STR_LIT("left behind on its way back"), &err);

	if (r < 0)
		log_warning(NULL, "stay", "%s", err.text);
	else
		log_info(NULL, "stay", "account=%lld reason=\"left behind\"",
			(long long)id);
}

/* Those who asked for the return of this account, which is settled. */
static void tell_returned(struct scheduler *s, const struct entry *e)
{
	struct message m = { .type = MESSAGE_RETURNED, .account = str_from(e->name) };

	for (struct caller *c = s->first_caller; c; c = c->next) {
		if (c->awaits != e->id)
			continue;
		(void)message_send(c->fd, &m, -1);
		c->awaits = 0;
	}
}

/* It has crashed so often that trying at once helps nobody. */
static void give_up(struct scheduler *s, struct entry *e, int status)
{
	char why[128];
	struct error err;

	if (e->runs_return) {
		let_stay(s, e->id);
		roster_ended(&s->roster, e, clock_monotonic_ms());
		tell_returned(s, e);
		return;
	}
	if (WIFSIGNALED(status))
		(void)snprintf(why, sizeof(why),
			"the transfer process crashed again and again (signal %d)",
			WTERMSIG(status));
	else
		(void)snprintf(why, sizeof(why),
			"the transfer process fails at its start; see the log");
	if (registry_transition(s->registry, e->id, EVENT_FAIL, STR_LIT("transfer"),
		    str_from(why), &err) < 0)
		log_error(NULL, "give-up", "account=%s reason=\"%s\"", e->name, err.text);
	else
		e->crashes = 0;
}

static void park(struct scheduler *s, struct entry *e)
{
	uint64_t now = clock_wall_ms(), since = now;

	(void)deadline_since(s->registry, e->id, now, &since, NULL);
	roster_parked(&s->roster, e, deadline_next(s->settings, since, now));
}

static void ended(struct scheduler *s, struct entry *e, int status)
{
	uint64_t now = clock_monotonic_ms();
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	if (code == ACCOUNT_OVER) {
		roster_ended(&s->roster, e, now);
		if (e->runs_return)
			tell_returned(s, e);
	} else if (code == ACCOUNT_PARKED) {
		park(s, e);
	} else {
		log_warning(NULL, "crashed", "account=%s %s=%d", e->name,
			code < 0 ? "signal" : "code", code < 0 ? WTERMSIG(status) : code);
		if (roster_crashed(&s->roster, e, now))
			give_up(s, e, status);
	}
	log_info(NULL, "end", "account=%s %s", e->name, entry_state_name(e->state));
	s->look_at = 0;
}

static void reap(struct scheduler *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct entry *e = roster_by_pid(&s->roster, pid);

		if (e)
			ended(s, e, status);
	}
}

/* ---- looking ---- */

struct sight {
	struct scheduler *scheduler;
	uint64_t now;
	int64_t left[LEFT_MAX]; /* left behind on their way back */
	size_t n_left;
};

static bool is_returning(const struct scheduler *s, int64_t id)
{
	for (const struct entry *e = s->roster.first; e; e = e->next)
		if (e->id == id)
			return e->is_return;
	return false;
}

static int each_work(void *context, const struct account *a)
{
	struct sight *sight = context;

	/* on its way back: it goes on, unless it was left behind too long ago */
	if (a->stage == STAGE_DONE) {
		if (sight->now <= a->busy_since + WAY_BACK_MS ||
			is_returning(sight->scheduler, a->id))
			return roster_want_return(
				&sight->scheduler->roster, a->id, a->name);
		if (sight->n_left < LEFT_MAX)
			sight->left[sight->n_left++] = a->id;
		return 0;
	}
	/* one without a password waits for a login that shows it */
	return a->has_password ? roster_want(&sight->scheduler->roster, a->id, a->name)
	                       : 0;
}

static void look(struct scheduler *s)
{
	struct sight sight = { .scheduler = s, .now = clock_wall_ms() };
	struct error err;

	roster_look_begin(&s->roster);
	if (registry_each_work(s->registry, sight.now, each_work, &sight, &err) < 0) {
		log_error(NULL, "look", "%s", err.text);
		return;
	}
	roster_look_end(&s->roster);
	for (size_t i = 0; i < sight.n_left; i++)
		let_stay(s, sight.left[i]);
}

/* When the earliest failed account has its next try, if that is before the usual look. */
static void plan_look(struct scheduler *s, uint64_t now)
{
	uint64_t next = 0, wall = clock_wall_ms(), wait = LOOK_EVERY_MS;

	if (registry_next_try(s->registry, &next, NULL) == 0 && next > wall &&
		next - wall < wait)
		wait = next - wall + 1;
	s->look_at = now + wait;
}

static void step(struct scheduler *s)
{
	uint64_t now = clock_monotonic_ms();

	reap(s);
	if (now >= s->look_at) {
		look(s);
		plan_look(s, now);
	}
	await_parked(s);
	start_due(s);
}

static void on_tick(uv_timer_t *timer)
{
	step(timer->data);
}

/* ---- transfer.sock ---- */

static void caller_close(struct scheduler *s, struct caller *c)
{
	struct caller **at = &s->first_caller;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	uv_close((uv_handle_t *)&c->poll, free_handle);
	fd_closep(&c->fd);
	s->callers--;
}

static bool take_due(struct scheduler *s, struct caller *c, const struct message *m)
{
	struct entry *e = roster_by_name(&s->roster, m->account);

	(void)c;
	if (e)
		roster_wake(e);
	s->look_at = 0;
	return true;
}

/* Answered when its process has ended. */
static bool take_return(struct scheduler *s, struct caller *c, const struct message *m)
{
	struct account a;
	struct arena arena;
	struct error err;
	int r;

	arena_init(&arena);
	r = registry_find(s->registry, m->account, &arena, &a, &err);
	if (r == 0 && (r = roster_want_return(&s->roster, a.id, a.name)) < 0)
		(void)error_set(&err, r, "no memory");
	if (r == 0)
		c->awaits = a.id;
	else
		(void)message_send(c->fd,
			&(struct message){
				.type = MESSAGE_FAILED, .text = str_from(err.text) },
			-1);
	arena_fini(&arena);
	return true;
}

static const struct caller_row {
	enum message_type type;
	bool (*take)(struct scheduler *s, struct caller *c, const struct message *m);
} caller_rows[] = {
	{ MESSAGE_ACCOUNT_DUE, take_due },
	{ MESSAGE_RETURN, take_return },
};

static bool take_message(struct scheduler *s, struct caller *c, struct str bytes)
{
	struct message m;

	if (message_decode(bytes, &m) == 0)
		for (size_t i = 0; i < sizeof(caller_rows) / sizeof(caller_rows[0]); i++)
			if (caller_rows[i].type == m.type)
				return caller_rows[i].take(s, c, &m);
	log_warning(NULL, "caller", "dropped: it makes no sense");
	return false;
}

static void on_caller(uv_poll_t *poll, int status, int events)
{
	struct caller *c = (struct caller *)poll;
	struct scheduler *s = poll->data;
	char bytes[MESSAGE_MAX];
	ssize_t n;

	(void)events;
	while ((n = status < 0 ? status : receive(c->fd, bytes)) > 0)
		if (!take_message(s, c, str_of(bytes, (size_t)n)))
			break;
	if (n != -EAGAIN)
		caller_close(s, c);
	step(s);
}

static void add_caller(struct scheduler *s, int fd)
{
	struct caller *c = s->callers < CALLERS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c || uv_poll_init(&s->loop, &c->poll, fd) < 0) {
		free(c);
		fd_closep(&fd);
		return;
	}
	c->fd = fd;
	c->poll.data = s;
	s->callers++;
	c->next = s->first_caller;
	s->first_caller = c;
	(void)uv_poll_start(&c->poll, UV_READABLE, on_caller);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct scheduler *s = poll->data;
	int fd;

	(void)status;
	(void)events;
	while ((fd = ipc_accept(s->listener)) >= 0)
		add_caller(s, fd);
}

/* ---- beginning and end ---- */

static void end_children(struct scheduler *s)
{
	for (struct entry *e = s->roster.first; e; e = e->next)
		if (e->state == ENTRY_RUNNING)
			(void)kill(e->pid, SIGTERM);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct scheduler *s = handle->data;

	if (number == SIGCHLD) {
		step(s);
		return;
	}
	log_info(NULL, "signal", "number=%d", number);
	end_children(s);
	uv_stop(&s->loop);
}

static int open_files(struct scheduler *s, struct error *err)
{
	char path[PATH_MAX];
	int r = settings_state_path(s->settings, REGISTRY_FILE, path, sizeof(path));

	if (r == 0) /* without the key: it passes no password on */
		r = registry_open(path, NULL, false, &s->registry, err);
	if (r == 0)
		r = process_sibling(
			"mailferry-transfer", s->program, sizeof(s->program), err);
	if (r == 0)
		r = settings_run_path(s->settings, TRANSFER_SOCKET, path, sizeof(path));
	if (r < 0)
		return r;
	s->listener = ipc_listen(path, 0600, err);
	return s->listener < 0 ? s->listener : 0;
}

static int watch(struct scheduler *s)
{
	int r = uv_timer_init(&s->loop, &s->tick);

	s->tick.data = s;
	s->listener_poll.data = s;
	if (r == 0)
		r = uv_timer_start(&s->tick, on_tick, 0, TICK_MS);
	if (r == 0)
		r = uv_poll_init(&s->loop, &s->listener_poll, s->listener);
	if (r == 0)
		r = uv_poll_start(&s->listener_poll, UV_READABLE, on_listener);
	for (size_t i = 0; r == 0 && i < SIGNALS; i++) {
		(void)uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		r = uv_signal_start(&s->signals[i], on_signal, signal_numbers[i]);
	}
	return r;
}

/* Those of callers are their own memory. */
static void close_any(uv_handle_t *handle, void *argument)
{
	struct scheduler *s = argument;
	bool is_caller =
		handle->type == UV_POLL && handle != (uv_handle_t *)&s->listener_poll;

	if (!uv_is_closing(handle))
		uv_close(handle, is_caller ? free_handle : NULL);
}

int scheduler_run(const struct settings *settings, const char *config)
{
	struct scheduler s = {
		.settings = settings, .config = config, .listener = -1, .interceptor = -1
	};
	struct error err = { 0 };
	int r = open_files(&s, &err);

	if (r == 0)
		r = uv_loop_init(&s.loop);
	if (r == 0)
		r = watch(&s);
	if (r < 0) {
		log_error(NULL, "start", "%s", err.code ? err.text : strerror(-r));
		return EXIT_FAILURE;
	}
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	hang_up(&s);
	uv_walk(&s.loop, close_any, &s);
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&s.loop);
	fd_closep(&s.listener);
	roster_fini(&s.roster);
	registry_close(s.registry);
	return EXIT_SUCCESS;
}
