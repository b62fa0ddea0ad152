/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/packet.h"

#include <string.h>

#define PROTOCOL_TCP 6
#define EXTENSIONS_MAX 8 /* nobody sends more than two */

static uint8_t byte_at(struct str bytes, size_t at)
{
	return (uint8_t)bytes.ptr[at];
}

static uint16_t word_at(struct str bytes, size_t at)
{
	return (uint16_t)(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

static bool read_tcp(struct str bytes, struct tcp_packet *p)
{
	if (bytes.len < 14)
		return false;
	p->from_port = word_at(bytes, 0);
	p->to_port = word_at(bytes, 2);
	p->flags = byte_at(bytes, 13);
	return true;
}

static bool read_v4(struct str bytes, struct tcp_packet *p)
{
	size_t head = (size_t)(byte_at(bytes, 0) & 15) * 4;

	if (head < 20 || bytes.len < head || byte_at(bytes, 9) != PROTOCOL_TCP ||
		(word_at(bytes, 6) & 0x1fff) != 0)
		return false;
	p->version = 4;
	memcpy(p->from, bytes.ptr + 12, 4);
	return read_tcp(str_skip(bytes, head), p);
}

/* How long an extension header is (RFC 8200 4, RFC 4302 2.2); 0: it is none. A fragment
   other than the first has no TCP header. */
static size_t extension_length(uint8_t next, struct str bytes)
{
	if (bytes.len < 8)
		return 0;
	switch (next) {
	case 0:  /* hop-by-hop */
	case 43: /* routing */
	case 60: /* destination */
		return (byte_at(bytes, 1) + (size_t)1) * 8;
	case 44: /* fragment */
		return (word_at(bytes, 2) & 0xfff8) == 0 ? 8 : 0;
	case 51: /* authentication */
		return (byte_at(bytes, 1) + (size_t)2) * 4;
	default:
		return 0;
	}
}

static bool read_v6(struct str bytes, struct tcp_packet *p)
{
	uint8_t next;

	if (bytes.len < 40)
		return false;
	next = byte_at(bytes, 6);
	p->version = 6;
	memcpy(p->from, bytes.ptr + 8, 16);
	bytes = str_skip(bytes, 40);
	for (int i = 0; i < EXTENSIONS_MAX && next != PROTOCOL_TCP; i++) {
		size_t len = extension_length(next, bytes);

		if (!len || len > bytes.len)
			return false;
		next = byte_at(bytes, 0);
		bytes = str_skip(bytes, len);
	}
	return next == PROTOCOL_TCP && read_tcp(bytes, p);
}

bool tcp_packet_read(struct str bytes, struct tcp_packet *ret)
{
	struct tcp_packet p = { 0 };
	bool is_read = false;

	if (bytes.len >= 20 && byte_at(bytes, 0) >> 4 == 4)
		is_read = read_v4(bytes, &p);
	else if (bytes.len && byte_at(bytes, 0) >> 4 == 6)
		is_read = read_v6(bytes, &p);
	if (is_read)
		*ret = p;
	return is_read;
}
