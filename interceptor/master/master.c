/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/master/master.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "interceptor/sockets/lmtp_listen.h"
#include "interceptor/sockets/source.h"
#include "nft-rules/marks.h"
#include "registry/unseen.h"
#include "settings/descriptors.h"
#include "source/smart_host.h"
#include "users/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_MS 200

static void facts_changed(void *context, enum service_id service)
{
	struct master *m = context;
	struct message news = { .type = MESSAGE_FACTS_CHANGED,
		.service = str_from(service_name(service)) };

	for (unsigned i = 0; i < m->n_links; i++)
		(void)message_send(&m->slots[i].link, &news, -1);
}

static const struct probe_ops probe_ops = { .changed = facts_changed };

/* ---- the loop ---- */

static void on_tick(void *context)
{
	struct master *m = context;

	if (m->successor) {
		retire_tell_left(m);
		return;
	}
	workers_restart(m);
	tasks_tick(m);
	for (size_t i = 0; i < m->n_probes; i++)
		probe_tick(&m->probes[i]);
}

static void sweep(void *context)
{
	control_sweep(context);
}

static void on_signal(void *context, int number)
{
	struct master *m = context;

	(void)number;
	loop_stop(&m->loop);
}

static int open_loop(struct master *m)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	int r = loop_init(&m->loop, false);

	if (r == 0)
		r = timer_new(&m->loop, on_tick, m, &m->tick);
	if (r == 0)
		r = workers_init(m);
	if (r == 0)
		r = signals_open(&m->signals, &m->loop, numbers, 2, on_signal, m);
	if (r == 0)
		timer_start_every(m->tick, TICK_MS);
	return r;
}

static int listen_on(struct worker_slot *slot, enum service_id service, struct error *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct settings *s = slot->master->settings;
	const struct marks marks = marks_of(s->mark_mask, s->mark);

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		int fd;

		if (!settings_source(s, families[i]))
			continue;
		if (follow_give_listener(slot, service, families[i], &fd) < 0)
			fd = source_listen(families[i], settings_listen_port(s, service),
				mark_bits(&marks, MARK_LISTENER), err);
		if (fd < 0)
			return fd;
		slot->listeners[slot->n_listeners++] =
			(struct listener){ .service = service, .fd = fd };
	}
	return 0;
}

/* One socket, which each worker has: they take turns. */
static int open_lmtp(struct master *m, const char *place, struct error *err)
{
	CLEANUP(fd_closep) int fd = -1;

	if (follow_give_lmtp(m, place, &fd) < 0)
		fd = lmtp_listen(m->settings, place, err);
	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < m->n_slots; i++) {
		struct worker_slot *slot = &m->slots[i];
		int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		if (copy < 0)
			return error_errno(err, -errno, "`lmtp`: %s", place);
		slot->listeners[slot->n_listeners++] =
			(struct listener){ .service = SERVICE_LMTP, .fd = copy };
	}
	log_info(NULL, "lmtp", "listens=%s", place);
	return 0;
}

static void ask_source(struct master *m, enum service_id service)
{
	enum offer_kind other =
		offer_other_kind(m->settings->services[service].source_tls);

	probe_init(&m->probes[m->n_probes++], &m->loop, m->settings, service, OFFER_OURS,
		&probe_ops, m);
	/* all its clients speak TLS, or none whose TLS we see */
	if (other == OFFER_OURS ||
		(other == OFFER_CLEAR && service_is_implicit(service)) ||
		(other == OFFER_TLS && !settings_ends_tls(m->settings, service)))
		return;
	probe_init(&m->probes[m->n_probes++], &m->loop, m->settings, service, other,
		&probe_ops, m);
}

static int open_service(struct master *m, enum service_id service, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; i < m->n_slots && r == 0; i++)
		r = listen_on(&m->slots[i], service, err);
	/* what is only passed on need not be known */
	if (r == 0 && (!service_is_implicit(service) ||
			      settings_ends_tls(m->settings, service)))
		ask_source(m, service);
	return r;
}

static int open_services(struct master *m, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < SERVICE_COUNT && r == 0; i++)
		if (m->settings->services[i].enabled && protocol_of((enum service_id)i))
			r = open_service(m, (enum service_id)i, err);
	for (size_t i = 0; i < m->settings->lmtp.n && r == 0; i++)
		r = open_lmtp(m, m->settings->lmtp.paths[i], err);
	if (r == 0 && !m->slots[0].n_listeners)
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
	/* a worker's listening sockets need a worker: their clients wait in them; a
	   restart is what gives `workers` its effect */
	for (size_t i = 0; m->start->takes_over && i < m->n_handed; i++)
		if (m->handed[i].worker >= m->n_slots)
			m->n_slots = m->handed[i].worker + 1;
	if (m->n_slots > WORKERS_MAX)
		m->n_slots = WORKERS_MAX;
	m->n_links = m->n_slots + 1;
	m->slots = calloc(m->n_links, sizeof(*m->slots));
	if (!m->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < m->n_links; i++) {
		m->slots[i].master = m;
		m->slots[i].index = i;
	}
	return connection_limits_init(&m->limits, m->n_slots, m->first_number);
}

