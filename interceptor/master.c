/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/master.h"

#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/process.h"
#include "interceptor/signals.h"
#include "interceptor/source.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 200
#define REST_MS 10      /* a log-off is noticed that much later, at the most */
#define STABLE_MS 10000 /* a worker that lived so long is started again at once */
#define BACKOFF_MS 1000 /* else after that */
#define SHUTDOWN_MS 3000
#define QUEUE_MAX (4u << 20)  /* questions that a worker has not read */
#define DESCRIPTORS_SPARE 512 /* pipes, registry, listeners */

/* ---- when workers are heard ---- */

/* At thousands of logins a second a wake-up for each would cost as much as its relay. So
   after a report the master rests; a question about live sessions has them read first.
 */
static void pause_links(struct master *m, bool paused)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		if (channel_is_open(&m->slots[i].link))
			channel_pause(&m->slots[i].link, paused);
}

static void on_rested(uv_timer_t *timer)
{
	pause_links(timer->data, false);
}

static void rest(struct master *m)
{
	if (uv_is_active((uv_handle_t *)&m->rest) || control_waits_for_workers(m))
		return;
	if (uv_timer_start(&m->rest, on_rested, REST_MS, 0) == 0)
		pause_links(m, true);
}

void master_listen(struct master *m)
{
	(void)uv_timer_stop(&m->rest);
	pause_links(m, false);
}

void master_hear(struct master *m)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		channel_read(&m->slots[i].link);
}

/* ---- workers' messages ---- */

static void count(struct worker_slot *slot, const struct message *m, int change)
{
	int r = m->number < ROUTE_COUNT ? live_sessions_change(&slot->live, m->account,
						  (enum route)m->number, change)
	                                : -EBADMSG;

	if (r < 0) {
		log_error(NULL, "census", "worker=%u error=%d", slot->index, r);
		(void)kill(
			slot->pid, SIGKILL); /* a bug: its sessions cannot be trusted */
	}
	rest(slot->master);
}

static void on_begin(void *context, const struct message *m, int fd)
{
	(void)fd;
	count(context, m, 1);
}

static void on_end(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;

	(void)fd;
	count(slot, m, -1);
	control_session_ended(slot->master, m->account);
}

static void on_answer(void *context, const struct message *m, int fd)
{
	struct worker_slot *slot = context;

	(void)fd;
	control_answer(slot->master, slot->index, m);
}

static const struct message_row message_rows[] = {
	{ MESSAGE_SESSION_BEGIN, false, on_begin },
	{ MESSAGE_SESSION_END, false, on_end },
	{ MESSAGE_QUIESCED, false, on_answer },
	{ MESSAGE_FLOW, false, on_answer },
	{ MESSAGE_FLOWS_END, false, on_answer },
};

/* Its end is told by the loop, and does the rest. */
static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct worker_slot *slot = context;
	struct error err;

	if (message_handle(message_rows, sizeof(message_rows) / sizeof(message_rows[0]),
		    p, slot, &err) == 0)
		return;
	log_error(NULL, "worker", "worker=%u error=\"%s\"", slot->index, err.text);
	channel_close(c);
	(void)kill(slot->pid, SIGKILL);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct worker_slot *slot = context;

	channel_close(c);
	if (code < 0)
		(void)kill(slot->pid, SIGKILL);
}

static const struct channel_ops worker_ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_MAX
};

/* ---- workers' lives ---- */

/* What a worker must not hold of ours. */
static void close_in_child(struct master *m, unsigned index)
{
	control_close_fds(m);
	for (size_t i = 0; i < m->n_probes; i++)
		probe_close_fd(&m->probes[i]);
	for (unsigned i = 0; i < m->n_slots; i++) {
		struct worker_slot *slot = &m->slots[i];

		if (channel_is_open(&slot->link))
			fd_closep(&slot->link.watch->fd);
		for (size_t j = 0; i != index && j < slot->n_listeners; j++)
			fd_closep(&slot->listeners[j].fd);
	}
	fd_closep(&m->signals->fd);
	loop_leave(&m->loop);
}

static void child(struct worker_slot *slot, int link, pid_t parent)
{
	struct master *m = slot->master;
	struct worker_parts parts = {
		.settings = m->settings,
		.limits = &m->limits,
		.index = slot->index,
		.master = link,
		.listeners = slot->listeners,
		.n_listeners = slot->n_listeners,
	};
	struct error err;

	close_in_child(m, slot->index);
	if (process_end_with_parent(parent, &err) < 0)
		_exit(EXIT_FAILURE);
	_exit(worker_run(&parts));
}

