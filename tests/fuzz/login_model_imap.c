/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "login_model.h"

#include <stdlib.h>

static void add_byte(struct model *m, char c)
{
	if (buf_byte(&m->command, c) < 0)
		abort();
}

void model_imap_greet(struct model *m)
{
	model_say(m, "* ", "OK ready", NULL);
	if (m->dialect & DIALECT_TWICE)
		m->dialect &= ~(unsigned)DIALECT_CHATTY;
}

static struct str word(struct str *words)
{
	return str_split(words, '\0');
}

static void conclude(
	struct model *m, const char *text, const struct model_account *proved)
{
	char tag[64];
	struct str is = str_take(buf_view(&m->tag), sizeof(tag) - 2);

	for (size_t i = 0; i < is.len; i++)
		tag[i] = is.ptr[i];
	tag[is.len] = ' ';
	tag[is.len + 1] = '\0';
	if (m->dialect & DIALECT_CHATTY)
		model_say(m, "* ", "OK still here", NULL);
	model_say(m, tag, text, proved);
}

static void sasl_step(struct model *m, enum model_step step, const char *challenge,
	const struct model_account *proved)
{
	if (step == MODEL_CHALLENGE)
		model_say(m, "+ ", challenge, NULL);
	else
		conclude(m, step == MODEL_OK ? "OK in" : "NO wrong", proved);
}

static void authenticate(struct model *m, struct str words)
{
	struct str mechanism = word(&words), initial = { 0 };
	const struct model_account *proved = NULL;
	const char *challenge = "";
	enum model_step step;

	if (words.len)
		initial = word(&words);
	step = model_sasl_begin(m, mechanism, initial, &challenge, &proved);
	sasl_step(m, step, challenge, proved);
}

/* tag, name, arguments; each with a NUL behind it. */
static void execute(struct model *m)
{
	struct str words = buf_view(&m->command), tag = word(&words), name = word(&words);
	const struct model_account *account;
	struct str user;

	buf_clear(&m->tag);
	if (buf_append(&m->tag, tag) < 0)
		abort();
	m->commands++;
	if (m->is_bad) {
		conclude(m, "BAD what", NULL);
	} else if (str_ieq(name, STR_LIT("LOGIN"))) {
		user = word(&words);
		account = model_account(m, user, word(&words));
		conclude(m, account || m->is_half ? "OK in" : "NO wrong", account);
	} else if (str_ieq(name, STR_LIT("AUTHENTICATE"))) {
		authenticate(m, words);
	} else if (str_ieq(name, STR_LIT("NOOP")) || str_ieq(name, STR_LIT("ID")) ||
		   str_ieq(name, STR_LIT("CAPABILITY")) ||
		   str_ieq(name, STR_LIT("STARTTLS"))) {
		conclude(m, "OK done", NULL);
	} else {
		conclude(m, "BAD what", NULL);
	}
	buf_clear(&m->command);
	m->is_bad = false;
	m->is_half = false;
}

/* {n} or {n+} at the end of the line; *line is what stands before it. */
static bool announced(struct model *m, struct str *line)
{
	size_t end = line->len, open;
	bool plus;

	if (!end || line->ptr[end - 1] != '}')
		return false;
	plus = end > 1 && line->ptr[end - 2] == '+';
	open = end;
	while (open > 0 && line->ptr[open - 1] != '{')
		open--;
	if (!open || (plus && !(m->dialect & DIALECT_LITERAL_PLUS)) ||
		!str_to_u64(str_of(line->ptr + open, end - open - 1 - plus), &m->literal))
		return false;
	*line = str_take(*line, open - 1);
	m->is_half = m->dialect & DIALECT_HASTY;
	if (m->is_half)
		return false; /* it executes what it has */
	if (!plus)
		model_say(m, "+ ", "go", NULL);
	m->in_literal = true;
	return true;
}

/* Words and quoted strings, lists as words; each with a NUL behind it. */
static void add_words(struct model *m, struct str line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.len; i++) {
		char c = line.ptr[i];

		if (c == '"') {
			quoted = !quoted;
		} else if (quoted && c == '\\' && i + 1 < line.len) {
			add_byte(m, line.ptr[++i]);
		} else {
			add_byte(m, c == ' ' && !quoted ? '\0' : c);
		}
	}
	m->is_bad = m->is_bad || quoted;
}

static bool take_literal(struct model *m)
{
	struct str in = buf_view(&m->in);

	if (in.len < m->literal)
		return false;
	if (buf_append(&m->command, str_take(in, m->literal)) < 0)
		abort();
	buf_consume(&m->in, m->literal);
	m->in_literal = false;
	return true;
}

static void take_line(struct model *m, struct str line)
{
	const struct model_account *proved = NULL;
	const char *challenge = "";
	enum model_step step;

	if (m->sasl != MODEL_NO_SASL) {
		step = model_sasl_line(m, line, &challenge, &proved);
		sasl_step(m, step, challenge, proved);
		return;
	}
	if (announced(m, &line)) {
		add_words(m, line);
		return;
	}
	add_words(m, line);
	add_byte(m, '\0');
	execute(m);
}

void model_imap_read(struct model *m)
{
	struct str line;

	for (;;) {
		if (m->in_literal) {
			if (!take_literal(m))
				return;
		} else if (model_line(m, &line)) {
			take_line(m, line);
		} else {
			return;
		}
	}
}
