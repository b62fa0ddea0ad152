/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/box.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(BOX_KEY_SIZE == crypto_box_BEFORENMBYTES, "a key of libsodium's");
_Static_assert(BOX_NONCE_SIZE == crypto_box_NONCEBYTES, "a nonce of libsodium's");

void box_closer_init(struct box_closer *c, const uint8_t public_key[static BOX_KEY_SIZE])
{
	*c = (struct box_closer){ 0 };
	memcpy(c->vault, public_key, BOX_KEY_SIZE);
}

void box_forget_key(struct box_closer *c)
{
	sodium_memzero(c->agreed, sizeof(c->agreed));
	c->has_key = false;
}

static int make_key(struct box_closer *c)
{
	uint8_t secret[crypto_box_SECRETKEYBYTES];
	int r = sodium_init() < 0 ? -EIO : 0;

	if (r == 0 && (crypto_box_keypair(c->own, secret) != 0 ||
			      crypto_box_beforenm(c->agreed, c->vault, secret) != 0))
		r = -EIO;
	sodium_memzero(secret, sizeof(secret));
	c->closed = 0;
	c->has_key = r == 0;
	return r;
}

/* Closed where it lies: out is wiped as what it holds else is. */
static int put(
	struct box_closer *c, struct str account, struct str clear, struct buf *out)
{
	size_t len = 1 + account.len + clear.len;
	size_t size = 1 + BOX_KEY_SIZE + BOX_NONCE_SIZE + crypto_box_MACBYTES + len;
	unsigned char *at, *nonce, *plain;
	char *space;
	int r = buf_reserve(out, size, &space);

	if (r < 0)
		return r;
	at = (unsigned char *)space;
	*at++ = BOX_VERSION;
	memcpy(at, c->own, BOX_KEY_SIZE);
	nonce = at + BOX_KEY_SIZE;
	memset(nonce, 0, BOX_NONCE_SIZE);
	memcpy(nonce, &c->closed, sizeof(c->closed));
	c->closed++;
	at = nonce + BOX_NONCE_SIZE;
	plain = at + crypto_box_MACBYTES;
	plain[0] = (unsigned char)account.len;
	if (account.len)
		memcpy(plain + 1, account.ptr, account.len);
	if (clear.len)
		memcpy(plain + 1 + account.len, clear.ptr, clear.len);
	if (crypto_box_easy_afternm(at, plain, len, nonce, c->agreed) != 0) {
		sodium_memzero(plain, len);
		return -EIO;
	}
	buf_commit(out, size);
	return 0;
}

int box_name_of_session(
	struct str session, char name[static BOX_NAME_MAX], struct str *ret)
{
	struct str begin = BOX_OF_SESSION;

	if (!session.len || session.len > BOX_NAME_MAX - begin.len)
		return -EINVAL;
	memcpy(name, begin.ptr, begin.len);
	memcpy(name + begin.len, session.ptr, session.len);
	*ret = str_of(name, begin.len + session.len);
	return 0;
}

int box_close(struct box_closer *c, struct str account, struct str clear, struct buf *out)
{
	int r = account.len > BOX_NAME_MAX ? -EINVAL : 0;

	if (r == 0 && !c->has_key)
		r = make_key(c);
	return r < 0 ? r : put(c, account, clear, out);
}
