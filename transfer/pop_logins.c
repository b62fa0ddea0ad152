/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/pop_logins.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "registry/pop_logins.h"
#include "registry/retire.h"
#include "source/client_address.h"
#include "source/leg.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct pop_follower {
	LIST_ENTRY(pop_follower) all;
	struct pop_logins *logins;
	struct mover_order order;
	struct sockaddr_storage client;
	struct child child; /* pid 0: it waits */
};

void pop_logins_init(
	struct pop_logins *p, struct movers *m, struct registry *r, struct loop *loop)
{
	memset(p, 0, sizeof(*p));
	p->movers = m;
	p->registry = r;
	p->loop = loop;
}

/* ---- how often ---- */

static bool is_same(const struct recent_login *one, int64_t account,
	const struct sockaddr_storage *client)
{
	return one->account == account &&
	       memcmp(&one->client, client, sizeof(*client)) == 0;
}

bool pop_login_is_new(struct pop_logins *p, int64_t account,
	const struct sockaddr_storage *client, uint64_t now)
{
	struct recent_login *next = &p->recent[p->next_recent];

	for (size_t i = 0; i < POP_LOGINS_RECENT; i++)
		if (p->recent[i].at && now - p->recent[i].at < POP_LOGIN_AGAIN_MS &&
			is_same(&p->recent[i], account, client))
			return false;
	*next = (struct recent_login){ account, *client, now };
	p->next_recent = (p->next_recent + 1) % POP_LOGINS_RECENT;
	return true;
}

/* ---- the socket ---- */

/* From where in our range of ports the choice begins. */
static uint16_t any_port(void)
{
	uint16_t port = 0;

	return getrandom(&port, sizeof(port), 0) < 0 ? 0 : port;
}

