/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/netlink.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_BYTES                                                                     \
	1048576           /* answers to a batch: some hundred, a kilobyte each as the    \
	                     kernel accounts them */
#define RECEIVE_MAX 65536 /* a dump comes in pieces of up to 32 KiB */
#define TCP_REQUEST_MAX 256
#define TEXT_MAX 320 /* of a statement, within an error's sentence */

struct statement {
	char text[TEXT_MAX];
	size_t offset; /* of its message in the batch */
	bool answered;
};

struct netlink_batch {
	char *bytes;
	size_t len, cap;
	struct statement *statements;
	size_t n;
};

int netlink_open(int bus, struct mnl_socket **ret_socket, struct error *err)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int bytes = BUFFER_BYTES, on = 1;
	int code;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		code = -errno;
		netlink_close(&socket);
		return error_errno(err, code, "netlink socket");
	}
	/* Each is a wish: old kernels lack the options (4.12, 4.20), and without
	   CAP_NET_ADMIN the default sizes stay. */
	(void)mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		sizeof(bytes));
	(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUFFORCE, &bytes,
		sizeof(bytes));
	*ret_socket = socket;
	return 0;
}

void netlink_close(struct mnl_socket **socket)
{
	if (*socket)
		(void)mnl_socket_close(*socket);
	*socket = NULL;
}

/* ---- batch ---- */

struct netlink_batch *netlink_batch_new(void)
{
	return calloc(1, sizeof(struct netlink_batch));
}

void netlink_batch_free(struct netlink_batch **batch)
{
	if (*batch) {
		free((*batch)->bytes);
		free((*batch)->statements);
		free(*batch);
	}
	*batch = NULL;
}

static bool make_room(struct netlink_batch *b)
{
	struct statement *statements =
		reallocarray(b->statements, b->n + 1, sizeof(*statements));
	size_t cap = b->cap ? b->cap : NETLINK_STATEMENT_MAX;
	char *bytes;

	if (!statements)
		return false;
	b->statements = statements;
	while (cap < b->len + NETLINK_STATEMENT_MAX)
		cap *= 2;
	bytes = cap == b->cap ? b->bytes : realloc(b->bytes, cap);
	if (!bytes)
		return false;
	b->bytes = bytes;
	b->cap = cap;
	return true;
}

char *netlink_batch_room(struct netlink_batch *batch, uint32_t *ret_sequence)
{
	if (!make_room(batch))
		return NULL;
	*ret_sequence = (uint32_t)batch->n + 1; /* 0 is for what nobody asked */
	memset(batch->bytes + batch->len, 0, NETLINK_STATEMENT_MAX);
	return batch->bytes + batch->len;
}

void netlink_batch_add(struct netlink_batch *batch, const struct nlmsghdr *message,
	const char *format, ...)
{
	struct statement *s = &batch->statements[batch->n++];
	va_list args;

	*s = (struct statement){ .offset = batch->len };
	va_start(args, format);
	(void)vsnprintf(s->text, sizeof(s->text), format, args);
	va_end(args);
	batch->len += NLMSG_ALIGN(message->nlmsg_len);
}

int netlink_batch_edge(struct netlink_batch *batch,
	struct nlmsghdr *(*edge)(char *, uint32_t), const char *text)
{
	uint32_t sequence = 0;
	char *room = netlink_batch_room(batch, &sequence);

	if (!room)
		return -ENOMEM;
	netlink_batch_add(batch, edge(room, sequence), "%s", text);
	return 0;
}

/* ---- what the kernel says ---- */

struct complaint {
	const char *message; /* extended acknowledgement, or NULL */
	uint32_t offset;     /* of the attribute at fault in our message, or 0 */
};

