/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Accounts whose sessions sleep: the process has gone, the master keeps the sockets.
 *
 *   process ──IDLE──► master             nothing has happened for `hibernate` seconds
 *           ◄─LEAVE──
 *           ──ASLEEP(fd)──►              each session, then it ends; or BUSY: go on
 *
 *   the first byte, a hang-up, a login, mail, KICK, RELEASE ──► the next process
 *                                                     ◄─SERVE(fd)── each session
 *
 * No byte of a client is read here, and what a session is stays a sealed letter: it comes
 * from the account's process and is given to the account's next one. What is written is
 * the line that keeps a client in IDLE alive.
 */
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "mailstore/process.h"
#include "mailstore/refuse.h"
#include "mailstore/serve/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SLEEPER_MAX (HIBERNATION_MAX + 1024) /* and its connection, its names */
#define KEEPALIVE_MAX 64                     /* "* OK Still here" */
#define EVERY_MIN 1000 /* a process that is broken keeps nobody busy */
#define DUE_MAX (60 * 60 * 1000)
/* So many wake at once because of their clients: when a network fails, thousands hang up
   in one moment, and logins and signals are to be heard meanwhile. */
#define WAKING_MAX 16
#define TURN_MS                                                                          \
	1000 /* who wakes for longer, as to read a damaged index, holds up nobody */
#define MOVING_WHY "Your mailbox moves, please log in again."
#define RESTORED_WHY "Your mailbox was restored, please log in again."
#define BROKEN_WHY "The mailbox cannot be served now; the administrator is told."
#define ENDING_WHY "Server shuts down."

struct sleeper {
	LIST_ENTRY(sleeper) entry;
	struct asleep *of;
	struct waiter *waiter;
	struct watch *watch; /* NULL: not yet, its process lives */
	struct timer *timer;
	int fd; /* without a watch */
	uint64_t due;
	struct message m; /* ASLEEP as it came; views into bytes */
	char bytes[];
};

struct asleep {
	LIST_ENTRY(asleep) entry;
	struct processes *all;
	struct folder_id folder;
	LIST_HEAD(, sleeper) sleepers;
	bool is_listed;
	TAILQ_ENTRY(asleep) turn;
	bool is_in_turn;
	char account[];
};

/* ── one session ───────────────────────────────────────────────────────────────────── */

static bool makes_sense(const struct message *m)
{
	return m->text.len <= KEEPALIVE_MAX && m->session.len &&
	       (!m->number2 || (m->number2 >= EVERY_MIN && m->text.len));
}

/* Takes fd on success. NULL: no memory, or the message is too long. */
static struct sleeper *sleeper_new(const struct message *m, int fd)
{
	struct sleeper *s = malloc(sizeof(*s) + SLEEPER_MAX), *fitting;
	ssize_t len = s ? message_encode(m, s->bytes, SLEEPER_MAX) : -ENOMEM;
	uint64_t last = clock_monotonic_ms() + DUE_MAX;

	if (len < 0) {
		free(s);
		return NULL;
	}
	fitting = realloc(s, sizeof(*s) + (size_t)len);
	s = fitting ? fitting : s;
	(void)message_decode(str_of(s->bytes, (size_t)len), &s->m);
	s->of = NULL;
	s->waiter = NULL;
	s->watch = NULL;
	s->timer = NULL;
	s->fd = fd;
	s->due = m->number < last ? m->number : last;
	return s;
}

/* It is in no list any more; the caller has taken what it needs. */
static void sleeper_free(struct sleeper *s)
{
	LIST_REMOVE(s, entry);
	s->of->all->n_asleep--;
	timer_free(s->timer);
	free(s);
}

static int take_socket(struct sleeper *s)
{
	int fd = s->watch ? watch_take(s->watch) : s->fd;

	s->watch = NULL;
	s->fd = -1;
	return fd;
}

static void end_one(struct sleeper *s, const char *why)
{
	struct processes *all = s->of->all;
	struct message end = { .type = MESSAGE_SERVE_END,
		.account = str_from(s->of->account),
		.session = str_from(s->waiter->id),
		.text = STR("ended asleep") };

	s->m.tag = STR_LIT("");
	refuse(&s->m, take_socket(s), why);
	if (s->waiter->peer)
		all->send(s->waiter->peer, &end);
	free(s->waiter);
	sleeper_free(s);
}

