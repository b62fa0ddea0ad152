/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/resumption.h"

#include <errno.h>
#include <inttypes.h>

static const struct str states[] = { STR("none"), STR("examine"), STR("select") };

int resumption_encode(const struct resumption *r, struct buf *out)
{
	struct str state = states[!r->is_selected ? 0 : r->read_only ? 1 : 2];
	const struct str fields[] = { r->enabled, r->mailbox, r->uids };
	int code = buf_append(out, state);

	if (code == 0)
		code = buf_byte(out, '\0');
	if (code == 0)
		code = buf_number(out, r->uidvalidity);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && code == 0; i++) {
		code = buf_byte(out, '\0');
		if (code == 0)
			code = buf_append(out, fields[i]);
	}
	return code;
}

int resumption_decode(struct str bytes, struct resumption *ret)
{
	struct str state = str_split(&bytes, '\0'), number = str_split(&bytes, '\0');
	struct resumption r = { .is_selected = !str_eq(state, states[0]),
		.read_only = str_eq(state, states[1]) };

	r.enabled = str_split(&bytes, '\0');
	r.mailbox = str_split(&bytes, '\0');
	r.uids = bytes;
	if ((r.is_selected && !r.read_only && !str_eq(state, states[2])) ||
		!str_to_u32(number, &r.uidvalidity) ||
		str_index(r.uids, '\0') < r.uids.len)
		return -EBADMSG;
	*ret = r;
	return 0;
}