static int start(struct worker_slot *slot)
{
	struct master *m = slot->master;
	pid_t parent = getpid(), pid;
	int pair[2];
	int r = ipc_pair(pair);

	if (r < 0)
		return r;
	connection_limits_clear_row(&m->limits, slot->index);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		child(slot, pair[1], parent);
	}
	close(pair[1]);
	r = pid < 0 ? -errno : 0;
	if (r == 0)
		r = channel_open(&slot->link, &m->loop, pair[0], &worker_ops, slot);
	if (r < 0) {
		close(pair[0]);
		if (pid > 0)
			(void)kill(pid, SIGKILL);
		return r;
	}
	slot->pid = pid;
	slot->started_at = loop_now(&m->loop);
	return 0;
}

static void ended(struct worker_slot *slot, int status)
{
	struct master *m = slot->master;
	uint64_t now = loop_now(&m->loop);

	log_warning(NULL, "worker", "worker=%u ended=%s code=%d sessions=%llu",
		slot->index, WIFSIGNALED(status) ? "signal" : "exit",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		(unsigned long long)slot->live.sessions);
	channel_close(&slot->link);
	live_sessions_clear(&slot->live);
	connection_limits_clear_row(&m->limits, slot->index);
	slot->pid = 0;
	slot->restart_at = now - slot->started_at >= STABLE_MS ? now : now + BACKOFF_MS;
	control_worker_lost(m, slot->index);
}

static void reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < m->n_slots; i++)
			if (m->slots[i].pid == pid)
				ended(&m->slots[i], status);
}

static void restart(struct master *m)
{
	for (unsigned i = 0; i < m->n_slots; i++) {
		struct worker_slot *slot = &m->slots[i];
		int r;

		if (slot->pid || loop_now(&m->loop) < slot->restart_at)
			continue;
		r = start(slot);
		if (r < 0) {
			log_error(NULL, "worker", "worker=%u error=%d", i, r);
			slot->restart_at = loop_now(&m->loop) + BACKOFF_MS;
		}
	}
}

static void facts_changed(void *context, enum service_id service)
{
	struct master *m = context;
	struct message news = { .type = MESSAGE_FACTS_CHANGED,
		.service = str_from(service_name(service)) };

	for (unsigned i = 0; i < m->n_slots; i++)
		if (m->slots[i].pid)
			(void)message_send(&m->slots[i].link, &news, -1);
}

static const struct probe_ops probe_ops = { .changed = facts_changed };

/* ---- the loop ---- */

static void on_tick(uv_timer_t *timer)
{
	struct master *m = timer->data;

	restart(m);
	for (size_t i = 0; i < m->n_probes; i++)
		probe_tick(&m->probes[i]);
}

static void sweep(void *context)
{
	control_sweep(context);
}

static void on_signal(void *context, int events, int error)
{
	struct master *m = context;
	int number;

	(void)events;
	(void)error;
	while ((number = signals_next(m->signals->fd)) != 0) {
		if (number == SIGCHLD)
			reap(m);
		else
			loop_stop(&m->loop);
	}
}

static int open_loop(struct master *m)
{
	int fd = signals_open();
	int r = fd < 0 ? fd : loop_init(&m->loop, true);

	if (r == 0)
		r = watch_new(&m->loop, fd, on_signal, m, &m->signals);
	if (r == 0)
		r = uv_timer_init(&m->loop.uv, &m->tick);
	if (r == 0)
		r = uv_timer_init(&m->loop.uv, &m->rest);
	if (r < 0)
		return r;
	watch_want(m->signals, UV_READABLE);
	m->tick.data = m->rest.data = m;
	return uv_timer_start(&m->tick, on_tick, 0, TICK_MS);
}

static int listen_on(struct worker_slot *slot, enum service_id service, struct error *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct settings *s = slot->master->settings;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		int fd;

		if (!settings_source(s, families[i]))
			continue;
		fd = source_listen(families[i], s->services[service].port, err);
		if (fd < 0)
			return fd;
		slot->listeners[slot->n_listeners++] =
			(struct listener){ .service = service, .fd = fd };
	}
	return 0;
}

