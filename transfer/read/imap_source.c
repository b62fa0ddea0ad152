/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_source.h"

#include "base/arena.h"
#include "base/clock.h"
#include "transfer/read/imap_answers.h"
#include "transfer/read/imap_commands.h"
#include "transfer/read/imap_login.h"
#include "transfer/read/imap_look.h"
#include "transfer/read/pace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 180000 /* EXAMINE of a huge mbox file takes minutes */
#define TICK_MS 200
/* When a further connection pays: measured, two carry 1.5 times what one does; below
   this much the login costs more than it brings. */
#define CONNECTION_WORTH ((uint64_t)16 << 20)

struct imap_source {
	struct arena secrets; /* the login: wiped with it */
	struct sockaddr_storage addresses[IMAP_SOURCE_ADDRESSES_MAX];
	size_t n_addresses;
	const struct sockaddr_storage *address; /* the one that answered */
	struct imap_account account;
	unsigned connections_max; /* how many may be */
	unsigned patience_ms;
	bool careful; /* one command at a time: the server cannot do more */
	bool forgets; /* the login, once it has worked */
	struct imap_connection imap[SOURCE_CONNECTIONS_MAX];
	unsigned n_open;  /* open */
	uint64_t session; /* of the first of them; from 1 */
	struct imap_queue queue;
};

/* ---- connecting ---- */

static int connect_any(struct imap_source *s, struct imap_connection *imap,
	struct imap_account *account, struct error *err)
{
	int r = error_set(err, -EDESTADDRREQ, "no address of the source is known");

	for (size_t i = 0; i < s->n_addresses; i++) {
		r = imap_log_in(imap, &s->addresses[i], account, s->patience_ms, err);
		/* only who did not answer may have another address */
		if (r == 0)
			s->address = &s->addresses[i];
		if (r == 0 || r == -EACCES || r == -EAGAIN || r == -EPERM)
			break;
	}
	pace_login_ended(account->dialer.pace, r, clock_monotonic_ms());
	return r;
}

static int imap_connect(void *self, struct error *err)
{
	struct imap_source *s = self;
	int r = connect_any(s, &s->imap[0], &s->account, err);

	s->n_open = r == 0;
	s->session++;
	if (r == 0 && s->forgets) {
		arena_fini(&s->secrets);
		s->account.login = s->account.user = s->account.password = STR_LIT("");
	}
	return r;
}

int imap_source_log_in(
	const struct source *imap, struct imap_connection *ret, struct error *err)
{
	struct imap_source *s = imap->self;

	return connect_any(s, ret, &s->account, err);
}

/* A courtesy: its log says "logged out" and not "connection lost". */
static void log_out(struct imap_connection *imap)
{
	if (!imap->n_sent && buf_append_c(&imap->net.out, "z LOGOUT\r\n") == 0)
		(void)source_connection_flush(&imap->net, NULL);
	imap_connection_close(imap);
}

static int imap_use(void *self, struct str login, struct str password, struct error *err)
{
	struct imap_source *s = self;
	struct arena before = s->secrets;

	arena_init(&s->secrets);
	s->account.login = arena_str(&s->secrets, login);
	s->account.password = arena_str(&s->secrets, password);
	arena_fini(&before);
	return s->account.login.ptr && s->account.password.ptr
	               ? 0
	               : error_set(err, -ENOMEM, "no memory");
}

static int imap_use_master(void *self, struct str login, struct str user,
	struct str password, struct error *err)
{
	struct imap_source *s = self;
	int r = imap_use(s, login, password, err);

	if (r == 0) {
		s->account.user = arena_str(&s->secrets, user);
		s->account.is_master = s->forgets = true;
		s->connections_max = 1;
	}
	return r < 0 || s->account.user.ptr ? r : error_set(err, -ENOMEM, "no memory");
}

static int imap_test(void *self, struct str login, struct str password, struct error *err)
{
	struct imap_source *s = self;
	struct imap_account account = { .login = login,
		.password = password,
		.dialer = s->account.dialer,
		.prefers_login = s->account.prefers_login };
	struct imap_connection imap;
	int r;

	imap_connection_init(&imap);
	r = connect_any(s, &imap, &account, err);
	if (r == 0)
		log_out(&imap);
	return r;
}

