/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/logins.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static void hash(const struct logins *l, struct str token, uint8_t ret[static 32])
{
	(void)crypto_generichash(
		ret, 32, (const uint8_t *)token.ptr, token.len, l->key, sizeof(l->key));
}

int logins_init(struct logins *l, struct str token)
{
	*l = (struct logins){ .paused_until = 0 };
	if (sodium_init() < 0)
		return -EIO;
	randombytes_buf(l->key, sizeof(l->key));
	hash(l, token, l->token);
	return 0;
}

static enum login_result check(struct logins *l, struct str token, uint64_t now)
{
	uint8_t given[32];
	bool is_right;

	if (now < l->paused_until)
		return LOGIN_PAUSED;
	hash(l, token, given);
	is_right = sodium_memcmp(given, l->token, sizeof(given)) == 0;
	sodium_memzero(given, sizeof(given));
	if (!is_right)
		l->paused_until = now + LOGIN_PAUSE_MS;
	return is_right ? LOGIN_RIGHT : LOGIN_WRONG;
}

static void make_secret(char text[static SECRET_TEXT])
{
	uint8_t bytes[(SECRET_TEXT - 1) / 2];

	randombytes_buf(bytes, sizeof(bytes));
	(void)sodium_bin2hex(text, SECRET_TEXT, bytes, sizeof(bytes));
}

static struct session *oldest(struct logins *l)
{
	struct session *found = &l->all[0];

	for (size_t i = 1; i < SESSIONS_MAX; i++)
		if (l->all[i].until < found->until)
			found = &l->all[i];
	return found;
}

enum login_result login_try(
	struct logins *l, struct str token, uint64_t now, struct session **ret)
{
	enum login_result result = check(l, token, now);
	struct session *s;

	if (result != LOGIN_RIGHT)
		return result;
	s = oldest(l);
	make_secret(s->id);
	make_secret(s->form);
	s->until = now + SESSION_MS;
	*ret = s;
	return LOGIN_RIGHT;
}

static bool is_secret(const char secret[static SECRET_TEXT], struct str given)
{
	return given.len == SECRET_TEXT - 1 &&
	       sodium_memcmp(secret, given.ptr, given.len) == 0;
}

/* RFC 6265, 4.2.1: "a=1; mailferry=…". */
static struct str cookie_value(struct str cookie)
{
	while (cookie.len) {
		struct str value = str_trim(str_split(&cookie, ';'));

		if (str_eq(str_split(&value, '='), STR_LIT(COOKIE_NAME)))
			return value;
	}
	return STR_LIT("");
}

struct session *login_by_cookie(struct logins *l, struct str cookie, uint64_t now)
{
	struct str id = cookie_value(cookie);

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (l->all[i].until > now && is_secret(l->all[i].id, id))
			return &l->all[i];
	return NULL;
}

enum login_result login_by_header(
	struct logins *l, struct str authorization, uint64_t now)
{
	struct str scheme = STR_LIT("Bearer ");

	if (!str_istarts(authorization, scheme))
		return LOGIN_WRONG;
	return check(l, str_trim(str_skip(authorization, scheme.len)), now);
}

const char *login_why(enum login_result result)
{
	static const char *const why[] = { [LOGIN_RIGHT] = "",
		[LOGIN_WRONG] = "this is not the token",
		[LOGIN_PAUSED] = "somebody has just tried a wrong token; try again in a "
				 "second" };

	return why[result];
}

bool session_sent_form(const struct session *s, struct str secret)
{
	return is_secret(s->form, secret);
}

void session_end(struct session *s)
{
	sodium_memzero(s, sizeof(*s));
}
