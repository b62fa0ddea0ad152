/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The master that runs is followed by this one (messages/takeover.h). */
#include "messages/takeover.h"
#include "base/fd.h"
#include "base/log.h"
#include "interceptor/master/master.h"
#include "interceptor/sockets/endpoint.h"
#include "interceptor/sockets/lmtp_listen.h"
#include "nft-rules/marks.h"
#include "registry/unseen.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what it hands over ---- */

static int take_listener(struct master *m, const struct message *message, int fd)
{
	char *name = str_dup_c(message->text);
	enum service_id service = name ? service_by_name(name) : SERVICE_COUNT;
	struct handed *grown = realloc(m->handed, (m->n_handed + 1) * sizeof(*m->handed));

	free(name);
	if (!grown)
		return -ENOMEM;
	m->handed = grown;
	if (str_eq(message->text, str_from(service_name(SERVICE_LMTP))))
		service = SERVICE_LMTP;
	if ((!protocol_of(service) && service != SERVICE_LMTP) ||
		message->number >= WORKERS_MAX)
		return -EBADMSG;
	m->handed[m->n_handed++] = (struct handed){
		.fd = fd, .service = service, .worker = (unsigned)message->number
	};
	return 0;
}

static int take_handed(
	void *context, const struct message *message, int fd, struct error *err)
{
	struct master *m = context;
	int *place = str_eq(message->text, STR_LIT(TAKEOVER_DOOR))     ? &m->door
	             : str_eq(message->text, STR_LIT(TAKEOVER_MEMORY)) ? &m->memory
	                                                               : NULL;
	int r = message->type == MESSAGE_HANDED && fd >= 0 ? 0 : -EBADMSG;

	if (r == 0 && place) {
		fd_closep(place);
		*place = fd;
		return 0;
	}
	if (r == 0)
		r = take_listener(m, message, fd);
	if (r < 0)
		fd_closep(&fd);
	return r < 0 ? error_errno(err, r, "what the one that runs hands over") : 0;
}

int follow_ask(struct master *m, struct error *err)
{
	struct message last;

	m->takeover = takeover_begin(
		m->settings->run_dir, INTERCEPTOR_SOCKET, take_handed, m, &last, err);
	if (m->takeover < 0)
		return m->takeover;
	m->first_number = (unsigned)last.number;
	m->oldest = (unsigned)last.number2;
	return m->door < 0 ? error_set(err, -EBADMSG, "it has handed no door over") : 0;
}

/* What makes no sense to this version or these settings is closed, and opened anew. */
static int take_kept(
	void *context, const struct message *message, int fd, struct error *err)
{
	(void)err;
	if (message->type != MESSAGE_HANDED || fd < 0 ||
		take_listener(context, message, fd) < 0)
		fd_closep(&fd);
	return 0;
}

int follow_kept(struct master *m, struct error *err)
{
	struct message last;
	int r = takeover_receive(m->start->handed, take_kept, m, &last, err);

	fd_closep(&m->start->handed);
	if (r == 0)
		log_info(NULL, "kept", "listeners=%zu", m->n_handed);
	return r;
}

static bool has_option(int fd, int name, uint32_t wanted)
{
	uint32_t value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 && value == wanted;
}

static bool fits(const struct handed *h, const struct settings *s,
	enum service_id service, int family)
{
	const struct marks marks = marks_of(s->mark_mask, s->mark);
	union endpoint at = { 0 };
	socklen_t len = sizeof(at);

	if (h->service != service || !has_option(h->fd, SO_DOMAIN, (uint32_t)family) ||
		!has_option(h->fd, SO_ACCEPTCONN, 1) ||
		!has_option(h->fd, SO_MARK, mark_bits(&marks, MARK_LISTENER)) ||
		getsockname(h->fd, &at.any, &len) < 0)
		return false;
	return endpoint_port(&at) == settings_listen_port(s, service);
}

int follow_give_listener(
	struct worker_slot *slot, enum service_id service, int family, int *ret_fd)
{
	struct master *m = slot->master;