/* ── an account ────────────────────────────────────────────────────────────────────── */

static struct asleep *find(const struct processes *all, struct str account)
{
	struct asleep *g;

	LIST_FOREACH(g, &all->asleep[process_bucket(account)], entry)
	if (str_eq(account, str_from(g->account)))
		return g;
	return NULL;
}

static struct asleep *account_new(struct processes *all, struct str account)
{
	struct asleep *g = calloc(1, sizeof(*g) + account.len + 1);

	if (!g)
		return NULL;
	g->all = all;
	g->folder = process_folder_of(all, account);
	LIST_INIT(&g->sleepers);
	memcpy(g->account, account.ptr, account.len);
	return g;
}

static void account_free(struct asleep *g)
{
	if (g->is_listed)
		LIST_REMOVE(g, entry);
	if (g->is_in_turn)
		TAILQ_REMOVE(&g->all->waking, g, turn);
	free(g);
}

static void end_all(struct asleep *g, const char *why)
{
	while (!LIST_EMPTY(&g->sleepers))
		end_one(LIST_FIRST(&g->sleepers), why);
	account_free(g);
}

static void add(struct asleep *g, struct sleeper *s, struct waiter *waiter)
{
	s->of = g;
	s->waiter = waiter;
	LIST_INSERT_HEAD(&g->sleepers, s, entry);
	g->all->n_asleep++;
}

/* ── waking ────────────────────────────────────────────────────────────────────────── */

/* As one that is served by p from now on. */
static void give(struct sleeper *s, struct process *p, const struct message *m)
{
	int fd = take_socket(s);

	if (process_tell(p, m, fd) < 0) {
		s->fd = fd;
		end_one(s, BROKEN_WHY);
		return;
	}
	LIST_INSERT_HEAD(&p->sessions, s->waiter, entry);
	sleeper_free(s);
}

static void give_all(struct asleep *g, struct process *p)
{
	while (!LIST_EMPTY(&g->sleepers)) {
		struct sleeper *s = LIST_FIRST(&g->sleepers);
		const struct message m = { .type = MESSAGE_SERVE,
			.number = LOGIN_WOKEN,
			.number2 = s->due,
			.account = str_from(g->account),
			.session = s->m.session,
			.service = s->m.service,
			.payload = s->m.payload };

		give(s, p, &m);
	}
	account_free(g);
	process_is_busy(p);
}

static bool is_same(struct folder_id a, struct folder_id b)
{
	return a.device == b.device && a.inode == b.inode;
}

void asleep_wake(struct process *p)
{
	struct asleep *g = find(p->all, str_from(p->account));

	if (!g)
		return;
	if (is_same(g->folder, p->folder))
		give_all(g, p);
	else
		end_all(g, RESTORED_WHY);
	process_linger_when_idle(p);
}

/* The process that is started for it is given all of them, and a question: its answer
   says that it has taken them. */
static void wake_now(struct asleep *g)
{
	struct processes *all = g->all;
	const struct message ping = { .type = MESSAGE_PING };
	struct process *p;

	log_debug(NULL, "wake", "account=%s", g->account);
	p = process_get(all, str_from(g->account));
	if (!p)
		end_all(g, BROKEN_WHY);
	else if (p->lives == PROCESS_HERE && !p->is_waking && !p->watched.has_spoken &&
		 process_tell(p, &ping, -1) == 0) {
		p->is_waking = true;
		all->n_waking++;
	}
}

static void wake_next(struct processes *all, unsigned n)
{
	while (n-- && !TAILQ_EMPTY(&all->waking)) {
		struct asleep *g = TAILQ_FIRST(&all->waking);

		TAILQ_REMOVE(&all->waking, g, turn);
		g->is_in_turn = false;
		wake_now(g);
	}
}

void asleep_next(struct process *p)
{
	if (!p->is_waking)
		return;
	p->is_waking = false;
	p->all->n_waking--;
	wake_next(p->all, 1);
}

void asleep_turn(void *context)
{
	struct processes *all = context;

	wake_next(all, WAKING_MAX);
	if (!TAILQ_EMPTY(&all->waking))
		timer_start(all->turn, TURN_MS);
}

