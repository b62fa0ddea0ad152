/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/tun.h"
#include "nft-rules/netlink.h"
#include "nft-rules/policy.h"

#include "base/fd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

const struct tun tun_client = { "mailferry-probe", FLOW_PROBE_CLIENT4, FLOW_PROBE_CLIENT6,
	false };
const struct tun tun_foreign = { "mailferry-leg", "198.18.77.71", "2001:2:0:4d46::2",
	true };

static void set_name(const struct tun *t, struct ifreq *request)
{
	(void)snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", t->name);
}

static int attach(const struct tun *t, int fd)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	set_name(t, &request);
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

static int set_up(const struct tun *t)
{
	CLEANUP(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0)
		return -errno;
	set_name(t, &request);
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

/* A route to the address. */
static void put_route(struct nlmsghdr *m, int index, int family, const uint8_t *address)
{
	size_t len = policy_address_length(family);
	struct rtmsg *head;

	m->nlmsg_type = RTM_NEWROUTE;
	head = mnl_nlmsg_put_extra_header(m, sizeof(*head));
	head->rtm_family = (unsigned char)family;
	head->rtm_dst_len = (unsigned char)(len * 8);
	head->rtm_table = RT_TABLE_MAIN;
	head->rtm_protocol = RTPROT_STATIC;
	head->rtm_scope = RT_SCOPE_LINK;
	head->rtm_type = RTN_UNICAST;
	mnl_attr_put(m, RTA_DST, len, address);
	mnl_attr_put_u32(m, RTA_OIF, (uint32_t)index);
}

/* The address itself, usable at once. */
static void put_address(struct nlmsghdr *m, int index, int family, const uint8_t *address)
{
	size_t len = policy_address_length(family);
	struct ifaddrmsg *head;

	m->nlmsg_type = RTM_NEWADDR;
	head = mnl_nlmsg_put_extra_header(m, sizeof(*head));
	head->ifa_family = (unsigned char)family;
	head->ifa_prefixlen = (unsigned char)(len * 8);
	head->ifa_flags = IFA_F_NODAD;
	head->ifa_scope = RT_SCOPE_UNIVERSE;
	head->ifa_index = (unsigned)index;
	mnl_attr_put(m, IFA_LOCAL, len, address);
	mnl_attr_put(m, IFA_ADDRESS, len, address);
}

static int add(const struct tun *t, struct mnl_socket *socket, int family)
{
	struct netlink_batch *batch = netlink_batch_new();
	int index = (int)if_nametoindex(t->name);
	uint8_t address[sizeof(struct in6_addr)];
	uint32_t sequence = 0;
	char *room = batch ? netlink_batch_room(batch, &sequence) : NULL;
	struct nlmsghdr *m = room ? mnl_nlmsg_put_header(room) : NULL;
	int code = -ENOMEM;

	if (m && inet_pton(family, family == AF_INET6 ? t->address6 : t->address4,
			 address) == 1) {
		m->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
		m->nlmsg_seq = sequence;
		if (t->is_here)
			put_address(m, index, family, address);
		else
			put_route(m, index, family, address);
		netlink_batch_add(batch, m, "the probe's address");
		code = netlink_batch_send(socket, batch, NULL);
	}
	netlink_batch_free(&batch);
	return code;
}

static int add_both(const struct tun *t, bool *ret_v6)
{
	CLEANUP(netlink_close) struct mnl_socket *socket = NULL;
	int code = netlink_open(NETLINK_ROUTE, &socket, NULL);

	if (code == 0)
		code = add(t, socket, AF_INET);
	*ret_v6 = code == 0 && add(t, socket, AF_INET6) == 0;
	return code;
}

int tun_open(const struct tun *t, int *ret_fd, bool *ret_v6, struct error *err)
{
	CLEANUP(fd_closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int code = fd < 0 ? -errno : attach(t, fd);

	if (code == 0)
		code = set_up(t);
	if (code == 0)
		code = add_both(t, ret_v6);
	if (code < 0)
		return error_errno(err, code, "the probe's interface (/dev/net/tun)");
	*ret_fd = fd_steal(&fd);
	return 0;
}
