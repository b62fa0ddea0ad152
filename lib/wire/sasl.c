/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/sasl.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>

static bool is_base64_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* EVP_DecodeBlock() lets white space and misplaced padding through: look first. */
static bool well_formed(struct str text, size_t *ret_padding)
{
	size_t padding = 0;

	if (text.len % 4 || text.len > INT_MAX)
		return false;
	while (padding < 2 && padding < text.len &&
		text.ptr[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len - padding; i++)
		if (!is_base64_byte(text.ptr[i]))
			return false;
	*ret_padding = padding;
	return true;
}

bool base64_decode(struct str text, struct arena *arena, struct str *ret_bytes)
{
	size_t padding;
	unsigned char *out;
	int len;

	if (!well_formed(text, &padding))
		return false;
	out = arena_alloc(arena, text.len / 4 * 3 + 1);
	if (!out)
		return false;
	len = text.len ? EVP_DecodeBlock(
				 out, (const unsigned char *)text.ptr, (int)text.len)
	               : 0;
	if (len < 0)
		return false;
	*ret_bytes = str_of(out, (size_t)len - padding);
	return true;
}

int base64_encode(struct buf *out, struct str bytes)
{
	char *space;
	int r;

	if (!bytes.len)
		return 0;
	if (bytes.len > INT_MAX / 2)
		return -EINVAL;
	r = buf_reserve(out, (bytes.len + 2) / 3 * 4 + 1, &space);
	if (r < 0)
		return r;
	r = EVP_EncodeBlock(
		(unsigned char *)space, (const unsigned char *)bytes.ptr, (int)bytes.len);
	buf_commit(out, (size_t)r);
	return 0;
}

bool sasl_plain_parse(struct str message, struct sasl_plain *ret)
{
	struct str rest = message;
	struct str authzid = str_split(&rest, '\0');
	size_t middle = str_index(rest, '\0');

	if (authzid.len == message.len || middle == rest.len || middle == 0)
		return false;
	ret->authzid = authzid;
	ret->authcid = str_take(rest, middle);
	ret->password = str_skip(rest, middle + 1);
	return str_index(ret->password, '\0') == ret->password.len;
}

int sasl_plain_put(struct buf *out, const struct sasl_plain *plain)
{
	struct buf clear;
	int r;

	buf_init(&clear, 0);
	r = buf_append(&clear, plain->authzid);
	r = r < 0 ? r : buf_byte(&clear, '\0');
	r = r < 0 ? r : buf_append(&clear, plain->authcid);
	r = r < 0 ? r : buf_byte(&clear, '\0');
	r = r < 0 ? r : buf_append(&clear, plain->password);
	r = r < 0 ? r : base64_encode(out, buf_view(&clear));
	buf_wipe(&clear);
	buf_fini(&clear);
	return r;
}

struct str sasl_plain_account(const struct sasl_plain *plain)
{
	return plain->authzid.len ? plain->authzid : plain->authcid;
}
