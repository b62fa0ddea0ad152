/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/worker/worker_fixture.h"

#include "base/fd.h"
#include "interceptor/worker/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 12
#define GREET_MS 10000 /* for the worker to connect; it does at once */

static void on_pulse(uv_idle_t *idle)
{
	(void)idle;
}

int worker_test_setup(void **state)
{
	struct worker_test *b = calloc(1, sizeof(*b));
	void *registry = NULL;
	int master[2];

	assert_int_equal(fixture_setup(&registry), 0);
	b->t = registry;
	b->listener = -1;
	b->settings.run_dir = b->t->directory;
	b->settings.limits.login_bytes = 8192;
	b->settings.limits.login_timeout_s = 180;
	b->settings.limits.connections = 1000;
	b->settings.limits.connections_per_ip = 1000;
	b->settings.limits.prelogin_bytes = 1000 * PRELOGIN_PLACE;
	b->settings.tls.ciphers = (char *)(uintptr_t) "";
	b->settings.source_name = (char *)(uintptr_t) "";
	b->w = calloc(1, sizeof(*b->w));
	b->w->host.ops = &worker_host_ops;
	b->w->host.settings = &b->settings;
	b->w->host.registry = b->t->r;
	b->w->host.pid = 0x4d2;
	b->w->limits = &b->limits;
	session_host_init(&b->w->host);
	late_logins_init(&b->w->late_logins);
	unseen_flows_init(&b->w->unseen);
	assert_int_equal(connection_limits_init(&b->limits, 1, 0), 0);
	assert_int_equal(loop_init(&b->w->loop, false), 0);
	assert_int_equal(relay_shared_init(&b->w->host.relay), 0);
	assert_int_equal(vault_link_init(b->w), 0);
	assert_int_equal(uv_idle_init(&b->w->loop.uv, &b->pulse), 0);
	assert_int_equal(uv_idle_start(&b->pulse, on_pulse), 0);
	assert_int_equal(ipc_pair(master), 0);
	assert_int_equal(channel_open(&b->w->master, &b->w->loop, master[0],
				 &worker_master_ops, b->w),
		0);
	b->master = master[1];
	*state = b;
	return 0;
}

static void free_gone(struct worker *w)
{
	while (!LIST_EMPTY(&w->host.gone)) {
		struct session *s = LIST_FIRST(&w->host.gone);

		LIST_REMOVE(s, all);
		session_free(s);
	}
}

int worker_test_teardown(void **state)
{
	struct worker_test *b = *state;
	void *registry = b->t;

	while (!LIST_EMPTY(&b->w->host.sessions))
		session_close(LIST_FIRST(&b->w->host.sessions), "test");
	free_gone(b->w);
	keeper_vault_lost(b->w);
	vault_questions_fini(&b->w->vault);
	channel_close(&b->w->vault.channel);
	channel_close(&b->w->mailstore);
	channel_close(&b->w->master);
	uv_close((uv_handle_t *)&b->pulse, NULL);
	assert_int_equal(loop_fini(&b->w->loop), 0);
	relay_shared_fini(&b->w->host.relay);
	unseen_flows_fini(&b->w->unseen);
	buf_fini(&b->w->reports);
	late_logins_fini(&b->w->late_logins);
	tls_server_free(b->w->tls.server);
	tls_server_free(b->w->tls.coming);
	tls_library_free(b->w->tls.library);
	fd_closep(&b->master);
	fd_closep(&b->listener);
	fd_closep(&b->limits.fd);
	free(b->w);
	(void)fixture_teardown(&registry);
	free(b);
	return 0;
}

void worker_test_turns(struct worker_test *b)
{
	for (int i = 0; i < TURNS; i++) {
		(void)worker_send_reports(b->w);
		loop_turn(&b->w->loop);
	}
	free_gone(b->w);
}

/* ---- programs ---- */

void worker_test_listen(struct worker_test *b, const char *name)
{
	char path[PATH_MAX];
	struct error err;

	assert_int_equal(settings_run_path(&b->settings, name, path, sizeof(path)), 0);
	b->listener = ipc_listen(path, 0600, &err);
	assert_true(b->listener >= 0);
}

int worker_test_accept(const struct worker_test *b)
{
	int fd = ipc_accept(b->listener);

	return fd < 0 ? -1 : fd;
}

void worker_test_ends(struct worker_test *b, const char *name)
{
	char path[PATH_MAX];

	fd_closep(&b->listener);
	assert_int_equal(settings_run_path(&b->settings, name, path, sizeof(path)), 0);
	(void)unlink(path);
}

/* ---- the vault ---- */

struct greeting {
	int listener, connection;
	const struct message *hello;
};

static void send_message(int fd, const struct message *m)
{
	static char bytes[IPC_MESSAGE_MAX];
	ssize_t n = message_encode(m, bytes, sizeof(bytes));

	assert_true(n > 0);
	assert_int_equal(ipc_send(fd, str_of(bytes, (size_t)n), NULL, 0), 0);
}

