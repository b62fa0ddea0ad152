/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "login_model.h"

#include <stdlib.h>
#include <string.h>

static const struct model_account accounts[] = {
	{ "mallory", "mm", true, true }, /* whose password the client knows */
	{ "alice", "aa", true, false }, { "alice", "dd", false, true },
	{ "eve", "*", true, false }, /* likewise: mallory's second mailbox */
};

static void must(bool promise)
{
	if (!promise)
		abort();
}

void model_init(struct model *m, unsigned dialect)
{
	*m = (struct model){ .dialect = dialect, .line_max = MODEL_LINE_MAX };
	buf_init(&m->in, 0);
	buf_init(&m->out, 0);
	buf_init(&m->name, 0);
	buf_init(&m->command, 0);
	buf_init(&m->tag, 0);
}

void model_fini(struct model *m)
{
	buf_fini(&m->in);
	buf_fini(&m->out);
	buf_fini(&m->name);
	buf_fini(&m->command);
	buf_fini(&m->tag);
}

static void say_once(struct model *m, const char *tag, const char *text,
	const struct model_account *proved)
{
	size_t before = buf_len(&m->out);

	must(buf_printf(&m->out, "%s%s\r\n", tag, text) == 0);
	m->said += buf_len(&m->out) - before;
	must(m->n_answers < MODEL_ANSWERS_MAX);
	m->answers[m->n_answers++] = (struct model_answer){ m->said, proved };
}

void model_say(struct model *m, const char *tag, const char *text,
	const struct model_account *proved)
{
	if (m->n_answers + 2 > MODEL_ANSWERS_MAX)
		return; /* it has lost its patience, and says nothing more */
	say_once(m, tag, text, proved);
	if (m->dialect & DIALECT_TWICE)
		say_once(m, tag, text, NULL);
}

const struct model_account *model_proved(const struct model *m)
{
	for (size_t i = 0; i < m->n_answers; i++)
		if (m->answers[i].end == m->heard)
			return m->answers[i].proved;
	return NULL;
}

const struct model_account *model_account(
	const struct model *m, struct str name, struct str password)
{
	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
		if ((m->is_destination ? accounts[i].at_destination
				       : accounts[i].at_source) &&
			str_ieq(name, str_from(accounts[i].name)) &&
			str_eq(password, str_from(accounts[i].password)))
			return &accounts[i];
	return NULL;
}

static size_t line_end(const struct model *m, struct str in)
{
	size_t lf = str_index(in, '\n'), cr = str_index(in, '\r');

	return m->dialect & DIALECT_CR_ENDS && cr + 1 < lf ? cr : lf;
}

bool model_line(struct model *m, struct str *ret_line)
{
	struct str in = buf_view(&m->in);
	size_t end = line_end(m, in);

	if (m->dialect & DIALECT_CUTS && end > m->line_max) {
		if (in.len <= m->line_max)
			return false;
		*ret_line = str_take(in, m->line_max);
		buf_consume(&m->in, m->line_max);
		return true;
	}
	if (end == in.len)
		return false;
	buf_consume(&m->in, end + 1); /* the view lives until bytes are appended */
	*ret_line = str_take(in, end > 0 && in.ptr[end - 1] == '\r' ? end - 1 : end);
	return true;
}

/* ---- SASL ---- */

/* As lenient as any: what is no base64 is skipped. */
static void decode(struct str text, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, n = 0;

	for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
		const char *at = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;

		if (!at)
			continue;
		bits = (bits << 6 | (unsigned)(at - digits)) & 0xffff;
		n += 6;
		if (n >= 8)
			must(buf_byte(out, (char)(bits >> (n -= 8) & 0xff)) == 0);
	}
}

static enum model_step judge(struct model *m, const struct model_account *account,
	const struct model_account **ret_proved)
{
	m->sasl = MODEL_NO_SASL;
	*ret_proved = account;
	return account ? MODEL_OK : MODEL_NO;
}

static const struct model_account *plain(const struct model *m, struct str message)
{
	struct str authzid = str_split(&message, '\0');
	struct str authcid = str_split(&message, '\0');
	const struct model_account *a = model_account(m, authcid, message);

	/* mallory is no master here */
	if (a && m->dialect & DIALECT_ACTS && authzid.len && !str_ieq(authzid, authcid))
		return str_ieq(authcid, STR_LIT("mallory")) ? NULL : a;
	return a;
}

static const struct model_account *cram(const struct model *m, struct str message)
{
	size_t space = str_index(message, ' ');

	return model_account(m, str_take(message, space), str_skip(message, space + 1));
}