/* In its turn. */
static void wake(struct asleep *g)
{
	struct processes *all = g->all;

	if (g->is_in_turn)
		return;
	if (TAILQ_EMPTY(&all->waking)) {
		if (all->n_waking < WAKING_MAX) {
			wake_now(g);
			return;
		}
		timer_start(all->turn, TURN_MS);
	}
	TAILQ_INSERT_TAIL(&all->waking, g, turn);
	g->is_in_turn = true;
}

static void on_ready(void *context, int events, int error)
{
	struct sleeper *s = context;

	(void)events;
	(void)error;
	watch_want(s->watch, 0); /* once is enough */
	wake(s->of);
}

/* Half a line is the end: nobody could go on behind it. */
static bool say_alive(const struct sleeper *s)
{
	struct str line = s->m.text;
	ssize_t n = send(s->watch->fd, line.ptr, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0 && (size_t)n < line.len)
		(void)shutdown(s->watch->fd, SHUT_RDWR);
	return n == (ssize_t)line.len;
}

/* What cannot be said here its process says, or ends. */
static void on_due(void *context)
{
	struct sleeper *s = context;
	uint64_t now = clock_monotonic_ms();

	if (!s->m.number2 || !say_alive(s)) {
		wake(s->of);
		return;
	}
	s->due += s->m.number2;
	if (s->due < now)
		s->due = now + s->m.number2;
	timer_start(s->timer, s->due - now);
}

/* ── falling asleep ────────────────────────────────────────────────────────────────── */

static void lie_down(struct sleeper *s)
{
	struct loop *loop = s->of->all->loop;
	uint64_t now = clock_monotonic_ms();

	if (timer_new(loop, on_due, s, &s->timer) < 0 ||
		watch_new(loop, s->fd, on_ready, s, &s->watch) < 0) {
		end_one(s, BROKEN_WHY);
		return;
	}
	s->fd = -1;
	watch_want(s->watch, UV_READABLE);
	timer_start(s->timer, s->due > now ? s->due - now : 0);
}

static void lie_down_all(struct asleep *g)
{
	struct sleeper *s, *next;

	LIST_INSERT_HEAD(&g->all->asleep[process_bucket(str_from(g->account))], g, entry);
	g->is_listed = true;
	for (s = LIST_FIRST(&g->sleepers); s; s = next) {
		next = LIST_NEXT(s, entry);
		lie_down(s);
	}
	if (LIST_EMPTY(&g->sleepers))
		account_free(g);
}

/* To the mailstore after this one. */
static void hand_over(struct asleep *g)
{
	struct process *p = remote_start(g->all, str_from(g->account));

	if (!p) {
		end_all(g, BROKEN_WHY);
		return;
	}
	while (!LIST_EMPTY(&g->sleepers)) {
		struct sleeper *s = LIST_FIRST(&g->sleepers);
		struct message m = s->m;

		m.account = str_from(g->account);
		m.number = s->due;
		give(s, p, &m);
	}
	account_free(g);
}

void asleep_begin(struct process *p)
{
	struct asleep *g = p->asleep;

	p->asleep = NULL;
	if (!g)
		return;
	log_debug(NULL, "sleep", "account=%s", g->account);
	if (p->state == PROCESS_RELEASING)
		end_all(g, MOVING_WHY);
	else if (p->all->ending)
		end_all(g, ENDING_WHY);
	else if (p->all->retired)
		hand_over(g);
	else
		lie_down_all(g);
}

/* ── what an account's process says ────────────────────────────────────────────────── */

static bool has_room(const struct process *p)
{
	const struct waiter *waiter;
	uint64_t n = p->all->n_asleep;

	LIST_FOREACH(waiter, &p->sessions, entry)
	n++;
	return n <= p->all->asleep_max;
}

void process_idle(void *context, const struct message *m, int fd)
{
	struct process *p = context;
	const struct message leave = { .type = MESSAGE_LEAVE };

	(void)m;
	(void)fd;
	if (p->state != PROCESS_RUNNING || p->follower || p->all->retired ||
		!LIST_EMPTY(&p->deliveries) || !has_room(p) ||
		process_tell(p, &leave, -1) < 0)
		return; /* it will say so again */
	process_await_end(p);
	p->may_sleep = true;
}

