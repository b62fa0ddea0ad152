/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "login_model.h"

#include <stdlib.h>

/* Once, whatever the dialect: its client could not even begin. */
void model_smtp_greet(struct model *m)
{
	unsigned dialect = m->dialect;

	m->dialect &= ~(unsigned)DIALECT_TWICE;
	model_say(m, "220 ", "old", NULL);
	m->dialect = dialect;
}

static void sasl_step(struct model *m, enum model_step step, const char *challenge,
	const struct model_account *proved)
{
	if (step == MODEL_CHALLENGE)
		model_say(m, "334 ", challenge, NULL);
	else
		model_say(m, step == MODEL_OK ? "235" : "535", " so", proved);
}

static void cmd_auth(struct model *m, struct str args)
{
	struct str initial = args, mechanism = str_split(&initial, ' '), none = { 0 };
	const struct model_account *proved = NULL;
	const char *challenge = "";
	enum model_step step = model_sasl_begin(
		m, mechanism, initial.len ? initial : none, &challenge, &proved);

	sasl_step(m, step, challenge, proved);
}

static void cmd_ehlo(struct model *m, struct str args)
{
	(void)args;
	model_say(m, "250-",
		m->dialect & DIALECT_SILENT
			? "old\r\n250-STARTTLS\r\n250 CHUNKING"
			: "old\r\n250-STARTTLS\r\n250-CHUNKING\r\n"
			  "250 AUTH PLAIN LOGIN CRAM-MD5 DIGEST-MD5 XOAUTH2",
		NULL);
}

static void cmd_data(struct model *m, struct str args)
{
	(void)args;
	m->in_message = true;
	model_say(m, "354 ", "go", NULL);
}

static void cmd_bdat(struct model *m, struct str args)
{
	m->in_literal = str_to_u64(str_split(&args, ' '), &m->literal);
	if (!m->in_literal)
		model_say(m, "501 ", "how much", NULL);
}

/* It has no key, as far as this goes. */
static void cmd_starttls(struct model *m, struct str args)
{
	model_say(m, args.len ? "501 " : "454 ", "no", NULL);
}

static void cmd_xclient(struct model *m, struct str args)
{
	(void)args;
	model_say(m, "220 ", "again", NULL);
}

/* "NOOP 421" and the like: it loses its patience, and does not hang up. */
static void cmd_other(struct model *m, struct str args)
{
	model_say(m, str_eq(args, STR_LIT("421")) ? "421" : "250", " done", NULL);
}

static const struct {
	struct str name;
	void (*handle)(struct model *m, struct str args);
} commands[] = {
	{ STR("AUTH"), cmd_auth },
	{ STR("EHLO"), cmd_ehlo },
	{ STR("HELO"), cmd_other },
	{ STR("STARTTLS"), cmd_starttls },
	{ STR("DATA"), cmd_data },
	{ STR("BDAT"), cmd_bdat },
	{ STR("XCLIENT"), cmd_xclient },
	{ STR("MAIL"), cmd_other },
	{ STR("RCPT"), cmd_other },
	{ STR("RSET"), cmd_other },
	{ STR("NOOP"), cmd_other },
	{ STR("HELP"), cmd_other },
	{ STR("VRFY"), cmd_other },
};

static void command(struct model *m, struct str line)
{
	struct str name;

	line = str_trim(line);
	name = str_split(&line, ' ');
	line = str_trim(line);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_ieq(commands[i].name, name)) {
			commands[i].handle(m, line);
			return;
		}
	model_say(m, "500 ", "what", NULL);
}

static void take_line(struct model *m, struct str line)
{
	const struct model_account *proved = NULL;
	const char *challenge = "";
	enum model_step step;

	if (m->sasl != MODEL_NO_SASL) {
		step = model_sasl_line(m, line, &challenge, &proved);
		sasl_step(m, step, challenge, proved);
	} else if (!m->in_message) {
		command(m, line);
	} else if (str_eq(line, STR_LIT("."))) {
		m->in_message = false;
		model_say(m, "250 ", "taken", NULL);
	}
}

/* Of BDAT. false: they are not all there. */
static bool take_chunk(struct model *m)
{
	if (buf_len(&m->in) < m->literal)
		return false;
	buf_consume(&m->in, m->literal);
	m->in_literal = false;
	model_say(m, "250 ", "taken", NULL);
	return true;
}

void model_smtp_read(struct model *m)
{
	struct str line;

	for (;;) {
		if (m->in_literal) {
			if (!take_chunk(m))
				return;
		} else if (model_line(m, &line)) {
			take_line(m, line);
		} else {
			return;
		}
	}
}
