/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as the head of a packet: what is read does not change when more comes behind
   it, and a judge never lets pass what cannot be read. */
#include "fuzz.h"

#include "wire/packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_of(data, size);
	struct tcp_packet whole = { 0 };
	bool is_read = tcp_packet_read(bytes, &whole), was_read = false;

	if (is_read && whole.version != 4 && whole.version != 6)
		abort();
	for (size_t len = 0; len <= size; len++) {
		struct tcp_packet cut = { 0 };

		if (tcp_packet_read(str_take(bytes, len), &cut)) {
			was_read = true;
			if (!is_read || memcmp(&cut, &whole, sizeof(cut)) != 0)
				abort();
		} else if (was_read) {
			abort();
		}
	}
	return 0;
}
