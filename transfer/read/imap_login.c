/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/imap_login.h"

#include "transfer/read/imap_dialogue.h"
#include "wire/imap/encode.h"
#include "wire/imap/prelogin.h"
#include "wire/sasl.h"

#include <errno.h>
#include <string.h>

/* Name look-ups and tarpits take half of it; clients wait about as long. */
#define GREETING_PATIENCE_MS 60000

/* ---- greeting ---- */

static int greeting(struct imap_connection *imap, unsigned patience_ms, struct error *err)
{
	struct imap_response is;
	struct str line;
	size_t used;
	int r = imap_dialogue_response(
		imap, &(struct imap_dialogue){ 0 }, patience_ms, &line, &used, err);

	if (r < 0)
		return r;
	if (!imap_response_parse(line, &is) || is.kind != IMAP_IS_STATUS || is.tag.len)
		r = imap_dialogue_nonsense(line, err);
	else if (is.status == IMAP_STATUS_BYE)
		r = error_set(
			err, -EAGAIN, "the source turns us away: %.*s", STR_ARG(is.text));
	else if (is.status != IMAP_STATUS_OK)
		r = error_set(err, -EPERM, "the source wants no login (PREAUTH)");
	else
		r = imap_dialogue_learn(imap, line);
	buf_consume(&imap->net.in, used);
	return r;
}

static int ask_capability(
	struct imap_connection *imap, unsigned patience_ms, struct error *err)
{
	struct imap_response is;
	int r = buf_printf(&imap->net.out, "m%u CAPABILITY\r\n", ++imap->next_tag);

	if (r == 0)
		r = imap_dialogue(
			imap, &(struct imap_dialogue){ 0 }, patience_ms, &is, err);
	return r;
}

/* ---- login ---- */

/* RFC 5530 and 2221 say it in codes, old servers in words. */
static const struct refusal {
	struct str word;
	int code;
} refusal_codes[] = {
	{ STR("UNAVAILABLE"), -EAGAIN },
	{ STR("INUSE"), -EAGAIN },
	{ STR("LIMIT"), -EAGAIN },
	{ STR("SERVERBUG"), -EAGAIN },
	{ STR("THROTTLED"), -EAGAIN },
	{ STR("AUTHENTICATIONFAILED"), -EACCES },
	{ STR("AUTHORIZATIONFAILED"), -EACCES },
	{ STR("EXPIRED"), -EACCES },
}, refusal_words[] = {
	{ STR("too many"), -EAGAIN },
	{ STR("maximum number"), -EAGAIN },
	{ STR("limit"), -EAGAIN },
	{ STR("try again"), -EAGAIN },
	{ STR("temporar"), -EAGAIN },
	{ STR("unavailable"), -EAGAIN },
	{ STR("in use"), -EAGAIN },
	{ STR("not connected"), -EPERM },
};
#define N_CODES (sizeof(refusal_codes) / sizeof(refusal_codes[0]))
#define N_WORDS (sizeof(refusal_words) / sizeof(refusal_words[0]))

static int refusal(const struct imap_response *is)
{
	if (is->status == IMAP_STATUS_BYE)
		return -EAGAIN;
	for (size_t i = 0; i < N_CODES; i++)
		if (str_ieq(is->code, refusal_codes[i].word))
			return refusal_codes[i].code;
	for (size_t i = 0; i < N_WORDS; i++)
		if (str_ihas(is->text, refusal_words[i].word))
			return refusal_words[i].code;
	return -EACCES;
}

static int refuse(
	const struct imap_response *is, const struct imap_account *a, struct error *err)
{
	int code = refusal(is);

	if (code == -EACCES && a->is_master)
		return error_set(err, code,
			"the source does not let the master user in as this user (%.*s)",
			STR_ARG(is->text));
	if (code == -EACCES)
		return error_set(err, code,
			"password no longer accepted by the source (%.*s)",
			STR_ARG(is->text));
	return error_set(err, code, "the source refuses the login for now: %.*s",
		STR_ARG(is->text));
}

/* Everything goes through in it: quotes, 8-bit, spaces. */
static int log_in_plain(struct imap_connection *imap, const struct imap_account *a,
	unsigned patience_ms, struct error *err)
{
	struct sasl_plain plain = {
		.authzid = a->user, .authcid = a->login, .password = a->password
	};
	bool at_once = imap_connection_has(imap, STR_LIT("SASL-IR"));
	struct imap_response is;
	struct str step;
	struct buf line;
	int r;

	buf_init(&line, 0);
	r = sasl_plain_put(&line, &plain);
	if (r == 0)
		r = buf_append_c(&line, "\r\n");
	step = buf_view(&line);
	if (r == 0)
		r = buf_printf(&imap->net.out, "m%u AUTHENTICATE PLAIN%s",
			++imap->next_tag, at_once ? " " : "\r\n");
	if (r == 0 && at_once)
		r = buf_append(&imap->net.out, step);
	if (r == 0)
		r = imap_dialogue(imap,
			&(struct imap_dialogue){ .steps = &step, .n = !at_once },
			patience_ms, &is, err);
	buf_wipe(&line);
	buf_fini(&line);
	if (r == 0 && is.status != IMAP_STATUS_OK)
		r = refuse(&is, a, err);
	return r;
}

