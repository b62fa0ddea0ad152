/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/sasl_user.h"

#include "wire/sasl.h"

typedef bool user_fn(struct str message, struct arena *arena, struct str *ret_user);

/* "name digest": the name may hold spaces, the digest does not. */
static bool cram_user(struct str message, struct arena *arena, struct str *ret_user)
{
	size_t space = message.len;

	(void)arena;
	while (space > 0 && message.ptr[space - 1] != ' ')
		space--;
	if (space < 2)
		return false;
	*ret_user = str_take(message, space - 1);
	return true;
}

/* Where key stands at the start of a comma- or \1-separated field. */
static bool field(struct str message, struct str key, char separator, struct str *ret)
{
	while (message.len) {
		struct str one = str_split(&message, separator);

		if (str_istarts(one, key)) {
			*ret = str_skip(one, key.len);
			return true;
		}
	}
	return false;
}

static bool digest_user(struct str message, struct arena *arena, struct str *ret_user)
{
	struct str value;
	char *copy;
	size_t n = 0, i;

	if (!field(message, STR_LIT("username=\""), ',', &value))
		return false;
	/* a comma may stand inside the quotes: take it from the message again */
	value = str_of(value.ptr, (size_t)(message.ptr + message.len - value.ptr));
	copy = arena_alloc(arena, value.len + 1);
	if (!copy)
		return false;
	for (i = 0; i < value.len && value.ptr[i] != '"'; i++) {
		if (value.ptr[i] == '\\' && i + 1 < value.len)
			i++;
		copy[n++] = value.ptr[i];
	}
	*ret_user = str_of(copy, n);
	return n > 0 && i < value.len;
}

/* saslname: =2C is a comma, =3D an equals sign (RFC 5802, 5.1). */
static bool saslname(struct str name, struct arena *arena, struct str *ret_user)
{
	char *copy = arena_alloc(arena, name.len + 1);
	size_t n = 0;

	if (!copy)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		struct str rest = str_skip(name, i);

		if (str_istarts(rest, STR_LIT("=2C")) ||
			str_istarts(rest, STR_LIT("=3D"))) {
			copy[n++] = rest.ptr[1] == '2' ? ',' : '=';
			i += 2;
		} else {
			copy[n++] = name.ptr[i];
		}
	}
	*ret_user = str_of(copy, n);
	return n > 0;
}

/* gs2-header: "n,a=authzid," or "p=tls-unique,,". The one acted as counts. */
static bool gs2_authzid(struct str *message, struct str *ret)
{
	struct str flag = str_split(message, ',');
	struct str authzid = str_split(message, ',');

	if (!str_eq(flag, STR_LIT("n")) && !str_eq(flag, STR_LIT("y")) &&
		!str_starts(flag, STR_LIT("p=")))
		return false;
	*ret = str_starts(authzid, STR_LIT("a=")) ? str_skip(authzid, 2) : STR_LIT("");
	return true;
}

static bool scram_user(struct str message, struct arena *arena, struct str *ret_user)
{
	struct str authzid, name;

	if (!gs2_authzid(&message, &authzid))
		return false;
	if (authzid.len)
		return saslname(authzid, arena, ret_user);
	return field(message, STR_LIT("n="), ',', &name) &&
	       saslname(name, arena, ret_user);
}

static bool xoauth2_user(struct str message, struct arena *arena, struct str *ret_user)
{
	(void)arena;
	return field(message, STR_LIT("user="), '\1', ret_user) && ret_user->len;
}

static bool oauthbearer_user(
	struct str message, struct arena *arena, struct str *ret_user)
{
	struct str authzid;

	return gs2_authzid(&message, &authzid) && authzid.len &&
	       saslname(authzid, arena, ret_user);
}

static bool external_user(struct str message, struct arena *arena, struct str *ret_user)
{
	(void)arena;
	*ret_user = message;
	return message.len > 0;
}

static const struct user_row {
	struct str mechanism;
	bool prefix; /* SCRAM-SHA-1, SCRAM-SHA-256-PLUS, ... */
	user_fn *user;
} user_rows[] = {
	{ STR("CRAM-MD5"), false, cram_user },
	{ STR("DIGEST-MD5"), false, digest_user },
	{ STR("SCRAM-"), true, scram_user },
	{ STR("XOAUTH2"), false, xoauth2_user },
	{ STR("OAUTHBEARER"), false, oauthbearer_user },
	{ STR("EXTERNAL"), false, external_user },
};

bool sasl_user(
	struct str mechanism, struct str line, struct arena *arena, struct str *ret_user)
{
	struct str message;

	if (str_eq(line, STR_LIT("=")))
		line.len = 0;
	for (size_t i = 0; i < sizeof(user_rows) / sizeof(user_rows[0]); i++) {
		const struct user_row *row = &user_rows[i];

		if (row->prefix ? str_istarts(mechanism, row->mechanism)
				: str_ieq(mechanism, row->mechanism))
			return base64_decode(line, arena, &message) &&
			       row->user(message, arena, ret_user);
	}
	return false;
}