/* The last of each counts, as Dovecot has it. */
static const struct model_account *token(const struct model *m, struct str message)
{
	struct str user = { 0 }, bearer = { 0 };

	while (message.len) {
		struct str field = str_split(&message, '\1');

		if (str_starts(field, STR_LIT("user=")))
			user = str_skip(field, 5);
		else if (str_starts(field, STR_LIT("auth=Bearer ")))
			bearer = str_skip(field, 12);
	}
	return model_account(m, user, bearer);
}

/* Its digest is the password, too. */
static const struct model_account *digest(const struct model *m, struct str message)
{
	struct str user = { 0 }, response = { 0 };

	while (message.len) {
		struct str field = str_split(&message, ',');

		if (str_starts(field, STR_LIT("username=\"")) && field.len > 11)
			user = str_of(field.ptr + 10, field.len - 11);
		else if (str_starts(field, STR_LIT("response=")))
			response = str_skip(field, 9);
	}
	return model_account(m, user, response);
}

enum model_step model_sasl_line(struct model *m, struct str line,
	const char **ret_challenge, const struct model_account **ret_proved)
{
	enum model_sasl was = m->sasl;
	struct buf message;
	struct str said;
	enum model_step step = MODEL_NO;

	*ret_proved = NULL;
	m->sasl = MODEL_NO_SASL;
	if (str_eq(line, STR_LIT("*")) && !(m->dialect & DIALECT_STARLESS))
		return MODEL_NO;
	buf_init(&message, 0);
	if (str_eq(line, STR_LIT("*")))
		must(buf_append(&message, line) == 0);
	else
		decode(line, &message);
	said = buf_view(&message);
	if (was == MODEL_PLAIN) {
		step = judge(m, plain(m, said), ret_proved);
	} else if (was == MODEL_LOGIN_USER) {
		buf_clear(&m->name);
		must(buf_append(&m->name, said) == 0);
		m->sasl = MODEL_LOGIN_PASSWORD;
		*ret_challenge = "UGFzc3dvcmQ6";
		step = m->dialect & DIALECT_HASTY ? MODEL_OK : MODEL_CHALLENGE;
	} else if (was == MODEL_LOGIN_PASSWORD) {
		step = judge(m, model_account(m, buf_view(&m->name), said), ret_proved);
	} else if (was == MODEL_CRAM) {
		step = judge(m, cram(m, said), ret_proved);
	} else if (was == MODEL_DIGEST) {
		m->digest = digest(m, said);
		if (m->digest) {
			m->sasl = MODEL_DIGEST_END;
			*ret_challenge = "cnNwYXV0aA==";
			step = MODEL_CHALLENGE;
		}
	} else if (was == MODEL_DIGEST_END) {
		step = judge(m, m->digest, ret_proved);
	} else if (was == MODEL_TOKEN) {
		step = judge(m, token(m, said), ret_proved);
		if (step == MODEL_NO) {
			m->sasl = MODEL_TOKEN_ERROR;
			*ret_challenge = "e30=";
			step = MODEL_CHALLENGE;
		}
	}
	buf_fini(&message);
	return step;
}

static const struct {
	struct str name;
	enum model_sasl first;
	const char *challenge;
} mechanisms[] = {
	{ STR("PLAIN"), MODEL_PLAIN, "" },
	{ STR("LOGIN"), MODEL_LOGIN_USER, "VXNlcm5hbWU6" },
	{ STR("CRAM-MD5"), MODEL_CRAM, "PDFAeD4=" },
	{ STR("XOAUTH2"), MODEL_TOKEN, "" },
	{ STR("DIGEST-MD5"), MODEL_DIGEST, "bm9uY2U=" },
};

enum model_step model_sasl_begin(struct model *m, struct str mechanism,
	struct str initial, const char **ret_challenge,
	const struct model_account **ret_proved)
{
	*ret_proved = NULL;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (!str_ieq(mechanisms[i].name, mechanism))
			continue;
		m->sasl = mechanisms[i].first;
		*ret_challenge = mechanisms[i].challenge;
		if (initial.ptr && m->dialect & DIALECT_DEAF)
			return MODEL_CHALLENGE;
		if (initial.ptr && m->dialect & DIALECT_SASL_IR)
			return model_sasl_line(m, initial, ret_challenge, ret_proved);
		if (!initial.ptr)
			return m->dialect & DIALECT_HASTY && m->sasl != MODEL_LOGIN_USER
			               ? MODEL_OK
			               : MODEL_CHALLENGE;
		m->sasl = MODEL_NO_SASL;
	}
	return MODEL_NO;
}