/* Another thread, since the worker waits for the first word. */
static void *greet(void *context)
{
	struct greeting *g = context;
	struct pollfd p = { .fd = g->listener, .events = POLLIN };

	if (poll(&p, 1, GREET_MS) == 1)
		g->connection = ipc_accept(g->listener);
	if (g->connection >= 0 && g->hello)
		send_message(g->connection, g->hello);
	else
		fd_closep(&g->connection);
	return NULL;
}

int worker_test_vault(
	struct worker_test *b, const struct message *hello, bool *ret_is_ready)
{
	struct greeting g = { .connection = -1, .hello = hello };
	pthread_t thread;

	worker_test_listen(b, VAULT_LOGIN_SOCKET);
	g.listener = b->listener;
	b->w->vault.again_at = 0;
	assert_int_equal(pthread_create(&thread, NULL, greet, &g), 0);
	*ret_is_ready = vault_link_is_ready(b->w);
	assert_int_equal(pthread_join(thread, NULL), 0);
	worker_test_ends(b, VAULT_LOGIN_SOCKET);
	return g.connection;
}

static const uint8_t seed[crypto_box_SEEDBYTES] = { 1, 2, 3 };

static void make_keys(uint8_t open[static BOX_KEY_SIZE], uint8_t own[static BOX_KEY_SIZE])
{
	assert_int_equal(crypto_box_seed_keypair(open, own, seed), 0);
}

int worker_test_vault_begins(struct worker_test *b)
{
	uint8_t open[BOX_KEY_SIZE], own[BOX_KEY_SIZE];
	struct message hello = { .type = MESSAGE_VAULT_READY };
	bool is_ready;
	int fd;

	make_keys(open, own);
	hello.payload = str_of((const char *)open, sizeof(open));
	fd = worker_test_vault(b, &hello, &is_ready);
	assert_true(is_ready);
	return fd;
}

bool worker_test_opens(struct str box, const char *account, const char *password)
{
	const uint8_t *bytes = (const uint8_t *)box.ptr;
	const size_t head = 1 + BOX_KEY_SIZE + BOX_NONCE_SIZE;
	uint8_t open[BOX_KEY_SIZE], own[BOX_KEY_SIZE], clear[512];
	char wanted[512];
	int n;

	make_keys(open, own);
	if (box.len < head + crypto_box_MACBYTES || box.len > sizeof(clear) ||
		bytes[0] != BOX_VERSION ||
		crypto_box_open_easy(clear, bytes + head, box.len - head,
			bytes + 1 + BOX_KEY_SIZE, bytes + 1, own) < 0)
		return false;
	n = snprintf(wanted, sizeof(wanted), "%c%s%s", (int)strlen(account), account,
		password);
	return str_eq(str_of((const char *)clear, box.len - head - crypto_box_MACBYTES),
		str_of(wanted, (size_t)n));
}

/* ---- messages ---- */

void worker_test_tell(struct worker_test *b, int fd, const struct message *m)
{
	send_message(fd, m);
	worker_test_turns(b);
}

bool worker_test_hears(int fd, struct message *ret, int *ret_fd)
{
	static char bytes[IPC_MESSAGE_MAX];
	int fds[IPC_FDS_MAX];
	size_t n_fds = 0;
	ssize_t n = ipc_receive(fd, bytes, sizeof(bytes), fds, &n_fds);

	if (n <= 0)
		return false;
	assert_int_equal(message_decode(str_of(bytes, (size_t)n), ret), 0);
	assert_true(n_fds <= 1 && (ret_fd || n_fds == 0));
	if (ret_fd)
		*ret_fd = n_fds ? fds[0] : -1;
	return true;
}

/* ---- sessions ---- */

struct session *worker_test_session(struct worker_test *b, const char *account)
{
	struct session *s = calloc(1, sizeof(*s));

	s->host = &b->w->host;
	s->service = SERVICE_IMAP;
	s->number = b->w->host.next_number++;
	s->account = str_dup_c(str_from(account));
	s->account_id = 7;
	s->peer.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(40000),
		.sin_addr = { htonl(0xc0000201) } };
	return s;
}

bool worker_test_aborts(void (*act)(struct worker_test *b, int fd, const void *what),
	struct worker_test *b, int fd, const void *what)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)close(STDERR_FILENO);
		act(b, fd, what);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* ---- a session that does nothing by itself ---- */

static void nothing(struct session *s)
{
	(void)s;
}

static struct session_events reads(const struct session *s)
{
	(void)s;
	return (struct session_events){ UV_READABLE, 0 };
}

static void source_lost(struct session *s, int code)
{
	(void)code;
	session_drop_source(s);
}

static struct str words(const void *protocol, enum close_reason reason)
{
	(void)protocol;
	(void)reason;
	return STR_LIT("bye\r\n");
}

static const char *state_name(const struct session *s)
{
	(void)s;
	return "waits";
}

static const struct handler waits = {
	.state_size = 1,
	.read_size = 4096,
	.begin = nothing,
	.init = nothing,
	.end = nothing,
	.wants = reads,
	.client_ready = nothing,
	.source_connected = nothing,
	.source_ready = nothing,
	.source_lost = source_lost,
	.timeout = nothing,
	.words = words,
	.state_name = state_name,
};

const struct service_handler worker_test_service = { &waits, NULL };
