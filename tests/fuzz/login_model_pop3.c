/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "login_model.h"

#include <stdlib.h>

void model_pop3_greet(struct model *m)
{
	model_say(m, "+OK ", "ready <1@x>", NULL);
}

static void sasl_step(struct model *m, enum model_step step, const char *challenge,
	const struct model_account *proved)
{
	if (step == MODEL_CHALLENGE)
		model_say(m, "+ ", challenge, NULL);
	else
		model_say(m, step == MODEL_OK ? "+OK" : "-ERR", " so", proved);
}

static void cmd_user(struct model *m, struct str args)
{
	buf_clear(&m->name);
	if (buf_append(&m->name, args) < 0)
		abort();
	model_say(m, "+OK", "", NULL);
}

static void cmd_pass(struct model *m, struct str args)
{
	const struct model_account *a = model_account(m, buf_view(&m->name), args);

	model_say(m, a ? "+OK" : "-ERR", " so", a);
}

/* The digest is the password: it is not what is tried here. */
static void cmd_apop(struct model *m, struct str args)
{
	struct str name = str_split(&args, ' ');
	const struct model_account *a = model_account(m, name, args);

	model_say(m, a ? "+OK" : "-ERR", " so", a);
}

static void cmd_auth(struct model *m, struct str args)
{
	struct str mechanism = str_split(&args, ' '), initial = { 0 };
	const struct model_account *proved = NULL;
	const char *challenge = "";
	enum model_step step;

	if (args.len)
		initial = args;
	step = model_sasl_begin(m, mechanism, initial, &challenge, &proved);
	sasl_step(m, step, challenge, proved);
}

static void cmd_other(struct model *m, struct str args)
{
	(void)args;
	model_say(m, "+OK", " done", NULL);
}

static const struct {
	struct str name;
	void (*handle)(struct model *m, struct str args);
} commands[] = {
	{ STR("USER"), cmd_user },
	{ STR("PASS"), cmd_pass },
	{ STR("APOP"), cmd_apop },
	{ STR("AUTH"), cmd_auth },
	{ STR("CAPA"), cmd_other },
	{ STR("STLS"), cmd_other },
	{ STR("NOOP"), cmd_other },
	{ STR("QUIT"), cmd_other },
};

static void take_line(struct model *m, struct str line)
{
	const struct model_account *proved = NULL;
	const char *challenge = "";
	enum model_step step;
	struct str name;

	if (m->sasl != MODEL_NO_SASL) {
		step = model_sasl_line(m, line, &challenge, &proved);
		sasl_step(m, step, challenge, proved);
		return;
	}
	name = str_split(&line, ' ');
	m->commands++;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_ieq(commands[i].name, name)) {
			commands[i].handle(m, line);
			return;
		}
	model_say(m, "-ERR", " what", NULL);
}

void model_pop3_read(struct model *m)
{
	struct str line;

	while (model_line(m, &line))
		take_line(m, line);
}