static int open_service(struct master *m, enum service_id service, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; i < m->n_slots && r == 0; i++)
		r = listen_on(&m->slots[i], service, err);
	if (r == 0)
		probe_init(&m->probes[m->n_probes++], &m->loop, m->settings, service,
			&probe_ops, m);
	return r;
}

static int open_services(struct master *m, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < SERVICE_COUNT && r == 0; i++)
		if (m->settings->services[i].enabled && protocol_of((enum service_id)i))
			r = open_service(m, (enum service_id)i, err);
	if (r == 0 && !m->n_probes)
		r = error_set(err, -EINVAL,
			"no service is enabled that can be intercepted; enable one in "
			"`services`");
	return r;
}

static int make_slots(struct master *m)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	m->n_slots = m->settings->workers ? m->settings->workers
	             : cpus > 0           ? (unsigned)cpus
	                                  : 1;
	if (m->n_slots > WORKERS_MAX)
		m->n_slots = WORKERS_MAX;
	m->slots = calloc(m->n_slots, sizeof(*m->slots));
	if (!m->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < m->n_slots; i++) {
		m->slots[i].master = m;
		m->slots[i].index = i;
	}
	return connection_limits_init(&m->limits, m->n_slots);
}

/* The key is made here, while it is one process, and errors are still for a person. */
static int try_registry(const struct settings *s, struct error *err)
{
	struct registry *r = NULL;
	char path[PATH_MAX];
	int code = settings_state_path(s, REGISTRY_FILE, path, sizeof(path));

	if (code < 0)
		return error_errno(err, code, "state_dir");
	code = registry_open(path, s->key_file, true, &r, err);
	registry_close(r);
	return code;
}

/* A relayed session is two descriptors; all of them may fall to one worker. */
static void raise_descriptor_limit(const struct settings *s)
{
	rlim_t wanted = s->limits.connections * (rlim_t)2 + DESCRIPTORS_SPARE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit = (struct rlimit){ wanted,
		limit.rlim_max > wanted ? limit.rlim_max : wanted };
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max; /* without CAP_SYS_RESOURCE: what there is */
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	log_warning(NULL, "limits",
		"descriptors=%llu wanted=%llu: fewer connections than `limits` allows",
		(unsigned long long)limit.rlim_max, (unsigned long long)wanted);
}

static int drop_rights(struct error *err)
{
	/* only to give them to workers that it starts again */
	static const int kept[] = { CAP_NET_ADMIN, CAP_NET_RAW };
	int r = process_keep_capabilities(kept, 2, err);

	return r < 0 ? r : process_protect_memory(err);
}

static int set_up(struct master *m, struct error *err)
{
	int r = process_make_directory(m->settings->state_dir, 0700, err);

	if (r == 0)
		r = process_make_directory(m->settings->run_dir, 0755, err);
	if (r == 0)
		r = try_registry(m->settings, err);
	if (r < 0)
		return r;
	raise_descriptor_limit(m->settings);
	r = make_slots(m);
	if (r == 0)
		r = open_loop(m);
	if (r < 0)
		return error_errno(err, r, "cannot start");
	r = open_services(m, err);
	if (r == 0)
		r = control_open(m, err);
	return r < 0 ? r : drop_rights(err);
}

static void stop_workers(struct master *m)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		if (m->slots[i].pid)
			(void)kill(m->slots[i].pid, SIGTERM);
	for (unsigned waited = 0; waited < SHUTDOWN_MS; waited += TICK_MS / 10) {
		bool left = false;

		reap(m);
		for (unsigned i = 0; i < m->n_slots; i++)
			left |= m->slots[i].pid != 0;
		if (!left)
			return;
		(void)usleep(TICK_MS / 10 * 1000);
	}
}

int master_run(const struct settings *settings)
{
	static struct master master; /* large, and one */
	struct master *m = &master;
	struct error err = { 0 };

	m->settings = settings;
	LIST_INIT(&m->clients);
	LIST_INIT(&m->requests);
	if (set_up(m, &err) < 0) {
		log_error(NULL, "start", "error=\"%s\"", err.text);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "workers=%u services=%zu", m->n_slots, m->n_probes);
	loop_run(&m->loop, sweep, m);
	log_info(NULL, "stop", "workers=%u", m->n_slots);
	stop_workers(m);
	return EXIT_SUCCESS;
}
