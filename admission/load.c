/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/load.h"

#include "base/fd.h"
#include "nft-rules/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define QUEUES_FILE "/proc/self/net/netfilter/nfnetlink_queue"
#define MEMORY_FULL 3 /* percent that are still free */
#define MEMORY_ROOM 5

static const char *const names[] = { "room", "accept queue full", "too many sessions",
	"memory short", "interceptor silent" };
_Static_assert(sizeof(names) / sizeof(names[0]) == LOAD_REASON_COUNT, "a name for each");

const char *load_reason_name(enum load_reason reason)
{
	return names[reason];
}

/* ---- judging ---- */

static bool queue_is_full(const struct load_view *v, bool before)
{
	return v->backlog && v->waiting >= v->backlog / (before ? 4 : 2);
}

static bool sessions_are_full(const struct load_view *v, bool before)
{
	uint64_t most = before ? v->sessions_max - v->sessions_max / 20 : v->sessions_max;

	return v->sessions_max && v->sessions >= most;
}

static bool memory_is_full(const struct load_view *v, bool before)
{
	uint64_t percent = before ? MEMORY_ROOM : MEMORY_FULL;

	return v->all_kib && v->free_kib < v->all_kib * percent / 100;
}

static bool is_silent(const struct load_view *v, bool before)
{
	(void)before;
	return v->silent_ms > LOAD_SILENCE_MS;
}

static bool (*const tests[])(const struct load_view *v, bool before) = {
	[LOAD_ACCEPT_QUEUE] = queue_is_full,
	[LOAD_SESSIONS] = sessions_are_full,
	[LOAD_MEMORY] = memory_is_full,
	[LOAD_SILENCE] = is_silent,
};

static bool is_known(const struct load_view *view)
{
	return view->backlog && view->sessions_max && view->all_kib;
}

bool load_is_calm(const struct load_view *view)
{
	if (!is_known(view) || view->silent_ms > LOAD_CALM_MS)
		return false;
	for (int i = LOAD_ROOM + 1; i < LOAD_REASON_COUNT; i++)
		if (tests[i](view, true))
			return false;
	return true;
}

bool load_calm_look(struct load_calm *calm, const struct load_view *view, uint64_t now)
{
	calm->is_calm = load_is_calm(view);
	calm->was_known = calm->was_known || is_known(view);
	if (!calm->is_calm && calm->was_known)
		calm->at = now + LOAD_CALM_AFTER_MS;
	calm->is_calm = calm->is_calm && now >= calm->at;
	return calm->is_calm;
}

enum load_reason load_judge(const struct load_view *view, enum load_reason before)
{
	for (int i = LOAD_ROOM + 1; i < LOAD_REASON_COUNT; i++)
		if (tests[i](view, (int)before == i))
			return (enum load_reason)i;
	return LOAD_ROOM;
}

/* ---- memory ---- */

/* "MemAvailable:   1234 kB" */
static bool read_line(struct str line, struct str name, uint64_t *ret)
{
	struct str value;

	if (!str_eq(str_take(line, name.len), name))
		return false;
	value = str_skip(line, name.len);
	while (value.len && value.ptr[0] == ' ')
		value = str_skip(value, 1);
	return str_to_u64(str_take(value, str_index(value, ' ')), ret);
}

bool load_read_memory(struct str text, uint64_t *ret_free_kib, uint64_t *ret_all_kib)
{
	uint64_t free_kib = 0, all_kib = 0;
	bool has_free = false, has_all = false;

	while (text.len) {
		struct str line = str_split(&text, '\n');

		has_all = has_all || read_line(line, STR_LIT("MemTotal:"), &all_kib);
		has_free =
			has_free || read_line(line, STR_LIT("MemAvailable:"), &free_kib);
	}
	if (!has_free || !has_all)
		return false;
	*ret_free_kib = free_kib;
	*ret_all_kib = all_kib;
	return true;
}

static void look_at_memory(const struct load *l, struct load_view *view)
{
	char text[LOAD_FILE_MAX];
	ssize_t n = pread(l->meminfo, text, sizeof(text), 0);

	if (n > 0)
		(void)load_read_memory(
			str_of(text, (size_t)n), &view->free_kib, &view->all_kib);
}

/* ---- accept queues ---- */

struct queues {
	const struct settings *settings;
	uint32_t waiting, backlog;
	bool any;
};

static bool is_our_listener(const struct settings *s, uint16_t port)
{
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (s->services[i].enabled &&
			settings_listen_port(s, (enum service_id)i) == port)
			return true;
	return false;
}

/* Of a listener, rqueue is how many wait, wqueue how many may. */
static int take_listener(const struct nlmsghdr *answer, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(answer);
	struct queues *q = data;

	if (mnl_nlmsg_get_payload_len(answer) < sizeof(*m) ||
		!is_our_listener(q->settings, ntohs(m->id.idiag_sport)))
		return MNL_CB_OK;
	if (!q->any || (uint64_t)m->idiag_rqueue * q->backlog >
			       (uint64_t)q->waiting * m->idiag_wqueue) {
		q->waiting = m->idiag_rqueue;
		q->backlog = m->idiag_wqueue;
	}
	q->any = true;
	return MNL_CB_OK;
}

static int ask_listeners(const struct load *l, uint8_t family, struct queues *q)
{
	return netlink_ask_tcp(l->diag, family, TCP_LISTEN, false, take_listener, q);
}

static void look_at_listeners(const struct load *l, struct load_view *view)
{
	struct queues q = { .settings = l->settings };

	if (ask_listeners(l, AF_INET, &q) < 0 || ask_listeners(l, AF_INET6, &q) < 0)
		return;
	view->waiting = q.waiting;
	view->backlog = q.backlog;
}

/* ---- all ---- */

int load_open(struct load *l, const struct settings *settings, struct error *err)
{
	*l = (struct load){ .settings = settings };
	l->meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	if (l->meminfo < 0)
		return error_errno(err, -errno, "cannot open /proc/meminfo");
	l->queues = open(QUEUES_FILE, O_RDONLY | O_CLOEXEC);
	return netlink_open(NETLINK_SOCK_DIAG, &l->diag, err);
}

void load_close(struct load *l)
{
	fd_closep(&l->meminfo);
	fd_closep(&l->queues);
	netlink_close(&l->diag);
}

void load_look(struct load *l, struct load_view *view)
{
	look_at_memory(l, view);
	look_at_listeners(l, view);
}

void load_look_at_queues(
	const struct load *l, uint16_t first, uint16_t n, struct queue_state *state)
{
	char text[LOAD_FILE_MAX];
	ssize_t len = l->queues < 0 ? -1 : pread(l->queues, text, sizeof(text), 0);

	if (len > 0)
		(void)queue_state_read(str_of(text, (size_t)len), first, n, state);
}
