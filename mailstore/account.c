/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/account_parts.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "event/timer.h"
#include "mailstore/client_socket.h"
#include "mailstore/refuse.h"
#include "mailstore/serve/quota_warning.h"
#include "mailstore/serve/services.h"
#include "mailstore/serve/sort_stored.h"
#include "mailstore/serve/text_index.h"
#include "net/stream_ktls.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENDING_MS 5000        /* for the last words to clients; then they are cut off */
#define QUEUE_MAX (16u << 20) /* answers, each less than 1 KB; more: no master reads */
#define BUSY_WHY "The mailbox is in use by a transfer, try again in a moment."
#define RESTORED_WHY "Your mailbox was restored, please log in again."
#define KICKED_WHY "Closed by the administrator, please log in again."
#define LEFT_WHY "Your mailbox has moved, please log in again."
#define BROKEN_WHY "The mailbox cannot be opened now; the administrator is told."

/* ── what the master is told ───────────────────────────────────────────────────────── */

static void stop_when_done(struct account *a)
{
	if (a->ending && !connections_count(&a->connections))
		loop_stop(&a->loop);
}

static void end_all(struct account *a, const char *why)
{
	if (a->ending)
		return;
	a->ending = true;
	timer_start(a->timer, ENDING_MS);
	connections_bye(&a->connections, why);
	stop_when_done(a);
}

void account_tell_master(struct account *a, const struct message *m)
{
	int r = message_send(&a->master, m, -1);

	if (r < 0 && !a->ending)
		log_error(NULL, "master", "account=%s error=%d", a->name, -r);
}

void account_alarm(struct account *a, const struct error *err)
{
	static const struct {
		int code;
		const char *kind;
	} kinds[] = {
		{ -EUCLEAN, "damage" },
		{ -EIO, "damage" },
		{ -ENOSPC, "disk-full" },
		{ -EROFS, "read-only" },
		{ -EACCES, "read-only" },
	};
	struct message m = { .type = MESSAGE_ALARM,
		.account = str_from(a->name),
		.text = str_from(err->text) };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].code == err->code)
			m.service = str_from(kinds[i].kind);
	if (m.service.len)
		account_tell_master(a, &m);
}

/* ── the store ─────────────────────────────────────────────────────────────────────── */

/* What needs the rest of the system comes before: the time zone. */
static int enter(struct account *a, const struct settings *settings, struct error *err)
{
	char path[PATH_MAX];
	int code = settings_mail_path(settings, str_from(a->name), path, sizeof(path));

	if (code < 0)
		return error_errno(err, code, "no folder for %s", a->name);
	tzset();
	serve_begin(&a->serve);
	code = process_enter(path, err);
	a->entered = code == 0;
	return code;
}

static void log_settled(const struct account *a)
{
	uint64_t count = store_settled(a->serve.store);

	if (count)
		log_info(NULL, "settled", "account=%s messages=%llu", a->name,
			(unsigned long long)count);
}

/* From the first login or message on, what is here may be nowhere else. -EBUSY: it has
   left; what was on its way to us when it went back to the source would be seen by nobody
   here. */
static int take_into_service(struct store *s, struct error *err)
{
	struct store_identity is;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_identity(s, &arena, &is, err);
	if (code == 0 && is.service == STORE_LEFT)
		code = -EBUSY;
	else if (code == 0)
		code = store_set_service(s, STORE_SERVED, clock_wall_ms(), err);
	arena_fini(&arena);
	/* with a full disk what is here can be read, and room be made */
	return code == -ENOSPC ? 0 : code;
}

static int refuse_left(struct account *a, const char **ret_why)
{
	log_warning(NULL, "left", "account=%s", a->name);
	store_close(a->serve.store);
	a->serve.store = NULL;
	*ret_why = LEFT_WHY;
	return -EBUSY;
}

/* Somebody copies the folder back while we have it open. What we hold is shown to nobody,
   and nothing is written any more; the next process opens what is there then. */
bool account_is_replaced(void *context)
{
	struct account *a = context;
	struct error err = { .code = -EUCLEAN };
	enum store_presence is =
		a->serve.store ? store_presence(a->serve.store) : STORE_THERE;

	if (is == STORE_THERE)
		return false;
	if (a->ending)
		return true;
	(void)error_set(&err, -EUCLEAN,
		is == STORE_GONE ? "another folder is in its place"
				 : "files of it were replaced while it was open; remove "
				   "the whole folder, then copy it once more");
	log_warning(NULL, "replaced", "account=%s error=\"%s\"", a->name, err.text);
	if (is == STORE_OVERWRITTEN)
		account_alarm(a, &err);
	end_all(a, RESTORED_WHY);
	return true;
}