static void imap_close(void *self)
{
	struct imap_source *s = self;

	for (unsigned i = 0; i < s->n_open; i++)
		log_out(&s->imap[i]);
	s->n_open = 0;
	imap_queue_clear(&s->queue);
}

static void imap_free(void *self)
{
	struct imap_source *s = self;

	if (!s)
		return;
	imap_close(s);
	imap_queue_fini(&s->queue);
	arena_fini(&s->secrets);
	free(s);
}

static void imap_patience(void *self, unsigned milliseconds)
{
	struct imap_source *s = self;

	s->patience_ms = milliseconds ? milliseconds : PATIENCE_MS;
}

/* ---- queueing ---- */

static int imap_folders(void *self, struct error *err)
{
	struct imap_source *s = self;

	(void)err;
	s->imap[0].has_inbox = s->imap[0].is_fresh = false;
	imap_queue_folders(&s->queue);
	return 0;
}

static int imap_list(void *self, size_t folder, struct str name, struct error *err)
{
	struct imap_source *s = self;

	return imap_queue_list(&s->queue, folder, name, 0) < 0
	               ? error_set(err, -ENOMEM, "no memory")
	               : 0;
}

static int imap_status(void *self, size_t folder, struct str name, struct error *err)
{
	struct imap_source *s = self;

	return imap_queue_status(&s->queue, folder, name) < 0
	               ? error_set(err, -ENOMEM, "no memory")
	               : 0;
}

static int imap_list_from(
	void *self, size_t folder, struct str name, uint32_t first, struct error *err)
{
	struct imap_source *s = self;

	return imap_queue_list(&s->queue, folder, name, first) < 0
	               ? error_set(err, -ENOMEM, "no memory")
	               : 0;
}

static int imap_open(void *self, size_t folder, struct str name, struct error *err)
{
	struct imap_source *s = self;

	return imap_queue_open(&s->queue, folder, name) < 0
	               ? error_set(err, -ENOMEM, "no memory")
	               : 0;
}

static bool has_any(const struct imap_source *s, struct str a, struct str b)
{
	return imap_connection_has(&s->imap[0], a) || imap_connection_has(&s->imap[0], b);
}

/* QRESYNC brings CONDSTORE along, and IMAP4rev2 ESEARCH. */
static uint64_t imap_changes_session(void *self)
{
	const struct imap_source *s = self;

	return s->n_open && has_any(s, STR_LIT("CONDSTORE"), STR_LIT("QRESYNC")) &&
	                       has_any(s, STR_LIT("ESEARCH"), STR_LIT("IMAP4REV2"))
	               ? s->session
	               : 0;
}

static int imap_list_changed(void *self, size_t folder, struct str name,
	const struct source_known *known, struct error *err)
{
	struct imap_source *s = self;

	return imap_queue_changes(&s->queue, folder, name, known) < 0
	               ? error_set(err, -ENOMEM, "no memory")
	               : 0;
}

static int imap_fetch(void *self, size_t folder, struct str name, uint32_t uidvalidity,
	const struct wanted *wanted, size_t n, struct error *err)
{
	struct imap_source *s = self;
	struct imap_job job = { .folder = folder,
		.name = name,
		.uidvalidity = uidvalidity,
		.wanted = wanted,
		.n = n };

	return imap_queue_fetch(&s->queue, &job) < 0
	               ? error_set(err, -ENOMEM, "no memory")
	               : 0;
}

/* ---- working ---- */

/* A further connection that is refused is no reason to fail: then there are fewer. */
static void add_connection(struct imap_source *s)
{
	struct imap_connection *imap = &s->imap[s->n_open];
	struct error ignored;

	if (s->n_open >= s->connections_max || s->careful ||
		s->queue.bytes < CONNECTION_WORTH * s->n_open)
		return;
	if (imap_log_in(imap, s->address, &s->account, s->patience_ms, &ignored) == 0)
		s->n_open++;
	else
		s->connections_max = s->n_open;
}

static int send_ahead(struct imap_source *s, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < s->n_open; i++) {
		r = imap_queue_send(&s->queue, &s->imap[i], i == 0, s->careful);
		if (r < 0)
			r = error_set(err, r, "cannot ask the source");
		if (r == 0)
			r = source_connection_flush(&s->imap[i].net, err);
	}
	return r;
}

