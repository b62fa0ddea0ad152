/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/address_key.h"

#include <errno.h>
#include <string.h>

static void put_folded(struct address_key *key, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char *c = &key->bytes[key->len++];

		*c = s.ptr[i];
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	}
}

int address_key(struct str local, struct str domain, struct address_key *ret)
{
	bool at = domain.len > 0;

	if ((!local.len && !at) || local.len >= ADDRESS_MAX ||
		domain.len >= ADDRESS_MAX || local.len + at + domain.len > ADDRESS_MAX ||
		str_index(local, '\0') < local.len ||
		str_index(domain, '\0') < domain.len)
		return -EINVAL;
	ret->len = 0;
	put_folded(ret, local);
	if (at)
		put_folded(ret, STR_LIT("@"));
	put_folded(ret, domain);
	return 0;
}

struct str address_key_text(const struct address_key *key)
{
	return str_of(key->bytes, key->len);
}

void address_split(struct str text, struct str *ret_local, struct str *ret_domain)
{
	const char *at = text.len ? memrchr(text.ptr, '@', text.len) : NULL;
	size_t n = at ? (size_t)(at - text.ptr) : text.len;

	*ret_local = str_take(text, n);
	*ret_domain = str_skip(text, n + 1);
}

bool domain_is_ours(const struct registry *r, struct str domain)
{
	for (size_t i = 0; i < r->n_domains; i++)
		if (str_ieq(str_from(r->domains[i]), domain))
			return true;
	return false;
}

bool local_is_plain(struct str local)
{
	for (size_t i = 0; i < local.len; i++) {
		char c = local.ptr[i];

		if ((unsigned char)c <= 0x20 || strchr("%!\\@\"\x7f", c))
			return false;
	}
	return local.len > 0;
}

bool address_key_cut(const struct registry *r, struct address_key *key)
{
	struct address_key cut = *key;
	struct str local, domain;
	size_t n = 1; /* "+x" alone is a name */

	address_split(address_key_text(&cut), &local, &domain);
	while (n < local.len && !strchr(r->delimiters, local.ptr[n]))
		n++;
	return n < local.len && address_key(str_take(local, n), domain, key) == 0;
}
