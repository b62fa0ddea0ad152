/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a name that somebody logged in by leads to an account: its keys are folded, folding
   them again changes nothing, and no two names share a key but such as differ in case, in
   white space around them, or in the only domain. */
#include "fuzz.h"

#include "registry/address_key.h"
#include "registry/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void must(bool promise)
{
	if (!promise)
		abort();
}

/* 0 or -errno; the keys folded once more are the same. */
static int keys(const struct registry *r, struct str name, struct name_keys *ret)
{
	struct name_keys again;
	int code = name_keys(r, name, ret);

	if (code < 0) {
		must(code == -EINVAL);
		return code;
	}
	must(ret->key.len && ret->key.len <= ret->whole.len);
	must(ret->whole.len <= REGISTRY_NAME_MAX);
	must(str_index(ret->whole, '\0') == ret->whole.len);
	must(str_eq(ret->key, str_take(ret->whole, ret->key.len)));
	must(str_ieq(ret->whole, str_trim(name)));
	for (size_t i = 0; i < ret->whole.len; i++)
		must(ret->whole.ptr[i] < 'A' || ret->whole.ptr[i] > 'Z');
	must(name_keys(r, ret->whole, &again) == 0);
	must(str_eq(again.key, ret->key) && str_eq(again.whole, ret->whole));
	return 0;
}

/* What is left of a name when all that may differ is taken away. */
static struct str essence(const char *domain, struct str name)
{
	size_t at;

	name = str_trim(name);
	at = str_index(name, '@');
	if (domain && at > 0 && at < name.len &&
		str_ieq(str_skip(name, at + 1), str_from(domain)))
		name.len = at;
	return name;
}

static void with_domain(const char *domain, struct str a, struct str b)
{
	char only[] = "example.com";
	struct registry r = { .only_domain = domain ? only : NULL };
	struct name_keys first, second;

	if (keys(&r, a, &first) < 0 || keys(&r, b, &second) < 0)
		return;
	must(str_eq(first.key, second.key) ==
		str_ieq(essence(domain, a), essence(domain, b)));
}

static void address(struct str local, struct str domain)
{
	struct address_key key;
	int code = address_key(local, domain, &key);

	must(code < 0 || (key.len > 0 && key.len <= ADDRESS_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of(data, size), a = str_split(&rest, '\n');

	with_domain(NULL, a, rest);
	with_domain("example.com", a, rest);
	address(a, rest);
	return 0;
}