/* A transfer may hold the folder for a while: each login tries again. */
int account_open_store(struct account *a, const char **ret_why)
{
	struct error err = { 0 };
	int code;

	if (a->serve.store)
		return 0;
	code = a->entered ? store_open(".", false, &a->serve.store, &err) : -ENOENT;
	if (code == 0) {
		store_set_reserve(a->serve.store, a->disk_reserve);
		code = take_into_service(a->serve.store, &err);
		if (code == -EBUSY)
			return refuse_left(a, ret_why);
		if (code < 0) {
			store_close(a->serve.store);
			a->serve.store = NULL;
		}
	}
	if (code == 0) {
		log_settled(a);
		background_start(&a->background);
		return 0;
	}
	if (a->entered) {
		log_error(NULL, "store", "account=%s error=\"%s\"", a->name, err.text);
		account_alarm(a, &err);
	}
	*ret_why = code == -EBUSY ? BUSY_WHY : BROKEN_WHY;
	return code;
}

/* ── sessions ──────────────────────────────────────────────────────────────────────── */

static void on_ended(void *context, const struct connection_end *end)
{
	struct account *a = context;
	struct message m = { .type = MESSAGE_SERVE_END,
		.account = str_from(a->name),
		.session = end->session,
		.number = end->bytes_in,
		.number2 = end->bytes_out,
		.text = str_from(end->reason) };

	account_tell_master(a, &m); /* and the log, by it */
	stop_when_done(a);
}

static void on_passed(void *context, const struct connection_end *so_far)
{
	struct account *a = context;
	struct message m = { .type = MESSAGE_SERVED,
		.account = str_from(a->name),
		.session = so_far->session,
		.number = so_far->bytes_in,
		.number2 = so_far->bytes_out };

	account_tell_master(a, &m);
}

static void complain(void *context, struct session *s, const struct error *err)
{
	const struct connections *all = context;
	struct account *a = all->context;

	log_error(s->id, "store", "account=%s error=\"%s\"", a->name, err->text);
	account_alarm(a, err);
}

static void refuse_login(
	struct account *a, const struct message *m, int socket, const char *why)
{
	struct message end = { .type = MESSAGE_SERVE_END,
		.account = str_from(a->name),
		.session = m->session,
		.text = STR("refused") };

	refuse(m, socket, why);
	account_tell_master(a, &end);
}

static void on_serve(void *context, const struct message *m, int socket)
{
	struct account *a = context;
	const struct service_ops *ops = service_find(m->service);
	struct login login = { .session = m->session,
		.service = m->service,
		.tag = m->tag,
		.client = m->client,
		.payload = m->payload,
		.kind = (enum login_kind)m->number,
		.due = m->number2 };
	const char *why = a->ending ? RESTORED_WHY : "This service is not offered here.";
	struct stream *stream;

	if (account_is_replaced(a))
		why = RESTORED_WHY;
	if (!ops || a->ending || account_open_store(a, &why) < 0) {
		refuse_login(a, m, socket, why);
		return;
	}
	client_socket_tune(socket);
	if (stream_socket_new(&a->loop, socket, &stream) < 0)
		refuse_login(a, m, socket, BROKEN_WHY);
	else if (connection_start(&a->connections, ops, &login, stream) < 0)
		refuse_login(a, m, -1, why);
}

/* Before it ends: a mailbox that moves is moved with all that was accepted for it. */
static int settle(struct account *a)
{
	struct error err = { 0 };
	uint64_t count = 0;
	int code = 0;

	if (a->serve.store && store_presence(a->serve.store) != STORE_THERE)
		return -ESTALE; /* what it has taken is asked for once more */
	if (a->serve.store)
		code = store_settle(a->serve.store, &count, &err);
	if (code < 0)
		log_error(NULL, "settle", "account=%s error=\"%s\"", a->name, err.text);
	else if (count)
		log_info(NULL, "settled", "account=%s messages=%llu", a->name,
			(unsigned long long)count);
	return code;
}

/* ── the master ────────────────────────────────────────────────────────────────────── */

static void on_timer(void *context)
{
	struct account *a = context;

	loop_stop(&a->loop);
}

static void on_release(void *context, const struct message *m, int fd)
{
	(void)m;
	(void)fd;
	end_all(context, "Your mailbox moves, please log in again.");
}

static void on_kick(void *context, const struct message *m, int fd)
{
	(void)fd;
	connections_kick(
		&((struct account *)context)->connections, m->session, KICKED_WHY);
}

static void on_ping(void *context, const struct message *m, int fd)
{
	const struct message answer = { .type = MESSAGE_PONG };

	(void)m;
	(void)fd;
	account_tell_master(context, &answer);
}