	for (size_t i = 0; i < m->n_handed; i++) {
		struct handed *h = &m->handed[i];

		if (h->fd < 0 || h->worker != slot->index ||
			!fits(h, m->settings, service, family))
			continue;
		*ret_fd = fd_steal(&h->fd);
		return 0;
	}
	return -ENOENT;
}

int follow_give_lmtp(struct master *m, const char *place, int *ret_fd)
{
	for (size_t i = 0; i < m->n_handed; i++) {
		struct handed *h = &m->handed[i];

		if (h->fd < 0 || h->service != SERVICE_LMTP ||
			!lmtp_listens(m->settings, place, h->fd))
			continue;
		*ret_fd = fd_steal(&h->fd);
		return 0;
	}
	return -ENOENT;
}

void follow_close_rest(struct master *m)
{
	for (size_t i = 0; i < m->n_handed; i++)
		fd_closep(&m->handed[i].fd);
	free(m->handed);
	m->handed = NULL;
	m->n_handed = 0;
}

/* ---- its sessions ---- */

static int take_report(
	void *context, const struct message *message, int fd, struct error *err)
{
	struct worker_slot *slot = context;
	int r = 0;

	fd_closep(&fd);
	if (message->type == MESSAGE_SESSION_BEGIN && message->number < ROUTE_COUNT)
		r = live_sessions_change(
			&slot->live, message->account, (enum route)message->number, 1);
	return r < 0 ? error_errno(err, r, "the sessions of the one that runs") : 0;
}

/* What its workers have seen pass and did not see the end of. */
static void forget_unseen(struct master *m)
{
	struct registry *r = NULL;
	struct error err = { 0 };
	int code = registry_open_in(m->settings->state_dir, &r, &err);

	for (unsigned i = m->oldest; code == 0 && i < m->first_number; i++)
		code = registry_unseen_over(r, i, &err);
	if (code < 0)
		log_error(NULL, "unseen", "error=\"%s\"", err.text);
	registry_close(r);
}

static void on_message(void *context, struct channel *c, struct packet *p)
{
	struct worker_slot *slot = context;
	struct error err;

	if (workers_handle(slot, p, &err) == 0)
		return;
	log_error(NULL, "retired", "error=\"%s\"", err.text);
	channel_shut(c);
}

static void on_lost(void *context, struct channel *c, int code)
{
	struct worker_slot *slot = context;
	struct master *m = slot->master;

	log_info(NULL, "retired", "ended=yes code=%d sessions=%llu", code,
		(unsigned long long)slot->live.sessions);
	channel_close(c);
	retire_report_lost(slot);
	live_sessions_clear(&slot->live);
	connection_limits_set_retired(&m->limits, 0, m->limits.rows[m->n_slots].accepted);
	forget_unseen(m);
	control_worker_lost(m, slot->index);
}

#define QUEUE_MAX (4u << 20) /* questions that it has not read */

static const struct channel_ops ops = {
	.message = on_message, .lost = on_lost, .bytes_max = QUEUE_MAX
};

int follow_commit(struct master *m, struct error *err)
{
	struct worker_slot *slot = master_before(m);
	struct message last;
	int r;

	follow_close_rest(m);
	r = takeover_retire(m->takeover, take_report, slot, &last, err);
	if (r < 0)
		return r;
	if (m->memory >= 0)
		connection_limits_inherit(&m->limits, m->memory);
	fd_closep(&m->memory);
	connection_limits_set_retired(
		&m->limits, (uint32_t)last.number, (uint32_t)last.number2);
	r = state_lock_set(&m->start->lock, STATE_LOCK_INTERCEPTOR, err);
	if (r < 0)
		return r;
	r = channel_open(&slot->link, &m->loop, m->takeover, &ops, slot);
	if (r == 0)
		m->takeover = -1;
	if (r == 0 && (r = control_open_on(m, m->door)) == 0)
		m->door = -1;
	if (r < 0)
		return error_errno(err, r, "cannot follow the one that runs");
	log_info(NULL, "followed", "sessions=%llu connections=%llu",
		(unsigned long long)slot->live.sessions, (unsigned long long)last.number);
	workers_restart(m);
	program_has_taken_over(m->start);
	return 0;
}
