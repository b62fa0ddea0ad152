/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_NETLINK_H
#define NFT_RULES_NETLINK_H
/*
 * Netlink with answers: every message asks for an acknowledgement, carries a sequence
 * number of its own, and is remembered as the statement it stands for. So an error of the
 * kernel becomes "rule '…' of chain x: what the kernel says: cure".
 *
 * The kernel works through what was sent before sendto(2) returns; all answers then lie
 * in the socket, and reading ends when it is empty.
 */
#include "base/error.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#define NETLINK_STATEMENT_MAX 16384 /* the largest message: 16 services' counter map */

/* NETLINK_NETFILTER or NETLINK_ROUTE; the caller's until netlink_close(). */
int netlink_open(int bus, struct mnl_socket **ret_socket, struct error *err);
void netlink_close(struct mnl_socket **socket); /* for CLEANUP; NULL is fine */

/* ---- a batch of statements ---- */

struct netlink_batch;

struct netlink_batch *netlink_batch_new(void); /* NULL without memory */
void netlink_batch_free(struct netlink_batch **batch);

/* Room for the next message, NETLINK_STATEMENT_MAX bytes, and its sequence number; then
   netlink_batch_add() with what it stands for. NULL without memory. */
char *netlink_batch_room(struct netlink_batch *batch, uint32_t *ret_sequence);
void netlink_batch_add(struct netlink_batch *batch, const struct nlmsghdr *message,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
/* nftnl_batch_begin() or nftnl_batch_end(). 0 or -ENOMEM. */
int netlink_batch_edge(struct netlink_batch *batch,
	struct nlmsghdr *(*edge)(char *, uint32_t), const char *text);

/* Sends all in one go and reads all answers. The first refused statement is the error;
   a missing answer is one too. */
int netlink_batch_send(
	struct mnl_socket *socket, const struct netlink_batch *batch, struct error *err);

/* ---- questions ---- */

/* Sends a request (NLM_F_DUMP or for one thing) and calls back for each answer. The
   callback returns MNL_CB_OK or MNL_CB_ERROR with errno set. -EINTR: the kernel's state
   changed in between, ask again; -EAGAIN: it gave no answer, which nobody waits for.
   After an error the rest of the answer is dropped. No sentence: the caller knows what
   it asked for. */
int netlink_ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t callback,
	void *data);
/* The same, of a NETLINK_SOCK_DIAG socket: this network's TCP sockets (struct
   inet_diag_msg) of that family and state; info: with their struct tcp_info. */
int netlink_ask_tcp(struct mnl_socket *socket, uint8_t family, int state, bool info,
	mnl_cb_t callback, void *data);

#endif
