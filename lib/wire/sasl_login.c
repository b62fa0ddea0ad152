/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/sasl_login.h"

#include "wire/sasl.h"
#include "wire/sasl_user.h"

#include <stdint.h>
#include <string.h>

#define NAME_MAX_BYTES 20 /* RFC 4422, 3.1 */
#define WORD_MAX 200      /* a line with it is one that every server takes whole */
#define PLAIN_MAX 3000    /* in base64 a line of 4000 bytes */

enum login_kind sasl_login_kind(struct str mechanism)
{
	if (str_ieq(mechanism, STR_LIT("PLAIN")))
		return LOGIN_SASL_PLAIN;
	if (str_ieq(mechanism, STR_LIT("LOGIN")))
		return LOGIN_SASL_LOGIN;
	return LOGIN_EXCHANGE;
}

const char *sasl_login_challenge(const struct wire_login *l)
{
	if (l->kind == LOGIN_SASL_PLAIN)
		return "";
	return l->user.ptr ? "UGFzc3dvcmQ6" : "VXNlcm5hbWU6"; /* Password:, Username: */
}

/* ---- from the client ---- */

static enum sasl_login_step plain_answer(struct wire_login *l, struct str message)
{
	struct sasl_plain plain;

	if (!sasl_plain_parse(message, &plain))
		return SASL_LOGIN_INVALID;
	l->authzid = plain.authzid;
	l->user = sasl_plain_account(&plain);
	l->password = plain.password;
	if (plain.authzid.len && !str_ieq(plain.authzid, plain.authcid))
		l->master = plain.authcid;
	return SASL_LOGIN_COMPLETE;
}

/* A name with a NUL is none: servers would cut it there. */
static enum sasl_login_step login_answer(struct wire_login *l, struct str message)
{
	if (str_index(message, '\0') < message.len)
		return SASL_LOGIN_INVALID;
	if (l->user.ptr) {
		l->password = message;
		return SASL_LOGIN_COMPLETE;
	}
	l->user = message;
	return SASL_LOGIN_MORE;
}

static void wipe(struct str s)
{
	if (s.len)
		explicit_bzero((char *)(uintptr_t)s.ptr, s.len);
}

enum sasl_login_step sasl_login_answer(
	struct wire_login *l, struct str answer, struct arena *arena)
{
	enum sasl_login_step step;
	struct str message;

	if (answer.len > SASL_LINE_MAX || !base64_decode(answer, arena, &message))
		return SASL_LOGIN_INVALID;
	step = l->kind == LOGIN_SASL_PLAIN ? plain_answer(l, message)
	                                   : login_answer(l, message);
	if (step == SASL_LOGIN_INVALID)
		wipe(message);
	return step;
}

void wire_login_forget(struct wire_login *l)
{
	wipe(l->password);
	*l = (struct wire_login){ 0 };
}

static bool is_base64_line(struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		char c = line.ptr[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			    (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '='))
			return false;
	}
	return line.len <= SASL_LINE_MAX;
}

static enum sasl_login_step exchange_initial(
	struct wire_login *l, struct str answer, struct arena *arena)
{
	if (!is_base64_line(answer))
		return SASL_LOGIN_INVALID;
	l->initial = arena_str(arena, answer);
	sasl_exchange_learn(l, answer, arena);
	return l->initial.ptr ? SASL_LOGIN_COMPLETE : SASL_LOGIN_INVALID;
}

enum sasl_login_step sasl_login_initial(
	struct wire_login *l, struct str answer, struct arena *arena)
{
	if (l->kind == LOGIN_EXCHANGE)
		return exchange_initial(l, answer, arena);
	if (str_eq(answer, STR_LIT("=")))
		answer.len = 0;
	if (!answer.len && l->kind == LOGIN_SASL_LOGIN)
		return SASL_LOGIN_MORE; /* an empty one means: ask me */
	l->has_initial = true;
	return sasl_login_answer(l, answer, arena);
}

struct str sasl_exchange_line(struct str line)
{
	line = str_trim(line);
	return is_base64_line(line) ? line : STR_LIT("*");
}

void sasl_exchange_learn(struct wire_login *l, struct str line, struct arena *arena)
{
	struct sasl_names n = { l->user, l->master, l->has_answered };

	sasl_names_add(&n, l->mechanism, line, arena);
	l->user = n.user;
	l->master = n.prover;
	l->has_answered = n.has_answered;
}

/* ---- to the server ---- */

static bool has_any(struct str s, struct str bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (str_index(s, bytes.ptr[i]) < s.len)
			return true;
	return false;
}

/* Nothing in it ends a line, and the line is one that every server takes whole. */
static bool is_word(struct str s, struct str ends)
{
	return s.len <= WORD_MAX && !has_any(s, ends);
}

struct wire_login sasl_login_anew(struct str name, struct str password)
{
	bool is_plain =
		is_word(name, STR_LIT(" \r\n")) && is_word(password, STR_LIT("\r\n"));
	struct wire_login l = {
		.kind = is_plain ? LOGIN_PASSWORD : LOGIN_SASL_PLAIN,
		.mechanism = is_plain ? STR_LIT("LOGIN") : STR_LIT("PLAIN"),
		.user = name,
		.password = password,
		.authzid = STR_LIT(""),
		.user_literal = true,
		.password_literal = true,
	};

	if (name.len + password.len > PLAIN_MAX || has_any(name, STR_LIT("\0")) ||
		has_any(password, STR_LIT("\0")))
		l.kind = LOGIN_NONE;
	return l;
}

unsigned sasl_login_answers(const struct wire_login *l)
{
	return l->kind == LOGIN_SASL_PLAIN ? 1 : 2;
}

int sasl_login_put(const struct wire_login *l, unsigned n, struct buf *out)
{
	const struct sasl_plain plain = { .authzid = l->authzid,
		.authcid = l->master.len ? l->master : l->user,
		.password = l->password };

	if (l->kind == LOGIN_SASL_PLAIN)
		return sasl_plain_put(out, &plain);
	return base64_encode(out, n == 0 ? l->user : l->password);
}

static bool is_mechanism_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return name.len >= 1 && name.len <= NAME_MAX_BYTES;
}

bool sasl_offered(
	struct str offered, struct str prefix, struct str name, struct str *ret_name)
{
	while (is_mechanism_name(name) && offered.len) {
		struct str word = str_split(&offered, ' ');

		if (str_istarts(word, prefix) &&
			str_ieq(str_skip(word, prefix.len), name)) {
			*ret_name = str_skip(word, prefix.len);
			return true;
		}
	}
	return false;
}