/* While it is one process, and errors are still for a person. */
static int try_registry(const struct settings *s, bool begins, struct error *err)
{
	struct registry *r = NULL;
	int code = registry_open_in(s->state_dir, &r, err);

	if (code == 0 && begins)
		code = registry_unseen_all_over(
			r, err); /* there may be fewer workers now */
	registry_close(r);
	return code;
}

/* Without it an office that logs in at once is a crowd of strangers for a minute: no
   reason not to start. */
static void recall_networks(struct master *m)
{
	struct registry *r = NULL;
	struct error err = { 0 };
	int n = registry_open_in(m->settings->state_dir, &r, &err);

	if (n == 0)
		n = networks_recall(&m->limits, r, &err);
	registry_close(r);
	if (n < 0)
		log_warning(NULL, "networks", "error=\"%s\"", err.text);
	else
		log_info(NULL, "networks", "known_clients=%d", n);
}

static void raise_descriptor_limit(const struct settings *s)
{
	uint64_t wanted = descriptors_of_interceptor(&s->limits);
	uint64_t have = process_allow_descriptors(wanted);

	if (have < wanted)
		log_warning(NULL, "limits",
			"descriptors=%llu wanted=%llu: fewer connections than `limits` "
			"allows",
			(unsigned long long)have, (unsigned long long)wanted);
}

static int drop_rights(const struct users *users, struct error *err)
{
	/* only to give them to workers that it starts again */
	static const int kept[] = { CAP_NET_RAW };
	const struct sandbox sandbox = { .allows = SANDBOX_SOCKETS | SANDBOX_LISTENS |
		                                   SANDBOX_DATABASE | SANDBOX_FOLDER |
		                                   SANDBOX_BULK | SANDBOX_CHILDREN,
		.user = &users->of[USER_INTERCEPTOR],
		.capabilities = kept,
		.n_capabilities = 1,
		.passed = kept,
		.n_passed = 1 };

	return sandbox_enter(&sandbox, err);
}

static int make_files(const struct settings *s, bool begins, const struct users *users,
	struct error *err)
{
	int r = process_make_directory(s->state_dir, 0711, err);

	if (r == 0)
		r = process_make_directory(s->run_dir, 0755, err);
	if (r == 0)
		r = folders_of_interceptor(s, users, err);
	if (r == 0)
		r = try_registry(s, begins, err);
	return r < 0 ? r : users_share_registry(s, users, err);
}

static int open_control(struct master *m, const struct users *users, struct error *err)
{
	int r = control_open(m, err);

	return r < 0 ? r
	             : users_share_socket(
			       m->settings, INTERCEPTOR_SOCKET, users->sockets, err);
}

static int set_up(struct master *m, struct error *err)
{
	struct users users;
	int r = users_load(m->settings, &users, err);

	if (r == 0)
		r = make_files(m->settings, !m->start->takes_over, &users, err);
	if (r == 0 && m->start->takes_over)
		r = follow_ask(m, err);
	else if (r == 0 && m->start->handed >= 0)
		r = follow_kept(m, err);
	if (r < 0)
		return r;
	raise_descriptor_limit(m->settings);
	r = make_slots(m);
	if (r == 0)
		recall_networks(m);
	if (r == 0)
		r = open_loop(m);
	if (r < 0)
		return error_errno(err, r, "cannot start");
	r = open_services(m, err);
	if (r == 0 && !m->start->takes_over) {
		follow_close_rest(m);
		r = open_control(m, &users, err);
	}
	if (r == 0)
		r = tasks_open(m, &users, err);
	if (r == 0)
		r = drop_rights(&users, err);
	if (r == 0 && m->start->takes_over)
		r = follow_commit(m, err);
	if (r == 0)
		tasks_begin(m);
	return r;
}

static void init(struct master *m, struct program_start *start)
{
	m->start = start;
	m->settings = &start->settings;
	m->started_by = geteuid();
	m->takeover = m->door = m->memory = -1;
	tasks_init(m);
	LIST_INIT(&m->clients);
	LIST_INIT(&m->requests);
}

int master_run(struct program_start *start)
{
	static struct master master; /* large, and one */
	struct master *m = &master;
	struct error err = { 0 };

	init(m, start);
	if (set_up(m, &err) < 0) {
		log_error(NULL, "start", "error=\"%s\"", err.text);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "workers=%u listeners=%zu", m->n_slots,
		m->slots[0].n_listeners);
	loop_run(&m->loop, sweep, m);
	log_info(NULL, "stop", "workers=%u", m->n_slots);
	timer_stop(m->tick);
	tasks_retire(m);
	workers_stop(m);
	return EXIT_SUCCESS;
}
