/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/box.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 255

static int put(
	const uint8_t *public_key, unsigned char *plain, size_t len, struct buf *out)
{
	char *space;
	int r = buf_reserve(out, 1 + len + crypto_box_SEALBYTES, &space);

	if (r < 0)
		return r;
	space[0] = BOX_VERSION;
	if (crypto_box_seal((unsigned char *)space + 1, plain, len, public_key) != 0)
		return -EIO;
	buf_commit(out, 1 + len + crypto_box_SEALBYTES);
	return 0;
}

int box_seal(const uint8_t public_key[static BOX_KEY_SIZE], struct str account,
	struct str clear, struct buf *out)
{
	size_t len = 1 + account.len + clear.len;
	unsigned char *plain;
	int r;

	if (account.len > NAME_MAX_LEN)
		return -EINVAL;
	if (sodium_init() < 0)
		return -EIO;
	plain = malloc(len);
	if (!plain)
		return -ENOMEM;
	plain[0] = (unsigned char)account.len;
	if (account.len)
		memcpy(plain + 1, account.ptr, account.len);
	if (clear.len)
		memcpy(plain + 1 + account.len, clear.ptr, clear.len);
	r = put(public_key, plain, len, out);
	explicit_bzero(plain, len);
	free(plain);
	return r;
}
