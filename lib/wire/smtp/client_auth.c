/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/smtp/client_auth.h"

#include "wire/sasl.h"
#include "wire/sasl_login.h"
#include "wire/smtp/reply.h"

#include <stdio.h>

static const char *const state_names[] = {
	[SMTP_CLIENT_AUTH_GREETING] = "greeting",
	[SMTP_CLIENT_AUTH_HELLO] = "hello",
	[SMTP_CLIENT_AUTH_USER] = "user",
	[SMTP_CLIENT_AUTH_PASSWORD] = "password",
	[SMTP_CLIENT_AUTH_ANSWER] = "answer",
	[SMTP_CLIENT_AUTH_OVER] = "over",
};
_Static_assert(
	sizeof(state_names) / sizeof(state_names[0]) == SMTP_CLIENT_AUTH_STATE_COUNT,
	"a name for each");

const char *smtp_client_auth_state_name(enum smtp_client_auth_state s)
{
	return (unsigned)s < SMTP_CLIENT_AUTH_STATE_COUNT ? state_names[s] : "unknown";
}

void smtp_client_auth_init(struct smtp_client_auth *a, bool is_lmtp, struct str name,
	struct str user, struct str password)
{
	*a = (struct smtp_client_auth){
		.is_lmtp = is_lmtp, .name = name, .user = user, .password = password
	};
}

static enum smtp_client_auth_result over(
	struct smtp_client_auth *a, enum smtp_client_auth_result result)
{
	a->state = SMTP_CLIENT_AUTH_OVER;
	return result;
}

static enum smtp_client_auth_result go_on(
	struct smtp_client_auth *a, enum smtp_client_auth_state next, int r)
{
	if (r < 0)
		return over(a, SMTP_CLIENT_AUTH_BROKEN);
	a->state = next;
	return SMTP_CLIENT_AUTH_NEED_MORE;
}

/* One line of printable ASCII for a log, whatever the server said. */
static void keep_words(struct smtp_client_auth *a, const struct smtp_reply *reply)
{
	(void)snprintf(
		a->words, sizeof(a->words), "%u %.*s", reply->code, STR_ARG(reply->text));
	for (char *c = a->words; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"')
			*c = '?';
}

static enum smtp_client_auth_result greeted(struct smtp_client_auth *a,
	const struct smtp_reply *reply, struct buf *out, struct buf *greeting)
{
	if (reply->code != 220)
		return over(a, SMTP_CLIENT_AUTH_LATER);
	if (buf_append(greeting, reply->bytes) < 0)
		return over(a, SMTP_CLIENT_AUTH_BROKEN);
	return go_on(a, SMTP_CLIENT_AUTH_HELLO,
		buf_printf(out, "%s %.*s\r\n", a->is_lmtp ? "LHLO" : "EHLO",
			STR_ARG(a->name)));
}

static int say_plain(const struct smtp_client_auth *a, struct buf *out)
{
	const struct sasl_plain plain = { .authcid = a->user, .password = a->password };
	int r = buf_append_c(out, "AUTH PLAIN ");

	if (r == 0)
		r = sasl_plain_put(out, &plain);
	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static int say_base64(struct buf *out, struct str bytes)
{
	int r = base64_encode(out, bytes);

	return r < 0 ? r : buf_append_c(out, "\r\n");
}

static enum smtp_client_auth_result choose_mechanism(
	struct smtp_client_auth *a, const struct smtp_reply *reply, struct buf *out)
{
	struct str offered, name;

	if (reply->code / 100 != 2)
		return over(a, SMTP_CLIENT_AUTH_LATER);
	if (!smtp_ehlo_has(reply->bytes, STR_LIT("AUTH"), &offered))
		return over(a, SMTP_CLIENT_AUTH_NO_MECHANISM);
	if (sasl_offered(offered, STR_LIT(""), STR_LIT("PLAIN"), &name))
		return go_on(a, SMTP_CLIENT_AUTH_ANSWER, say_plain(a, out));
	if (sasl_offered(offered, STR_LIT(""), STR_LIT("LOGIN"), &name))
		return go_on(
			a, SMTP_CLIENT_AUTH_USER, buf_append_c(out, "AUTH LOGIN\r\n"));
	return over(a, SMTP_CLIENT_AUTH_NO_MECHANISM);
}

/* RFC 4954, 6: 5xx is about the login; 4xx and 421 about the server. */
static enum smtp_client_auth_result not_taken(
	struct smtp_client_auth *a, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 5)
		return over(a, SMTP_CLIENT_AUTH_REFUSED);
	return over(a, reply->code / 100 == 4 ? SMTP_CLIENT_AUTH_LATER
					      : SMTP_CLIENT_AUTH_BROKEN);
}

static enum smtp_client_auth_result hear(struct smtp_client_auth *a,
	const struct smtp_reply *reply, struct buf *out, struct buf *greeting)
{
	switch (a->state) {
	case SMTP_CLIENT_AUTH_GREETING:
		return greeted(a, reply, out, greeting);
	case SMTP_CLIENT_AUTH_HELLO:
		return choose_mechanism(a, reply, out);
	case SMTP_CLIENT_AUTH_USER:
		if (reply->code != 334)
			return not_taken(a, reply);
		return go_on(a, SMTP_CLIENT_AUTH_PASSWORD, say_base64(out, a->user));
	case SMTP_CLIENT_AUTH_PASSWORD:
		if (reply->code != 334)
			return not_taken(a, reply);
		return go_on(a, SMTP_CLIENT_AUTH_ANSWER, say_base64(out, a->password));
	case SMTP_CLIENT_AUTH_ANSWER:
		return reply->code == 235 ? over(a, SMTP_CLIENT_AUTH_DONE)
		                          : not_taken(a, reply);
	case SMTP_CLIENT_AUTH_OVER:
	case SMTP_CLIENT_AUTH_STATE_COUNT:
		break;
	}
	return SMTP_CLIENT_AUTH_NEED_MORE;
}

enum smtp_client_auth_result smtp_client_auth_next(struct smtp_client_auth *a,
	struct str input, size_t *ret_used, struct buf *out, struct buf *greeting)
{
	struct smtp_reply reply;

	*ret_used = 0;
	if (a->state == SMTP_CLIENT_AUTH_OVER)
		return SMTP_CLIENT_AUTH_NEED_MORE;
	switch (smtp_reply_next(input, &reply, ret_used)) {
	case SMTP_REPLY_NEED_MORE:
		return SMTP_CLIENT_AUTH_NEED_MORE;
	case SMTP_REPLY_BROKEN:
		return over(a, SMTP_CLIENT_AUTH_BROKEN);
	case SMTP_REPLY_COMPLETE:
		break;
	}
	keep_words(a, &reply);
	if (*ret_used < input.len) /* nothing more was asked for */
		return over(a, SMTP_CLIENT_AUTH_BROKEN);
	return hear(a, &reply, out, greeting);
}
