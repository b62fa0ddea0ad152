/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/tun.h"
#include "nft-rules/netlink.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

_Static_assert(sizeof(TUN_NAME) <= IFNAMSIZ, "an interface's name");

static int attach(int fd)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", TUN_NAME);
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

static int set_up(void)
{
	CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0)
		return -errno;
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", TUN_NAME);
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int add_route(struct mnl_socket *socket, int family, const char *to)
{
	struct netlink_batch *batch = netlink_batch_new();
	size_t len =
		family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	uint8_t address[sizeof(struct in6_addr)];
	uint32_t sequence = 0;
	char *room = batch ? netlink_batch_room(batch, &sequence) : NULL;
	struct nlmsghdr *m = room ? mnl_nlmsg_put_header(room) : NULL;
	int code = -ENOMEM;

	if (m && inet_pton(family, to, address) == 1) {
		struct rtmsg *head;

		m->nlmsg_type = RTM_NEWROUTE;
		m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
		m->nlmsg_seq = sequence;
		head = mnl_nlmsg_put_extra_header(m, sizeof(*head));
		head->rtm_family = (unsigned char)family;
		head->rtm_dst_len = (unsigned char)(len * 8);
		head->rtm_table = RT_TABLE_MAIN;
		head->rtm_protocol = RTPROT_STATIC;
		head->rtm_scope = RT_SCOPE_LINK;
		head->rtm_type = RTN_UNICAST;
		mnl_attr_put(m, RTA_DST, len, address);
		mnl_attr_put_u32(m, RTA_OIF, if_nametoindex(TUN_NAME));
		netlink_batch_add(batch, m, "route to the probe");
		code = netlink_batch_send(socket, batch, NULL);
	}
	netlink_batch_free(&batch);
	return code;
}

static int add_routes(bool *ret_v6)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	int code = netlink_open(NETLINK_ROUTE, &socket, NULL);

	if (code == 0)
		code = add_route(socket, AF_INET, TUN_CLIENT4);
	*ret_v6 = code == 0 && add_route(socket, AF_INET6, TUN_CLIENT6) == 0;
	return code;
}

int tun_open(int *ret_fd, bool *ret_v6, struct error *err)
{
	CLEANUP(fd_closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int code = fd < 0 ? -errno : attach(fd);

	if (code == 0)
		code = set_up();
	if (code == 0)
		code = add_routes(ret_v6);
	if (code < 0)
		return error_errno(err, code, "the probe's interface (/dev/net/tun)");
	*ret_fd = fd_steal(&fd);
	return 0;
}