static const struct message_row message_rows[] = {
	{ MESSAGE_PING, false, on_ping },
	{ MESSAGE_SERVE, true, on_serve },
	{ MESSAGE_ROOM, false, account_on_delivery },
	{ MESSAGE_STAGE, true, account_on_delivery },
	{ MESSAGE_SWEEP, true, account_on_delivery },
	{ MESSAGE_MEND, true, account_on_delivery },
	{ MESSAGE_DELIVER, false, account_on_delivery },
	{ MESSAGE_DISCARD, false, account_on_delivery },
	{ MESSAGE_RELEASE, false, on_release },
	{ MESSAGE_KICK, false, on_kick },
	{ MESSAGE_LEAVE, false, account_on_leave },
};

static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct account *a = context;
	struct error err;

	(void)c;
	if (message_handle(message_rows, sizeof(message_rows) / sizeof(message_rows[0]),
		    p, a, &err) == 0)
		return;
	log_error(NULL, "master", "account=%s error=\"%s\"", a->name, err.text);
	abort(); /* our own program has a bug */
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct account *a = context;

	(void)code;
	channel_close(c);
	account_run_deliveries(a);
	end_all(a, "Server shuts down.");
}

static const struct channel_ops master_ops = { .message = on_message,
	.lost = on_lost,
	.bytes_max = QUEUE_MAX,
	.fds_max = CONNECTIONS_ASLEEP_MAX };

/* When all that came in this turn is read. */
static void before_sleep(void *context)
{
	account_run_deliveries(context);
	account_look_for_sleep(context);
	quiet_turn(&((struct account *)context)->background.quiet);
}

/* ── the process ───────────────────────────────────────────────────────────────────── */

static int start_loop(struct account *a)
{
	/* a client's socket may still be open in the interceptor for a moment */
	int r = loop_init(&a->loop, true);

	if (r == 0)
		r = timer_new(&a->loop, on_timer, a, &a->timer);
	if (r == 0)
		r = background_init(&a->background, a->name, &a->loop, &a->serve);
	if (r == 0)
		r = channel_open(&a->master, &a->loop, ACCOUNT_SOCKET, &master_ops, a);
	if (r < 0)
		return r;
	connections_init(&a->connections, &a->loop, &a->serve);
	a->connections.ended = on_ended;
	a->connections.passed = on_passed;
	a->connections.is_over = account_is_replaced;
	a->connections.context = a;
	a->serve.complain = complain;
	a->serve.context = &a->connections;
	return account_sleep_init(a);
}

static void stop_loop(struct account *a)
{
	connections_fini(&a->connections);
	background_fini(&a->background);
	channel_shut(&a->master); /* the master has our end, too, and hears of it now */
	channel_close(&a->master);
	timer_free(a->timer);
	timer_free(a->sleep_timer);
	(void)loop_fini(&a->loop);
}

static int serve(struct account *a, const struct settings *settings)
{
	const struct sandbox_path folder = { .path = "/" };
	struct sandbox sandbox = { .allows = SANDBOX_OF_ACCOUNT, .paths = &folder };
	struct error err = { 0 };
	int r;

	a->serve.message_bytes = settings->limits.message_bytes;
	a->serve.quota =
		(struct quota){ settings->quota.bytes, settings->quota.messages };
	quota_warnings_set(
		&a->serve, settings->quota_warnings.percents, settings->quota_warnings.n);
	a->serve.letter = (struct quota_letter){ a->name, settings->domains[0] };
	a->disk_reserve = settings->limits.disk_reserve;
	a->hibernate_ms = settings->hibernate_s * UINT64_C(1000);
	if (enter(a, settings, &err) < 0) /* each login will be told */
		log_error(NULL, "start", "account=%s error=\"%s\"", a->name, err.text);
	if (settings->search_index)
		text_index_allow(&a->serve);
	/* outside of the folder there is nothing that it could name */
	sandbox.n_paths = a->entered;
	if (sandbox_enter(&sandbox, &err) < 0) {
		log_error(NULL, "start", "account=%s error=\"%s\"", a->name, err.text);
		return EXIT_FAILURE;
	}
	r = start_loop(a);
	if (r < 0) {
		log_error(
			NULL, "start", "account=%s error=\"%s\"", a->name, strerror(-r));
		return EXIT_FAILURE;
	}
	loop_run(&a->loop, before_sleep, a);
	stop_loop(a);
	return settle(a) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int account_run(const struct settings *settings, const char *name)
{
	struct account *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return EXIT_FAILURE;
	/* the master says when to end, so that clients are told */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	a->name = name;
	r = serve(a, settings);
	view_images_fini(&a->serve.images);
	if (a->serve.store)
		(void)sort_stored_keep(&a->serve, NULL);
	sort_cache_fini(&a->serve.sort_cache);
	store_close(a->serve.store);
	free(a);
	return r;
}