static int read_complaint_attribute(const struct nlattr *attr, void *data)
{
	struct complaint *c = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		c->message = mnl_attr_get_str(attr);
	else if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
		 mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		c->offset = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static struct complaint read_complaint(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
	unsigned skip = sizeof(*error);
	struct complaint c = { 0 };

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
		return c;
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		skip += (unsigned)(NLMSG_ALIGN(error->msg.nlmsg_len) -
				   sizeof(error->msg));
	(void)mnl_attr_parse(answer, skip, read_complaint_attribute, &c);
	return c;
}

static int read_expression_name(const struct nlattr *attr, void *data)
{
	const char **name = data;

	if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
		*name = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

/* Of a refused rule the kernel only marks the list entry of the expression that it does
   not have: read that expression's name from our own message. */
static const char *expression_at(const struct nlmsghdr *message, uint32_t offset)
{
	const struct nlattr *entry =
		(const struct nlattr *)((const char *)message + offset);
	const char *name = NULL;

	if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWRULE || !offset ||
		offset + sizeof(*entry) > message->nlmsg_len ||
		mnl_attr_get_type(entry) != NFTA_LIST_ELEM ||
		offset + entry->nla_len > message->nlmsg_len)
		return NULL;
	(void)mnl_attr_parse_nested(entry, read_expression_name, &name);
	return name;
}

static const char *cure(int code)
{
	static const struct {
		int code;
		const char *text;
	} cures[] = {
		{ -EPERM, "run it as root or with CAP_NET_ADMIN" },
		{ -EAFNOSUPPORT,
			"this kernel lacks the address family: IPv6 may be off" },
		{ -EOPNOTSUPP, "this kernel lacks that feature: see `mailferry check`" },
		{ -ENOENT, "this kernel may lack the module: see `mailferry check`" },
		{ -ENETDOWN, "bring lo up: ip link set lo up" },
		{ -EBUSY, "somebody else's table refers to ours: remove that first" },
		{ -ENOBUFS, "too many answers: raise net.core.rmem_max" },
	};

	for (size_t i = 0; i < sizeof(cures) / sizeof(cures[0]); i++)
		if (cures[i].code == code)
			return cures[i].text;
	return NULL;
}

static int say_refused(const struct statement *s, const struct nlmsghdr *message,
	int code, struct complaint c, struct error *err)
{
	const char *expression = expression_at(message, c.offset);
	const char *advice = cure(code);

	return error_set(err, code, "%s%s%s: %s%s%s", s->text,
		expression ? ": expression " : "", expression ? expression : "",
		c.message ? c.message : strerror(-code), advice ? ": " : "",
		advice ? advice : "");
}

struct hearing {
	const struct netlink_batch *batch;
	struct error *err;
	int code; /* of the first refused statement */
};

static void hear_one(struct hearing *h, const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
	struct statement *s;

	if (answer->nlmsg_type != NLMSG_ERROR ||
		mnl_nlmsg_get_payload_len(answer) < sizeof(*error) ||
		answer->nlmsg_seq < 1 || answer->nlmsg_seq > h->batch->n)
		return;
	s = &h->batch->statements[answer->nlmsg_seq - 1];
	s->answered = true;
	if (error->error && !h->code)
		h->code = say_refused(s,
			(const struct nlmsghdr *)(h->batch->bytes + s->offset),
			error->error, read_complaint(answer), h->err);
}

static int hear_all(struct mnl_socket *socket, struct hearing *h)
{
	char *bytes = malloc(RECEIVE_MAX);
	ssize_t len = 0;

	if (!bytes)
		return error_errno(h->err, -ENOMEM, "netlink");
	for (;;) {
		const struct nlmsghdr *answer = (const struct nlmsghdr *)bytes;
		int left;

		len = recv(mnl_socket_get_fd(socket), bytes, RECEIVE_MAX, MSG_DONTWAIT);
		if (len <= 0)
			break;
		for (left = (int)len; mnl_nlmsg_ok(answer, left);
			answer = mnl_nlmsg_next(answer, &left))
			hear_one(h, answer);
	}
	free(bytes);
	if (len < 0 && errno != EAGAIN && !h->code)
		return error_errno(h->err, -errno, "netlink: reading the answers");
	return h->code;
}

int netlink_batch_send(
	struct mnl_socket *socket, const struct netlink_batch *batch, struct error *err)
{
	struct hearing h = { .batch = batch, .err = err };
	int code;

	if (mnl_socket_sendto(socket, batch->bytes, batch->len) < 0)
		return error_errno(
			err, -errno, "netlink: sending %zu statements", batch->n);
	code = hear_all(socket, &h);
	for (size_t i = 0; i < batch->n && !code; i++) {
		const struct nlmsghdr *message =
			(const struct nlmsghdr *)(batch->bytes +
						  batch->statements[i].offset);

		if (message->nlmsg_flags & NLM_F_ACK && !batch->statements[i].answered)
			code = error_set(err, -EPROTO,
				"%s: the kernel did not say whether it did that",
				batch->statements[i].text);
	}
	return code;
}

/* ---- questions ---- */

/* The kernel answers within the sending, and goes on with a dump within the reading: what
   is not there will not come, and nobody waits for it. */
static ssize_t receive_now(struct mnl_socket *socket, char *bytes)
{
	return recv(mnl_socket_get_fd(socket), bytes, RECEIVE_MAX, MSG_DONTWAIT);
}

/* The rest of an answer would be taken for the next one. */
static void drop_rest(struct mnl_socket *socket, char *bytes)
{
	while (receive_now(socket, bytes) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
}

int netlink_ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t callback,
	void *data)
{
	char *bytes = malloc(RECEIVE_MAX);
	uint32_t sequence = request->nlmsg_seq;
	int code = MNL_CB_OK;

	if (!bytes)
		return -ENOMEM;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		code = MNL_CB_ERROR;
	while (code > MNL_CB_STOP) {
		ssize_t len = receive_now(socket, bytes);

		code = len < 0 ? MNL_CB_ERROR
		               : mnl_cb_run(bytes, (size_t)len, sequence,
					 mnl_socket_get_portid(socket), callback, data);
	}
	code = code < 0 ? -errno : 0;
	if (code < 0)
		drop_rest(socket, bytes);
	free(bytes);
	return code;
}

int netlink_ask_tcp(struct mnl_socket *socket, uint8_t family, int state, bool info,
	mnl_cb_t callback, void *data)
{
	char bytes[TCP_REQUEST_MAX] = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);
	struct inet_diag_req_v2 *wanted;

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = family;
	wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));
	wanted->sdiag_family = family;
	wanted->sdiag_protocol = IPPROTO_TCP;
	wanted->idiag_states = 1u << state;
	wanted->idiag_ext = info ? 1u << (INET_DIAG_INFO - 1) : 0;
	return netlink_ask(socket, request, callback, data);
}