void process_busy(void *context, const struct message *m, int fd)
{
	struct process *p = context;
	const struct message busy = { .type = MESSAGE_BUSY };

	(void)m;
	(void)fd;
	if (!p->may_sleep)
		return;
	p->may_sleep = false;
	if (p->follower) /* it took over in the meantime */
		p->all->send(p->follower, &busy);
	process_goes_on(p);
}

void process_asleep(void *context, const struct message *m, int fd)
{
	struct process *p = context;
	struct waiter *waiter = waiter_find(&p->sessions, m->session);
	struct sleeper *s = NULL;

	if (p->may_sleep && waiter && makes_sense(m)) {
		if (!p->asleep)
			p->asleep = account_new(p->all, str_from(p->account));
		s = p->asleep ? sleeper_new(m, fd) : NULL;
	}
	if (!s) {
		fd_closep(&fd);
		process_kill(p, "a session cannot be kept asleep");
		return;
	}
	LIST_REMOVE(waiter, entry);
	p->asleep->folder = p->folder;
	add(p->asleep, s, waiter);
}

/* ── from the mailstore before this one ────────────────────────────────────────────── */

static void refuse_asleep(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct message end = { .type = MESSAGE_SERVE_END,
		.account = m->account,
		.session = m->session,
		.text = STR("refused") };

	fd_closep(&fd);
	all->send(peer, &end);
}

/* Its sessions that came before: they sleep, or wait for the end of its process. */
static struct asleep *find_begun(struct processes *all, struct str account)
{
	const struct process *p = process_find(all, account);

	return p && p->state == PROCESS_LEAVING ? p->asleep : find(all, account);
}

/* The account may have a process by now. */
static void settle(struct asleep *g)
{
	struct process *p = process_find(g->all, str_from(g->account));

	if (!p)
		lie_down_all(g);
	else if (p->state == PROCESS_RUNNING && p->lives == PROCESS_HERE)
		give_all(g, p);
	else if (p->state == PROCESS_LEAVING)
		p->asleep = g;
	else
		end_all(g, MOVING_WHY);
}

void processes_asleep(
	struct processes *all, struct peer *peer, const struct message *m, int fd)
{
	struct asleep *begun = find_begun(all, m->account);
	struct asleep *g = begun ? begun : account_new(all, m->account);
	struct waiter *waiter = g && makes_sense(m) ? waiter_new(peer, m->session) : NULL;
	struct sleeper *s = waiter ? sleeper_new(m, fd) : NULL;

	if (!s) {
		if (g && !begun)
			account_free(g);
		free(waiter);
		refuse_asleep(all, peer, m, fd);
		return;
	}
	add(g, s, waiter);
	if (g->is_listed)
		lie_down(s);
	else if (!begun)
		settle(g);
}

/* ── what others ask ───────────────────────────────────────────────────────────────── */

struct process *process_find_awake(struct processes *all, struct str account)
{
	struct process *p = process_find(all, account);

	return p || !find(all, account) ? p : process_get(all, account);
}

static void forget(struct asleep *g, const struct peer *peer)
{
	struct sleeper *s;

	LIST_FOREACH(s, &g->sleepers, entry)
	if (s->waiter->peer == peer)
		s->waiter->peer = NULL;
}

/* Each of them may be gone when the next one is looked at, but no other one. */
static void each(struct processes *all, void (*what)(struct asleep *g))
{
	struct asleep *g, *next;

	for (size_t i = 0; i < ACCOUNT_BUCKETS; i++)
		for (g = LIST_FIRST(&all->asleep[i]); g; g = next) {
			next = LIST_NEXT(g, entry);
			what(g);
		}
}

void asleep_forget_peer(struct processes *all, const struct peer *peer)
{
	struct asleep *g;

	for (size_t i = 0; i < ACCOUNT_BUCKETS; i++) {
		LIST_FOREACH(g, &all->asleep[i], entry)
		forget(g, peer);
	}
	for (struct process *p = all->first; p; p = p->next)
		if (p->asleep)
			forget(p->asleep, peer);
}

static void say_good_bye(struct asleep *g)
{
	end_all(g, ENDING_WHY);
}

void asleep_end(struct processes *all)
{
	each(all, say_good_bye);
}

void asleep_hand_over(struct processes *all)
{
	each(all, hand_over);
}
