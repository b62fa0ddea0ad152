/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/worker.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "interceptor/login/login.h"
#include "interceptor/protocols/protocol.h"
#include "interceptor/session/quiesce.h"
#include "interceptor/smtp/courier.h"
#include "interceptor/smtp/filter.h"
#include "interceptor/smtp/smtp.h"
#include "interceptor/smtp/staging.h"
#include "interceptor/sockets/source.h"
#include "interceptor/tls/hello.h"
#include "interceptor/worker/keeper.h"
#include "messages/ask.h"
#include "registry/alias.h"
#include "registry/retire.h"
#include "tls/traffic.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS 250             /* how exact time-outs are */
#define GATHER_MS 10            /* for log lines and reports that follow upon others */
#define POKE_AGAIN_MS 1000      /* the transfer was not there */
#define REGISTRY_PATIENCE_MS 20 /* several commits of others */
#define LAST_PATIENCE_MS 1000
#define FORGET_TICKS 240 /* of unseen connections, once a minute */
#define KEYS_TICKS 12    /* so long a worker that begins waits for its keys: 3 s */
#define RECHECK_TICKS 4  /* held sessions look at the route once a second */
/* Free memory that stays with the process: a session's comes and goes at the end of the
   heap, and the kernel would clear the same pages for each login again. */
#define HEAP_KEPT (4 << 20)

/* ---- accept ---- */

/* Answers with a reset: a client that connects to the listener itself, past the rules,
   would make us connect to ourselves. */
