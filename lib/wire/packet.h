/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H
/* The head of an IPv4 or IPv6 packet with TCP in it: who talks to whom. */
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct tcp_packet {
	unsigned version;       /* 4 or 6 */
	unsigned char from[16]; /* network order; of IPv4 the first 4 */
	uint16_t from_port, to_port;
	uint8_t flags; /* as in the header's 14th byte */
};

#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_ACK 0x10

/* From the packet's first bytes. false: it is something else, a fragment without the TCP
   header, or cut before its flags. */
bool tcp_packet_read(struct str bytes, struct tcp_packet *ret);

#endif