/* A string that is the last on its line, or a literal that ends the step. */
static int put_argument(struct buf *line, struct str value, bool *ret_waits)
{
	*ret_waits = !imap_is_quotable(value);
	return *ret_waits ? buf_printf(line, "{%zu}\r\n", value.len)
	                  : imap_put_quoted(line, value);
}

/* "LOGIN user password" cut where the server has to say "+". */
static int put_login(struct imap_connection *imap, const struct imap_account *a,
	struct buf ret_steps[static 3], size_t *ret_n)
{
	const struct str values[] = { a->login, a->password };
	size_t n = 0;
	bool waits;
	int r = buf_printf(&ret_steps[0], "m%u LOGIN", ++imap->next_tag);

	for (size_t i = 0; i < 2 && r == 0; i++) {
		r = buf_byte(&ret_steps[n], ' ');
		if (r == 0)
			r = put_argument(&ret_steps[n], values[i], &waits);
		if (r == 0 && waits)
			r = buf_append(&ret_steps[++n], values[i]);
	}
	*ret_n = n + 1;
	return r < 0 ? r : buf_append_c(&ret_steps[n], "\r\n");
}

static int log_in_login(struct imap_connection *imap, const struct imap_account *a,
	unsigned patience_ms, struct error *err)
{
	struct imap_response is;
	struct buf parts[3];
	struct str steps[3];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < 3; i++)
		buf_init(&parts[i], 0);
	r = put_login(imap, a, parts, &n);
	for (size_t i = 0; i < n; i++)
		steps[i] = buf_view(&parts[i]);
	if (r == 0)
		r = buf_append(&imap->net.out, steps[0]);
	if (r == 0)
		r = imap_dialogue(imap,
			&(struct imap_dialogue){ .steps = steps + 1, .n = n - 1 },
			patience_ms, &is, err);
	for (size_t i = 0; i < 3; i++) {
		buf_wipe(&parts[i]);
		buf_fini(&parts[i]);
	}
	if (r == 0 && is.status != IMAP_STATUS_OK)
		r = refuse(&is, a, err);
	return r;
}

/* Whether another way may help. */
static bool is_password_refused(int code)
{
	return code == -EACCES;
}

static int log_in(struct imap_connection *imap, struct imap_account *a,
	unsigned patience_ms, struct error *err)
{
	bool has_plain = imap_connection_has(imap, STR_LIT("AUTH=PLAIN"));
	/* LOGIN cannot say as whom: it would open the master user's own mailbox */
	bool has_login =
		!a->user.len && !imap_connection_has(imap, STR_LIT("LOGINDISABLED"));
	struct error first;
	int r;

	if (a->user.len && !has_plain)
		return error_set(err, -EPERM,
			"the source offers no AUTH=PLAIN without TLS, by which a master "
			"user logs in as another");
	if (!has_plain && !has_login)
		return error_set(err, -EPERM,
			"the source offers neither LOGIN nor AUTH=PLAIN without TLS");
	if (!has_plain || (has_login && a->prefers_login))
		return log_in_login(imap, a, patience_ms, err);
	r = log_in_plain(imap, a, patience_ms, &first);
	if (is_password_refused(r) && has_login) {
		r = log_in_login(imap, a, patience_ms, err);
		a->prefers_login = r == 0;
		if (r == 0 || r == -EAGAIN)
			return r;
		r = first.code; /* what was refused first says more */
	}
	if (r < 0)
		*err = first;
	return r;
}

/* Some servers refuse everything before it. What it says, and a refusal, are nothing to
   us. */
static int say_id(struct imap_connection *imap, unsigned patience_ms, struct error *err)
{
	struct imap_response is;
	int r = buf_printf(
		&imap->net.out, "m%u ID (\"name\" \"mailferry\")\r\n", ++imap->next_tag);

	if (r < 0)
		return error_set(err, r, "no memory");
	return imap_dialogue(imap, &(struct imap_dialogue){ 0 }, patience_ms, &is, err);
}

/* What is offered after the login may differ, and not all servers say so by themselves.
 */
static int log_in_and_learn(struct imap_connection *imap, struct imap_account *account,
	unsigned patience_ms, struct error *err)
{
	unsigned before = imap->capabilities;
	int r = log_in(imap, account, patience_ms, err);

	if (r < 0 || imap->capabilities != before)
		return r;
	buf_clear(&imap->capability);
	return ask_capability(imap, patience_ms, err);
}

static int greet_and_log_in(struct imap_connection *imap, struct imap_account *account,
	unsigned patience_ms, struct error *err)
{
	unsigned first =
		patience_ms > GREETING_PATIENCE_MS ? patience_ms : GREETING_PATIENCE_MS;
	int r = greeting(imap, first, err);

	if (r == 0 && !buf_len(&imap->capability))
		r = ask_capability(imap, patience_ms, err);
	if (r == 0 && imap_connection_has(imap, STR_LIT("ID")))
		r = say_id(imap, patience_ms, err);
	return r ? r : log_in_and_learn(imap, account, patience_ms, err);
}

int imap_log_in(struct imap_connection *imap, const struct sockaddr_storage *to,
	struct imap_account *account, unsigned patience_ms, struct error *err)
{
	int r = source_connection_open(
		&imap->net, &account->dialer, to, patience_ms, err);

	if (r == 0)
		r = greet_and_log_in(imap, account, patience_ms, err);
	arena_fini(&imap->arena);
	buf_wipe(&imap->net.out); /* all of it is sent: it held the password */
	if (r < 0)
		imap_connection_close(imap);
	return r;
}
