/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/room.h"
#include "nft-rules/netlink.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#define REQUEST_MAX 256 /* a header and two names */

static int read_counter(const struct nlmsghdr *answer, void *data)
{
	struct nftnl_obj *object = nftnl_obj_alloc();
	uint64_t *packets = data;

	if (!object) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	if (nftnl_obj_nlmsg_parse(answer, object) == 0 &&
		nftnl_obj_is_set(object, NFTNL_OBJ_CTR_PKTS))
		*packets = nftnl_obj_get_u64(object, NFTNL_OBJ_CTR_PKTS);
	nftnl_obj_free(object);
	return MNL_CB_OK;
}

int room_admitted(struct mnl_socket *netfilter, uint64_t *ret)
{
	char bytes[REQUEST_MAX] = { 0 };
	uint64_t packets = UINT64_MAX;
	/* An answer and an acknowledgement, where the reading ends. */
	struct nlmsghdr *request =
		nftnl_nlmsg_build_hdr(bytes, NFT_MSG_GETOBJ, NFPROTO_INET, NLM_F_ACK, 1);
	int code;

	mnl_attr_put_strz(request, NFTA_OBJ_TABLE, RULES_TABLE);
	mnl_attr_put_strz(request, NFTA_OBJ_NAME, ROOM_COUNTER);
	mnl_attr_put_u32(request, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	code = netlink_ask(netfilter, request, read_counter, &packets);
	if (code < 0)
		return code;
	if (packets == UINT64_MAX)
		return -ENOENT;
	*ret = packets;
	return 0;
}

/* All that is in it. */
static int add_flush(struct netlink_batch *batch)
{
	uint32_t sequence = 0;
	char *room = netlink_batch_room(batch, &sequence);
	struct nlmsghdr *message;

	if (!room)
		return -ENOMEM;
	message = nftnl_nlmsg_build_hdr(
		room, NFT_MSG_DELSETELEM, NFPROTO_INET, NLM_F_ACK, sequence);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, RULES_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, ROOM_SET);
	netlink_batch_add(batch, message, "flush set " ROOM_SET);
	return 0;
}

int room_end(struct mnl_socket *netfilter, struct error *err)
{
	struct netlink_batch *batch = netlink_batch_new();
	int code = batch ? netlink_batch_edge(batch, nftnl_batch_begin, "transaction")
	                 : -ENOMEM;

	if (!code)
		code = add_flush(batch);
	if (!code)
		code = netlink_batch_edge(
			batch, nftnl_batch_end, "end of the transaction");
	code = code ? error_errno(err, code, "preparing the room's end")
	            : netlink_batch_send(netfilter, batch, err);
	netlink_batch_free(&batch);
	return code == -ENOENT ? 0 : code; /* rules without it, or none */
}