/* Bound, and not connected: the scheduler has nothing to do with the source. */
static int client_socket(const struct sockaddr_storage *client, struct error *err)
{
	struct sockaddr_storage from = *client;
	int r = -EADDRINUSE;

	address_set_port(&from, any_port());
	for (unsigned i = 0; i < CLIENT_ADDRESS_TRIES && r == -EADDRINUSE; i++) {
		CLEANUP(fd_closep)
		int fd = socket(
			client->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		r = fd < 0 ? -errno : client_address_bind(fd, &from, i);
		if (r == 0)
			return fd_steal(&fd);
	}
	return error_errno(err, r, "cannot use the client's address");
}

/* ---- processes ---- */

static void note_failure(struct pop_follower *f, const struct error *why)
{
	char text[ADDRESS_TEXT_MAX];
	struct pop_login l = { .at = clock_wall_ms(), .error = str_from(why->text) };

	address_text(&f->client, text);
	l.client = str_from(text);
	log_warning(NULL, "pop-login", "account=%s client=%s reason=\"%s\"",
		f->order.name, text, why->text);
	(void)registry_set_pop_login(f->logins->registry, f->order.id, &l, NULL);
}

static void forget(struct pop_follower *f)
{
	LIST_REMOVE(f, all);
	f->logins->n--;
	free(f);
}

static void start_waiting(struct pop_logins *p);

static void on_ended(void *context, int status)
{
	struct pop_follower *f = context;
	struct pop_logins *p = f->logins;

	if (status)
		log_warning(NULL, "pop-login", "account=%s ended with status %d",
			f->order.name, status);
	p->n_running--;
	forget(f);
	start_waiting(p);
}

static int start(struct pop_follower *f, struct error *err)
{
	struct pop_logins *p = f->logins;
	int r;

	f->order.socket = client_socket(&f->client, err);
	if (f->order.socket < 0)
		return f->order.socket;
	r = mover_start(p->movers, &f->order, &f->child, p->loop, on_ended, f, err);
	fd_closep(&f->order.socket);
	if (r == 0)
		p->n_running++;
	return r;
}

static bool is_running(const struct pop_logins *p, int64_t account)
{
	const struct pop_follower *f;

	LIST_FOREACH(f, &p->all, all)
	if (f->order.id == account && child_runs(&f->child))
		return true;
	return false;
}

/* Asked again when its turn comes: the source may have refused the password meanwhile. */
static bool is_due(struct pop_logins *p, int64_t account)
{
	struct pop_login last;
	struct arena arena;
	bool due;

	arena_init(&arena);
	due = registry_pop_login(p->registry, account, &arena, &last, NULL) == 0 &&
	      clock_is_over(last.next_at, clock_wall_ms(), POP_LOGIN_REFUSED_AGAIN_MS);
	arena_fini(&arena);
	return due;
}

/* One of an account at a time: of several with a password that the source refuses, the
   first one ends the others. */
static void start_waiting(struct pop_logins *p)
{
	struct pop_follower *f, *next;
	struct error err;

	for (f = LIST_FIRST(&p->all); f && p->n_running < POP_LOGINS_AT_ONCE; f = next) {
		next = LIST_NEXT(f, all);
		if (is_running(p, f->order.id))
			continue;
		if (!is_due(p, f->order.id)) {
			forget(f);
		} else if (start(f, &err) < 0) {
			note_failure(f, &err);
			forget(f);
		}
	}
}

static int check_leg(struct pop_logins *p, enum service_id service, struct error *err)
{
	struct legs legs;

	(void)legs_read(p->movers->settings, p->registry, &legs);
	return legs.of[service].from == LEG_CLIENT
	               ? 0
	               : error_set(err, -EADDRNOTAVAIL,
				 "clients' connections go to the source from our own "
				 "address (`source_leg`): a login from there says "
				 "nothing of a client's");
}

static void add(struct pop_logins *p, const struct account *a, enum service_id service,
	const struct sockaddr_storage *client)
{
	struct pop_follower *f = p->n < POP_LOGINS_MAX ? calloc(1, sizeof(*f)) : NULL;
	struct error err;

	if (!f) {
		log_warning(NULL, "pop-login", "account=%.*s reason=\"%u are under way\"",
			STR_ARG(a->name), p->n);
		return;
	}
	*f = (struct pop_follower){ .logins = p,
		.order = { .id = a->id,
			.task = MOVER_LOG_IN,
			.service = service,
			.socket = -1 },
		.client = *client };
	memcpy(f->order.name, a->name.ptr, a->name.len);
	LIST_INSERT_HEAD(&p->all, f, all);
	p->n++;
	if (check_leg(p, service, &err) < 0) {
		note_failure(f, &err);
		forget(f);
		return;
	}
	start_waiting(p);
}

/* ---- who is followed ---- */

static bool is_retired(struct pop_logins *p)
{
	uint64_t since = 0;

	return registry_retired(p->registry, &since, NULL) < 0 || since;
}

/* Who lives here, and has a password that the source took. */
static bool may_follow(struct pop_logins *p, const struct account *a)
{
	return a->route == ROUTE_LOCAL && a->stage == STAGE_DONE && a->has_password &&
	       a->name.len < ENTRY_NAME_MAX && !is_retired(p) && is_due(p, a->id);
}

static bool reads_mail(enum service_id s)
{
	return s == SERVICE_IMAP || s == SERVICE_IMAPS || s == SERVICE_POP3 ||
	       s == SERVICE_POP3S;
}

/* Strings of a message end with it. */
static bool read_words(struct str client, struct str service,
	struct sockaddr_storage *ret_client, enum service_id *ret_service)
{
	char text[ADDRESS_TEXT_MAX] = "", name[16] = "";

	if (client.len >= sizeof(text) || service.len >= sizeof(name))
		return false;
	memcpy(text, client.ptr, client.len);
	memcpy(name, service.ptr, service.len);
	memset(ret_client, 0, sizeof(*ret_client));
	*ret_service = service_by_name(name);
	return address_read(text, ret_client) && reads_mail(*ret_service);
}

void pop_logins_follow(struct pop_logins *p, struct str account, struct str client,
	struct str service, uint64_t now)
{
	struct sockaddr_storage from;
	enum service_id id;
	struct account a;
	struct arena arena;

	if (!p->movers->settings->pop_before_smtp ||
		!read_words(client, service, &from, &id))
		return;
	arena_init(&arena);
	if (registry_find(p->registry, account, &arena, &a, NULL) == 0 &&
		may_follow(p, &a) && pop_login_is_new(p, a.id, &from, now))
		add(p, &a, id, &from);
	arena_fini(&arena);
}

void pop_logins_end(struct pop_logins *p)
{
	while (!LIST_EMPTY(&p->all)) {
		struct pop_follower *f = LIST_FIRST(&p->all);

		child_signal(&f->child, SIGTERM);
		child_forget(&f->child);
		forget(f);
	}
}
