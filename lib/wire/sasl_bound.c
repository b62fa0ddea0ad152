/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/sasl_bound.h"

#define SCRAM STR_LIT("SCRAM-")
#define PLUS STR_LIT("-PLUS")

static bool is_plus(struct str name)
{
	return name.len > PLUS.len && str_ieq(str_skip(name, name.len - PLUS.len), PLUS);
}

static bool any_plus(struct str all, struct str prefix)
{
	while (all.len) {
		struct str name = str_split(&all, ' ');

		if (str_istarts(name, prefix) && is_plus(name))
			return true;
	}
	return false;
}

bool sasl_is_bound(struct str all, struct str prefix, struct str name)
{
	struct str mechanism = str_skip(name, prefix.len);

	if (!str_istarts(name, prefix))
		return false;
	return is_plus(mechanism) || str_ieq(mechanism, STR_LIT("EXTERNAL")) ||
	       (str_istarts(mechanism, SCRAM) && any_plus(all, prefix));
}

bool sasl_any_bound(struct str all, struct str prefix)
{
	struct str rest = all;

	while (rest.len)
		if (sasl_is_bound(all, prefix, str_split(&rest, ' ')))
			return true;
	return false;
}

int sasl_put_unbound(struct str all, char first, struct buf *out)
{
	struct str rest = all;
	int r = 0;

	while (r == 0 && rest.len) {
		struct str name = str_split(&rest, ' ');

		if (!name.len || sasl_is_bound(all, STR_LIT(""), name))
			continue;
		r = buf_byte(out, first);
		if (r == 0)
			r = buf_append(out, name);
		first = ' ';
	}
	return r;
}