static void refuse_unknown(int fd, const union endpoint *peer, const union endpoint *to)
{
	struct linger reset = { .l_onoff = 1 };
	char from[ADDRESS_TEXT_MAX], where[ADDRESS_TEXT_MAX];

	endpoint_text(peer, from);
	endpoint_text(to, where);
	log_warning(NULL, "stranger", "client=%s to=%s: not the source", from, where);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

/* ECONNABORTED: that client is gone again. EMFILE, ENFILE, ENOBUFS...: the others wait in
   the backlog until the next tick, and the loop does not spin. */
void worker_accept_failed(struct listener *l, int code)
{
	if (code == ECONNABORTED || code == EINTR || code == EAGAIN)
		return;
	log_warning(NULL, "accept", "error=\"%s\"", strerror(code));
	watch_want(l->watch, 0);
}

static void accepted(
	struct listener *l, int fd, const union endpoint *peer, const union endpoint *to)
{
	static const struct tls_service imaps = { { &login_handler, &login_imap },
		"imap" };
	static const struct tls_service pop3s = { { &login_handler, &login_pop3 },
		"pop3" };
	static const struct tls_service smtps = { { &smtp_handler, NULL }, NULL };
	static const struct service_handler handlers[SERVICE_COUNT] = {
		[SERVICE_IMAP] = { &login_handler, &login_imap },
		[SERVICE_POP3] = { &login_handler, &login_pop3 },
		[SERVICE_SMTP] = { &smtp_handler, NULL },
		[SERVICE_SUBMISSION] = { &smtp_handler, NULL },
		[SERVICE_IMAPS] = { &tls_hello_handler, &imaps },
		[SERVICE_POP3S] = { &tls_hello_handler, &pop3s },
		[SERVICE_SMTPS] = { &tls_hello_handler, &smtps },
	};
	struct worker *w = l->worker;
	struct arrival arrival = { .service = l->service,
		.networks = client_networks(w->limits->key, &peer->any),
		.peer = *peer,
		.destination = *to };
	struct stream *client;

	arrival.is_from_known = network_is_known(w->limits, &arrival.networks);
	if (stream_plain_new(&w->loop, fd, &client) < 0)
		close(fd);
	else
		session_accept(&w->host, &handlers[l->service], &arrival, client);
}

/* One a turn: the sessions have their turn, and nobody is asked only to hear EAGAIN. */
static void listener_ready(void *context, int events, int error)
{
	struct listener *l = context;
	union endpoint peer = { 0 }, to = { 0 };
	socklen_t len = sizeof(peer), to_len = sizeof(to);
	int fd = accept4(l->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	(void)error;
	if (fd < 0)
		worker_accept_failed(l, errno);
	else if (getsockname(fd, &to.any, &to_len) < 0)
		close(fd);
	else if (!source_is(l->worker->host.settings, &to))
		refuse_unknown(fd, &peer, &to);
	else
		accepted(l, fd, &peer, &to);
}

/* Clients wait for the keys of the TLS that is offered to them, but not for a vault that
   does not come. */
void worker_accept(struct worker *w)
{
	bool may = !w->host.settings->tls.certificates.n || w->tls.server ||
	           w->ticks > KEYS_TICKS;

	for (size_t i = 0; i < w->n_listeners && may; i++)
		watch_want(w->listeners[i].watch, UV_READABLE);
}

/* ---- what the source shows ---- */

void worker_load_offer(struct worker *w, enum service_id service)
{
	struct offer *o;
	struct error err = { 0 };
	/* without a key of ours nobody is there any more with whom TLS could be spoken */
	enum service_tls tls =
		w->is_retired && !settings_ends_tls(w->host.settings, service)
			? SERVICE_TLS_HIDE
			: w->host.settings->services[service].tls;
	int r = offer_load(w->host.registry, service,
		&w->host.settings->services[service], tls, &o, &err);

	if (r < 0) {
		if (r != -ENOENT)
			log_error(NULL, "offer", "service=%s error=\"%s\"",
				service_name(service), err.text);
		return;
	}
	o->from_us = w->host.legs.of[service].from == LEG_OWN;
	offer_unref(w->offers[service]);
	w->offers[service] = o;
}

/* ---- others ---- */

void worker_handle(struct worker *w, const char *from, const struct message_row *rows,
	size_t n, struct packet *p)
{
	struct error err;

	if (message_handle(rows, n, p, w, &err) == 0)
		return;
	log_error(NULL, from, "error=\"%s\"", err.text);
	abort();
}

void worker_tell_transfer(struct worker *w, const struct message *m)
{
	if (loop_now(&w->loop) >= w->poke_again_at &&
		ask_tell(w->host.settings->run_dir, TRANSFER_SOCKET, m, NULL) < 0)
		w->poke_again_at = loop_now(&w->loop) + POKE_AGAIN_MS;
}

void worker_poke_transfer(struct worker *w, const char *account)
{
	struct message m = { .type = MESSAGE_ACCOUNT_DUE, .account = str_from(account) };

	/* it asks the master next whether that account has sessions */
	(void)worker_send_reports(w);
	/* when it does not run: it looks at the registry when it starts */
	worker_tell_transfer(w, &m);
}

void worker_hand_over_recipients(struct worker *w)
{
	struct error err = { 0 };
	int r = recipient_counts_hand_over(&w->recipients, w->host.registry, &err);

	if (r < 0 && r != -EBUSY)
		log_error(NULL, "recipients", "error=\"%s\"", err.text);
}

int worker_write_unseen(struct worker *w)
{
	struct error err = { 0 };
	int r = unseen_flows_write(&w->unseen, w->host.registry, w->number, &err);

	if (r < 0 && r != -EBUSY)
		log_error(NULL, "unseen", "error=\"%s\"", err.text);
	return r;
}

/* ---- time ---- */

static int begin_group(void *context, struct error *err)
{
	return registry_begin_group(((struct worker *)context)->host.registry, err);
}

static int learn_late(void *context, const struct proven_login *login,
	struct account_route *ret_route, bool *ret_became_due, struct error *err)
{
	return keeper_learn(context, login, ret_route, ret_became_due, err);
}

static int end_group(void *context, struct error *err)
{
	return registry_end_group(((struct worker *)context)->host.registry, err);
}

bool worker_learn_late(struct worker *w)
{
	static const struct late_login_ops ops = { .begin = begin_group,
		.learn = learn_late,
		.end = end_group,
		.learnt = worker_learnt };

	/* connects, if it must, before the registry is locked */
	if (w->late_logins.n) {
		(void)vault_link_is_ready(w);
		late_logins_retry(&w->late_logins, &ops, w);
	}
	return w->late_logins.n == 0;
}

/* A burst goes on: who comes next is written with others, too. */
static void on_learning(void *context)
{
	struct worker *w = context;

	if (w->late_logins.n && worker_learn_late(w))
		timer_start(w->learning, LEARN_LATER_MS);
}

static void report_notes(struct worker *w)
{
	static const char *const kinds[] = {
		[NOTE_REFUSED] = "refused-logins",
		[NOTE_UNANSWERED] = "unanswered",
		[NOTE_CLEAR_MAIL] = "clear-mail",
		[NOTE_FILTER] = "filter",
	};

	if (w->host.notes[NOTE_CLEAR_MAIL])
		(void)registry_note_clear_mail(w->host.registry, NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct message m = { .type = MESSAGE_ALARM,
			.service = str_from(kinds[i]),
			.number = w->host.notes[i] };

		if (m.number && message_send(&w->master, &m, -1) == 0)
			w->host.notes[i] = 0;
	}
}

/* `mailferry retire`, and its way back, take effect without a restart. */
static void follow_retirement(struct worker *w)
{
	uint64_t since = 0;

	if (registry_retired(w->host.registry, &since, NULL) < 0 ||
		w->is_retired == (since != 0))
		return;
	w->is_retired = since != 0;
	for (int i = 0; i < SERVICE_COUNT; i++)
		worker_load_offer(w, (enum service_id)i);
}

/* Likewise what `up` finds out of the way to the source. */
static void follow_legs(struct worker *w)
{
	struct legs before = w->host.legs, now;

	if (legs_read(w->host.settings, w->host.registry, &now) < 0)
		return; /* busy: the next time */
	w->host.legs = now;
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (before.of[i].from != w->host.legs.of[i].from)
			worker_load_offer(w, (enum service_id)i);
}

static void on_tick(void *context)
{
	struct worker *w = context;
	uint64_t now = loop_now(&w->loop);
	struct session *s, *next;

	w->ticks++;
	keeper_forget_key(&w->vault);
	if (w->host.settings->tls.certificates.n)
		(void)vault_link_is_ready(w); /* handshakes begin with its keys */
	vault_questions_tick(w);
	worker_accept(w);
	for (s = LIST_FIRST(&w->host.timed); s; s = next) {
		next = LIST_NEXT(s, timed);
		if (s->deadline <= now)
			session_timeout(s);
		else if (w->ticks % RECHECK_TICKS == 0)
			session_tick(s);
	}
	report_notes(w);
	(void)worker_write_unseen(w);
	if (w->index == 0 && w->ticks % FORGET_TICKS == 0)
		(void)registry_forget_unseen(
			w->host.registry, NULL); /* or the next time */
	follow_retirement(w);
	if (w->ticks % RECHECK_TICKS == 0)
		follow_legs(w);
	staging_tick(&w->host);
	filter_tick(&w->host);
	courier_tick(&w->host);
	if (!timer_runs(w->learning))
		(void)worker_learn_late(w);
	crossing_notes_write(&w->crossings, w->host.registry);
	quiesce_check(&w->host);
	worker_drain(w);
	if (w->recipients.n &&
		clock_wall_ms() - w->recipients.since_ms >= RECIPIENT_COUNTS_EVERY_MS)
		worker_hand_over_recipients(w);
}

static void on_gathered(void *context)
{
	(void)context; /* the sweep sees to the rest */
}

/* What comes alone goes at once; at thousands of logins a second neither a line nor a
   report of each is a system call, or a wake-up of the master. */
static void send_gathered(struct worker *w)
{
	bool any;

	if (timer_runs(w->gathering))
		return;
	any = log_flush();
	if (worker_send_reports(w) || any)
		timer_start(w->gathering, GATHER_MS);
}

/* Once a turn, when no callback is on the stack and the loop is about to sleep. */
static void sweep(void *context)
{
	struct worker *w = context;

	send_gathered(w);
	while (!LIST_EMPTY(&w->host.gone)) {
		struct session *s = LIST_FIRST(&w->host.gone);

		LIST_REMOVE(s, all);
		session_free(s);
	}
}

static void on_signal(void *context, int number)
{
	struct worker *w = context;

	(void)number;
	if (w->is_ending) /* the master waits no longer */
		loop_stop(&w->loop);
	else
		worker_end(w);
}

/* ---- set up ---- */

static int open_registry(struct worker *w, struct error *err)
{
	const struct settings *s = w->host.settings;
	int r = registry_open_in(s->state_dir, &w->host.registry, err);

	if (r == 0)
		r = registry_set_domains(w->host.registry, s->domains, s->n_domains);
	if (r == 0) {
		registry_set_subaddress(w->host.registry, settings_subaddress(s));
		registry_leave_checkpoints(w->host.registry);
		registry_remember_looks(w->host.registry);
		registry_limit_new_accounts(w->host.registry, s->limits.new_accounts);
		(void)legs_read(s, w->host.registry, &w->host.legs);
		/* those of a worker that died */
		r = registry_unseen_over(w->host.registry, w->number, err);
		/* nobody waits for us until now; at a start all others write, too */
		registry_set_patience(w->host.registry, REGISTRY_PATIENCE_MS);
	}
	return r < 0 && !err->code ? error_errno(err, r, "registry") : r;
}

static int drop_rights(struct worker *w, struct error *err)
{
	/* transparent sockets and their marks, for as long as it lives. CAP_NET_ADMIN
	   would do for both, and would let any socket change the packet filter. */
	static const int kept[] = { CAP_NET_RAW };
	const struct settings *s = w->host.settings;
	char files[REGISTRY_FILES][REGISTRY_FILE_MAX];
	char staging[PATH_MAX], reports[PATH_MAX];
	const struct sandbox_path paths[] = { { files[0], false }, { files[1], true },
		{ files[2], true }, { staging, false }, { reports, true } };
	const struct sandbox sandbox = { .allows = SANDBOX_SOCKETS | SANDBOX_LISTENS |
		                                   SANDBOX_DATABASE | SANDBOX_BULK |
		                                   SANDBOX_QUEUE,
		.capabilities = kept,
		.n_capabilities = 1,
		.paths = paths,
		.n_paths = sizeof(paths) / sizeof(paths[0]) };

	if (settings_state_path(s, STAGING_DIRECTORY, staging, PATH_MAX) < 0 ||
		settings_state_path(s, REPORTS_DIRECTORY, reports, PATH_MAX) < 0)
		return error_errno(err, -ENAMETOOLONG, "state_dir");
	registry_files(w->host.registry, files);
	return sandbox_enter(&sandbox, err);
}

static int open_loop(struct worker *w)
{
	int r = loop_init(&w->loop, false);

	if (r == 0)
		r = timer_new(&w->loop, on_tick, w, &w->tick);
	if (r == 0)
		timer_start_every(w->tick, TICK_MS);
	if (r == 0)
		r = timer_new(&w->loop, on_learning, w, &w->learning);
	if (r == 0)
		r = timer_new(&w->loop, on_gathered, w, &w->gathering);
	return r;
}

static int open_listeners(struct worker *w, const struct worker_parts *parts)
{
	for (size_t i = 0; i < parts->n_listeners; i++) {
		struct listener *l = &w->listeners[w->n_listeners++];
		int r;

		*l = parts->listeners[i];
		l->worker = w;
		r = watch_new(&w->loop, l->fd,
			l->service == SERVICE_LMTP ? worker_lmtp_ready : listener_ready,
			l, &l->watch);
		if (r < 0)
			return r;
	}
	if (w->host.settings->tls.certificates.n)
		(void)vault_link_is_ready(w);
	worker_accept(w);
	return 0;
}

static int open_signals(struct worker *w)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	return signals_open(&w->signals, &w->loop, numbers, 2, on_signal, w);
}

static void load_offers(struct worker *w)
{
	for (size_t i = 0; i < SERVICE_COUNT; i++)
		if (protocol_of((enum service_id)i))
			worker_load_offer(w, (enum service_id)i);
}

static void init_lists(struct worker *w)
{
	session_host_init(&w->host);
	recipient_counts_init(&w->recipients);
	late_logins_init(&w->late_logins);
	crossing_notes_init(&w->crossings);
	unseen_flows_init(&w->unseen);
}

static int set_up(struct worker *w, const struct worker_parts *parts, struct error *err)
{
	int r = open_registry(w, err);

	source_tls_prepare(&w->source_tls, w->host.settings);
	tls_traffic_enable(stream_ktls_probe() == 0);
	if (r == 0)
		r = drop_rights(w, err);
	if (r < 0)
		return r;
	r = open_loop(w);
	if (r == 0)
		r = relay_shared_init(&w->host.relay);
	if (r == 0)
		r = vault_link_init(w);
	if (r == 0)
		r = channel_open(
			&w->master, &w->loop, parts->master, &worker_master_ops, w);
	if (r == 0)
		r = open_signals(w);
	if (r == 0) {
		load_offers(w);
		r = open_listeners(w, parts);
	}
	return r < 0 ? error_errno(err, r, "cannot start a worker") : 0;
}

static int run(const struct worker_parts *parts)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct error err = { 0 };

	if (!w)
		return EXIT_FAILURE;
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	(void)mallopt(M_TOP_PAD, HEAP_KEPT / 4);
	w->host.ops = &worker_host_ops;
	w->host.settings = parts->settings;
	w->limits = parts->limits;
	w->index = parts->index;
	w->number = parts->limits->first + parts->index;
	w->host.pid = (unsigned)getpid();
	init_lists(w);
	if (set_up(w, parts, &err) < 0) {
		log_error(NULL, "start", "error=\"%s\"", err.text);
		free(w);
		return EXIT_FAILURE;
	}
	log_info(NULL, "ready", "worker=%u", w->number);
	log_gather();
	loop_run(&w->loop, sweep, w);
	/* there are no sessions any more: now it may wait */
	registry_set_patience(w->host.registry, LAST_PATIENCE_MS);
	(void)worker_learn_late(w);
	late_logins_fini(&w->late_logins);
	crossing_notes_write(&w->crossings, w->host.registry);
	crossing_notes_fini(&w->crossings);
	worker_hand_over_recipients(w);
	worker_write_unseen(w);
	(void)registry_unseen_over(w->host.registry, w->number, NULL);
	unseen_flows_fini(&w->unseen);
	vault_questions_fini(&w->vault); /* passwords */
	/* the kernel closes the rest */
	registry_close(w->host.registry);
	log_info(NULL, "stop", "worker=%u", w->number);
	(void)log_flush();
	free(w);
	return EXIT_SUCCESS;
}

int worker_run(const struct settings *settings, const char *index)
{
	struct listener listeners[LISTENERS_MAX] = { 0 };
	struct connection_limits limits;
	struct worker_parts parts = { .settings = settings,
		.limits = &limits,
		.master = WORKER_FD_MASTER,
		.listeners = listeners };
	uint64_t number = 0;
	int r = str_to_u64(str_from(index), &number) ? 0 : -EINVAL;

	if (r == 0)
		r = connection_limits_attach(&limits, WORKER_FD_LIMITS);
	if (r == 0 && number + 1 >= limits.n_rows)
		r = -EINVAL;
	if (r == 0)
		r = worker_find_listeners(settings, listeners, &parts.n_listeners);
	parts.index = (unsigned)number;
	if (r == 0)
		return run(&parts);
	log_error(NULL, "start",
		"error=\"only mailferry-interceptor starts workers\" code=%d", r);
	return EXIT_FAILURE;
}
