/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/queue.h"

#include "nft-rules/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define HEAD_BYTES 128          /* of each packet: IPv6 with two extensions, and TCP */
#define TURN_PACKETS 128        /* then others have their turn */
#define MESSAGE_MAX 1024        /* of one packet, its attributes included */
#define VERDICT_MAX 64          /* one verdict as a message: 40 bytes */
#define RECEIVE_BYTES (8 << 20) /* a kilobyte and a half for each packet, as accounted */

struct waiting {
	uint32_t id, mark;
};

/* What one turn reads: a message each. */
struct inbox {
	struct mmsghdr messages[TURN_PACKETS];
	struct iovec rooms[TURN_PACKETS];
	_Alignas(struct nlmsghdr) char bytes[TURN_PACKETS][MESSAGE_MAX];
};

struct turn {
	const struct queue *queue;
	struct waiting packets[TURN_PACKETS];
	size_t n;
	bool is_mixed; /* not all have one mark */
};

/* ---- opening ---- */

static int configure(struct queue *q, struct nlmsghdr *message)
{
	message->nlmsg_flags |= NLM_F_ACK;
	return netlink_ask(q->socket, message, NULL, NULL);
}

static int bind_queue(struct queue *q)
{
	char bytes[256] = { 0 };
	struct nlmsghdr *m = nfq_nlmsg_put(bytes, NFQNL_MSG_CONFIG, q->number);

	nfq_nlmsg_cfg_put_cmd(m, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	return configure(q, m);
}

static int set_parameters(struct queue *q)
{
	char bytes[256] = { 0 };
	struct nlmsghdr *m = nfq_nlmsg_put(bytes, NFQNL_MSG_CONFIG, q->number);

	nfq_nlmsg_cfg_put_params(m, NFQNL_COPY_PACKET, HEAD_BYTES);
	nfq_nlmsg_cfg_put_qmaxlen(m, QUEUE_LENGTH_MAX);
	mnl_attr_put_u32(m, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN));
	mnl_attr_put_u32(m, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
	return configure(q, m);
}

static struct inbox *new_inbox(void)
{
	struct inbox *in = calloc(1, sizeof(*in));

	for (size_t i = 0; in && i < TURN_PACKETS; i++) {
		in->rooms[i] = (struct iovec){ in->bytes[i], MESSAGE_MAX };
		in->messages[i].msg_hdr.msg_iov = &in->rooms[i];
		in->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return in;
}

int queue_open(struct queue *q, uint16_t number, queue_judge_fn *judge, void *context,
	struct error *err)
{
	int size = RECEIVE_BYTES, on = 1;
	int code;

	*q = (struct queue){ .number = number, .judge = judge, .context = context };
	q->inbox = new_inbox();
	code = q->inbox ? netlink_open(NETLINK_NETFILTER, &q->socket, err)
	                : error_errno(err, -ENOMEM, "a queue");
	if (code < 0)
		return code;
	/* What does not fit goes on without a verdict: no need to hear of it as an error.
	 */
	(void)mnl_socket_setsockopt(q->socket, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	(void)setsockopt(queue_fd(q), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	code = bind_queue(q);
	if (code == 0)
		code = set_parameters(q);
	if (code == -EBUSY || code == -EPERM)
		return error_set(err, code,
			"the kernel's queue %u is taken: another program listens there",
			number);
	return code < 0 ? error_errno(err, code, "queue %u", number) : 0;
}

int queue_open_on(struct queue *q, uint16_t number, int fd, queue_judge_fn *judge,
	void *context, struct error *err)
{
	*q = (struct queue){ .number = number, .judge = judge, .context = context };
	q->inbox = new_inbox();
	q->socket = q->inbox ? mnl_socket_fdopen(fd) : NULL;
	return q->socket ? 0 : error_errno(err, -errno, "queue %u", number);
}

void queue_close(struct queue *q)
{
	netlink_close(&q->socket);
	free(q->inbox);
	q->inbox = NULL;
}

int queue_fd(const struct queue *q)
{
	return mnl_socket_get_fd(q->socket);
}

/* ---- reading ---- */

static void take_packet(struct turn *t, struct nlattr *const *attributes)
{
	const struct nfqnl_msg_packet_hdr *head =
		mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
	struct waiting *w = &t->packets[t->n++];
	const struct nlattr *payload = attributes[NFQA_PAYLOAD];
	struct str packet = payload ? str_of(mnl_attr_get_payload(payload),
					      mnl_attr_get_payload_len(payload))
	                            : str_of("", 0);
	uint32_t mark = attributes[NFQA_MARK]
	                        ? ntohl(mnl_attr_get_u32(attributes[NFQA_MARK]))
	                        : 0;

	w->id = ntohl(head->packet_id);
	w->mark = t->queue->judge(t->queue->context, packet, mark);
	t->is_mixed = t->is_mixed || w->mark != t->packets[0].mark;
}

static void take_message(struct turn *t, const struct nlmsghdr *message)
{
	struct nlattr *attributes[NFQA_MAX + 1] = { NULL };

	if ((message->nlmsg_type & 0xff) == NFQNL_MSG_PACKET &&
		nfq_nlmsg_parse(message, attributes) >= 0 && attributes[NFQA_PACKET_HDR])
		take_packet(t, attributes);
}

/* One packet a message, one message a datagram; all that are there in one call. */
static int read_all(struct queue *q, struct turn *t)
{
	int n = recvmmsg(
		queue_fd(q), q->inbox->messages, TURN_PACKETS, MSG_DONTWAIT, NULL);

	if (n < 0 && errno == ENOBUFS)
		q->lost++;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		const struct nlmsghdr *message = q->inbox->rooms[i].iov_base;

		if (mnl_nlmsg_ok(message, (int)q->inbox->messages[i].msg_len))
			take_message(t, message);
	}
	return 0;
}

/* ---- answering ---- */

/* The batch's verdict is for all packets up to its id, and so they were read. */
static size_t put_verdict(
	const struct queue *q, const struct waiting *w, bool batch, char *bytes)
{
	struct nlmsghdr *m = nfq_nlmsg_put(
		bytes, batch ? NFQNL_MSG_VERDICT_BATCH : NFQNL_MSG_VERDICT, q->number);

	nfq_nlmsg_verdict_put(m, (int)w->id, NF_ACCEPT);
	nfq_nlmsg_verdict_put_mark(m, w->mark);
	return m->nlmsg_len;
}

static int answer(struct queue *q, const struct turn *t)
{
	char bytes[TURN_PACKETS * VERDICT_MAX];
	size_t len = 0;

	if (!t->is_mixed)
		len = put_verdict(q, &t->packets[t->n - 1], t->n > 1, bytes);
	for (size_t i = 0; t->is_mixed && i < t->n; i++)
		len += put_verdict(q, &t->packets[i], false, bytes + len);
	return mnl_socket_sendto(q->socket, bytes, len) < 0 ? -errno : 0;
}

int queue_serve(struct queue *q)
{
	struct turn t = { .queue = q };
	int code = read_all(q, &t);

	q->packets += t.n;
	q->batches += t.n > 0;
	return code == 0 && t.n ? answer(q, &t) : code;
}