static bool is_idle(const struct imap_source *s)
{
	for (unsigned i = 0; i < s->n_open; i++)
		if (s->imap[i].n_sent)
			return false;
	return imap_queue_is_empty(&s->queue);
}

/* Only connections that owe an answer are looked at: others have nothing to say. */
static int wait(struct imap_source *s, struct error *err)
{
	struct source_connection *connections[SOURCE_CONNECTIONS_MAX];
	unsigned ms = TICK_MS;
	size_t n = 0;

	for (unsigned i = 0; i < s->n_open; i++) {
		s->imap[i].net.is_readable = false;
		ms = source_connection_until_turn(&s->imap[i].net, ms);
		if (s->imap[i].n_sent)
			connections[n++] = &s->imap[i].net;
	}
	return source_connection_wait(connections, n, ms, s->patience_ms, err);
}

static int receive(
	struct imap_source *s, const struct imap_answers *answers, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < s->n_open; i++) {
		if (!s->imap[i].net.is_readable)
			continue;
		r = source_connection_fill(&s->imap[i].net, err);
		if (r >= 0)
			r = imap_answers_take(answers, &s->imap[i], i, err);
	}
	return r;
}

static int imap_run(void *self, const struct source_events *events, struct error *err)
{
	struct imap_source *s = self;
	struct imap_answers answers = {
		.events = events, .queue = &s->queue, .ret_careful = &s->careful
	};
	int r = 0;

	if (!s->n_open)
		return error_set(err, -ENOTCONN, "not connected to the source");
	while (r == 0 && !is_idle(s)) {
		add_connection(s);
		r = send_ahead(s, err);
		if (r == 0 && is_idle(s)) /* what was queued did not have to be asked */
			break;
		if (r == 0)
			r = wait(s, err);
		if (r == 0)
			r = receive(s, &answers, err);
		if (r == 0)
			r = events->tick(events->context);
	}
	return r;
}

static int imap_source_look(void *self, struct source_question *questions, size_t n,
	const struct source_look_events *events, struct error *err)
{
	struct imap_source *s = self;

	if (!s->n_open || s->imap[0].n_sent)
		return error_set(err, -ENOTCONN, "not connected to the source");
	return imap_look(&s->imap[0], s->careful, questions, n, events, err);
}

static const struct source_ops imap_ops = {
	.name = "imap",
	.has_uids = true,
	.compares = "folders, subscriptions, UIDVALIDITY, UIDs, flags, keywords, dates, "
		    "sizes",
	.cannot_see = "",
	.connect = imap_connect,
	.use = imap_use,
	.use_master = imap_use_master,
	.test = imap_test,
	.folders = imap_folders,
	.list = imap_list,
	.status = imap_status,
	.list_from = imap_list_from,
	.open = imap_open,
	.changes_session = imap_changes_session,
	.list_changed = imap_list_changed,
	.fetch = imap_fetch,
	.run = imap_run,
	.look = imap_source_look,
	.patience = imap_patience,
	.close = imap_close,
	.free = imap_free,
};

int imap_source_new(
	const struct imap_source_options *options, struct source *ret, struct error *err)
{
	struct imap_source *s = calloc(1, sizeof(*s));
	size_t n = options->n_addresses;

	if (!s)
		return error_set(err, -ENOMEM, "no memory");
	arena_init(&s->secrets);
	s->n_addresses = n < IMAP_SOURCE_ADDRESSES_MAX ? n : IMAP_SOURCE_ADDRESSES_MAX;
	memcpy(s->addresses, options->addresses,
		s->n_addresses * sizeof(s->addresses[0]));
	s->connections_max = options->connections < SOURCE_CONNECTIONS_MAX
	                             ? options->connections
	                             : SOURCE_CONNECTIONS_MAX;
	s->patience_ms = PATIENCE_MS;
	s->account.dialer = options->dialer;
	s->queue.allow_select = options->allow_select;
	for (unsigned i = 0; i < SOURCE_CONNECTIONS_MAX; i++)
		imap_connection_init(&s->imap[i]);
	if (imap_use(s, options->login, options->password, err) < 0) {
		imap_free(s);
		return -ENOMEM;
	}
	*ret = (struct source){ .ops = &imap_ops, .self = s };
	return 0;
}
