/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/sasl_user.h"

#include "wire/sasl.h"

/* authzid: whom to act as; ptr NULL when it is the same or the mechanism does not say. */
struct who {
	struct str authcid, authzid;
};

typedef bool who_fn(struct str message, struct arena *arena, struct who *ret);

/* "name digest": the name may hold spaces, the digest does not. */
static bool cram_who(struct str message, struct arena *arena, struct who *ret)
{
	size_t space = message.len;

	(void)arena;
	while (space > 0 && message.ptr[space - 1] != ' ')
		space--;
	if (space < 2)
		return false;
	ret->authcid = str_take(message, space - 1);
	return true;
}

/* Behind an opening quote; *message is what follows the closing one. */
static bool quoted(struct str *message, struct arena *arena, struct str *ret)
{
	char *copy = arena_alloc(arena, message->len + 1);
	size_t n = 0, i;

	if (!copy)
		return false;
	for (i = 0; i < message->len && message->ptr[i] != '"'; i++) {
		if (message->ptr[i] == '\\' && i + 1 < message->len)
			i++;
		copy[n++] = message->ptr[i];
	}
	if (i >= message->len)
		return false;
	*ret = str_of(copy, n);
	*message = str_skip(*message, i + 1);
	return true;
}

/* One key=value of RFC 2831, 2.1.2, its comma included; a comma may stand in quotes. */
static bool directive(struct str *message, struct arena *arena, struct str *ret_key,
	struct str *ret_value)
{
	size_t equals = str_index(*message, '=');

	if (equals == message->len)
		return false;
	*ret_key = str_trim(str_take(*message, equals));
	*message = str_trim(str_skip(*message, equals + 1));
	if (!message->len || message->ptr[0] != '"') {
		*ret_value = str_trim(str_split(message, ','));
		return true;
	}
	*message = str_skip(*message, 1);
	if (!quoted(message, arena, ret_value))
		return false;
	(void)str_split(message, ',');
	return true;
}

static bool digest_who(struct str message, struct arena *arena, struct who *ret)
{
	struct str key, value;

	while (str_trim(message).len) {
		if (!directive(&message, arena, &key, &value))
			return false;
		/* twice is no DIGEST-MD5, and servers may take either */
		if (str_ieq(key, STR_LIT("username"))) {
			if (ret->authcid.ptr)
				return false;
			ret->authcid = value;
		} else if (str_ieq(key, STR_LIT("authzid"))) {
			ret->authzid = value;
		}
	}
	return ret->authcid.len > 0;
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

/* RFC 5802, 7: the name is the first attribute. */
static bool scram_who(struct str message, struct arena *arena, struct who *ret)
{
	struct str authzid;

	if (!gs2_authzid(&message, &authzid) || !str_starts(message, STR_LIT("n=")) ||
		(authzid.len && !saslname(authzid, arena, &ret->authzid)))
		return false;
	message = str_skip(message, 2);
	return saslname(str_split(&message, ','), arena, &ret->authcid);
}

static bool xoauth2_who(struct str message, struct arena *arena, struct who *ret)
{
	struct str key = STR_LIT("user=");

	(void)arena;
	while (message.len) {
		struct str one = str_split(&message, '\1');

		/* twice is no XOAUTH2, and servers may take either */
		if (str_istarts(one, key) && ret->authcid.ptr)
			return false;
		if (str_istarts(one, key))
			ret->authcid = str_skip(one, key.len);
	}
	return ret->authcid.len > 0;
}

static bool oauthbearer_who(struct str message, struct arena *arena, struct who *ret)
{
	struct str authzid;

	return gs2_authzid(&message, &authzid) && authzid.len &&
	       saslname(authzid, arena, &ret->authcid);
}

static bool external_who(struct str message, struct arena *arena, struct who *ret)
{
	(void)arena;
	ret->authcid = message;
	return message.len > 0;
}

static const struct who_row {
	struct str mechanism;
	bool prefix; /* SCRAM-SHA-1, SCRAM-SHA-256-PLUS, ... */
	who_fn *who;
} who_rows[] = {
	{ STR("CRAM-MD5"), false, cram_who },
	{ STR("DIGEST-MD5"), false, digest_who },
	{ STR("SCRAM-"), true, scram_who },
	{ STR("XOAUTH2"), false, xoauth2_who },
	{ STR("OAUTHBEARER"), false, oauthbearer_who },
	{ STR("EXTERNAL"), false, external_who },
};

static bool find(
	struct str mechanism, struct str line, struct arena *arena, struct who *ret)
{
	struct str message;

	*ret = (struct who){ 0 };
	if (str_eq(line, STR_LIT("=")))
		line.len = 0;
	for (size_t i = 0; i < sizeof(who_rows) / sizeof(who_rows[0]); i++) {
		const struct who_row *row = &who_rows[i];

		if (row->prefix ? str_istarts(mechanism, row->mechanism)
				: str_ieq(mechanism, row->mechanism))
			return base64_decode(line, arena, &message) &&
			       str_index(message, '\0') == message.len &&
			       row->who(message, arena, ret);
	}
	return false;
}

bool sasl_user(
	struct str mechanism, struct str line, struct arena *arena, struct str *ret_user)
{
	struct who who;

	if (!find(mechanism, line, arena, &who))
		return false;
	*ret_user = who.authzid.len ? who.authzid : who.authcid;
	return true;
}

bool sasl_prover(struct str mechanism, struct str line, struct arena *arena,
	struct str *ret_prover)
{
	struct who who;

	if (!find(mechanism, line, arena, &who) || !who.authzid.len)
		return false;
	*ret_prover = who.authcid;
	return true;
}

/* client-final-message (RFC 5802, 7): it cannot be taken for a first one. */
static bool is_scram_final(struct str mechanism, struct str line, struct arena *arena)
{
	struct str message;

	return str_istarts(mechanism, STR_LIT("SCRAM-")) &&
	       base64_decode(line, arena, &message) && str_starts(message, STR_LIT("c="));
}

void sasl_names_add(
	struct sasl_names *n, struct str mechanism, struct str line, struct arena *arena)
{
	struct str prover;

	if (!line.len || str_eq(line, STR_LIT("=")) || str_eq(line, STR_LIT("*")))
		return;
	if (n->has_answered) {
		if (!is_scram_final(mechanism, line, arena))
			n->user = n->prover = (struct str){ 0 };
		return;
	}
	n->has_answered = true;
	if (sasl_user(mechanism, line, arena, &n->user) &&
		sasl_prover(mechanism, line, arena, &prover) && !str_ieq(prover, n->user))
		n->prover = prover;
}
