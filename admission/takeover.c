/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One admission follows the other (messages/takeover.h). It has no sessions: the old one
   ends at once. What it knew of networks' rates is forgotten; one that begins too many
   gets the burst of a new one. */
#include "admission/admission.h"

#include "base/fd.h"
#include "base/log.h"
#include "messages/takeover.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

/* ---- the next one ---- */

static int take_queue(
	struct admission *a, const struct message *m, int fd, struct error *err)
{
	int r;

	if (!str_eq(m->text, STR_LIT(TAKEOVER_QUEUE)) || a->n_queues == RULES_QUEUES_MAX)
		return error_set(err, -EBADMSG, "what the one that runs hands over");
	r = queue_open_on(&a->queues[a->n_queues], (uint16_t)m->number, fd,
		admission_judge, a, err);
	if (r == 0)
		a->n_queues++;
	return r;
}

static int take_handed(void *context, const struct message *m, int fd, struct error *err)
{
	struct admission *a = context;
	int r;

	if (m->type != MESSAGE_HANDED || fd < 0)
		return error_set(err, -EBADMSG, "what the one that runs hands over");
	if (str_eq(m->text, STR_LIT(TAKEOVER_DOOR))) {
		fd_closep(&a->handed_door);
		a->handed_door = fd;
		return 0;
	}
	r = take_queue(a, m, fd, err);
	if (r < 0)
		fd_closep(&fd);
	return r;
}

int follow_ask(struct admission *a, struct error *err)
{
	struct message last;

	a->takeover = takeover_begin(
		a->settings->run_dir, ADMISSION_SOCKET, take_handed, a, &last, err);
	if (a->takeover < 0)
		return a->takeover;
	return a->handed_door < 0 ? error_set(err, -EBADMSG, "it has handed no door over")
	                          : 0;
}

static bool is_queue_socket(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t len = sizeof(domain), protocol_len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) == 0 &&
	       domain == AF_NETLINK && protocol == NETLINK_NETFILTER;
}

/* What makes no sense to this version is closed, and opened anew. */
static int take_kept(void *context, const struct message *m, int fd, struct error *err)
{
	struct admission *a = context;
	uint64_t place = m->number - RULES_QUEUE_FIRST;

	(void)err;
	if (m->type == MESSAGE_HANDED && fd >= 0 &&
		str_eq(m->text, STR_LIT(TAKEOVER_QUEUE)) && place < RULES_QUEUES_MAX &&
		a->kept[place] < 0 && is_queue_socket(fd))
		a->kept[place] = fd;
	else
		fd_closep(&fd);
	return 0;
}

int follow_kept(struct admission *a, struct error *err)
{
	struct message last;
	int r = takeover_receive(a->start->handed, take_kept, a, &last, err);

	fd_closep(&a->start->handed);
	return r;
}

static int take_nothing(void *context, const struct message *m, int fd, struct error *err)
{
	(void)context;
	(void)m;
	fd_closep(&fd);
	return error_set(err, -EBADMSG, "the one that runs says too much");
}

int follow_commit(struct admission *a, struct error *err)
{
	struct message last;
	int r = takeover_retire(a->takeover, take_nothing, NULL, &last, err);

	fd_closep(&a->takeover);
	if (r == 0)
		r = state_lock_set(&a->start->lock, STATE_LOCK_ADMISSION, err);
	if (r < 0)
		return r;
	r = clients_open_on(a, a->handed_door);
	if (r < 0)
		return error_errno(err, r, "cannot follow the one that runs");
	a->handed_door = -1;
	program_has_taken_over(a->start);
	return 0;
}

/* ---- the one that runs ---- */

void retire_hand(struct admission *a, struct channel *to)
{
	struct message last = { .type = MESSAGE_TAKEN_OVER };
	int r = takeover_hand(to, TAKEOVER_DOOR, 0, channel_listener_fd(&a->door));

	for (size_t i = 0; i < a->n_queues && r == 0; i++)
		r = takeover_hand(
			to, TAKEOVER_QUEUE, a->queues[i].number, queue_fd(&a->queues[i]));
	if (r == 0)
		r = message_send(to, &last, -1);
	if (r == 0)
		return;
	log_error(NULL, "hand-over", "error=%d", -r);
	channel_close(to);
}

void retire_begin(struct admission *a, struct channel *to)
{
	struct message last = { .type = MESSAGE_TAKEN_OVER };

	state_lock_drop(&a->start->lock, STATE_LOCK_ADMISSION);
	a->is_retired = true;
	loop_stop(&a->loop);
	(void)message_send(to, &last, -1);
}
