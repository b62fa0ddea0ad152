/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/account_carry.h"

#include "base/clock.h"
#include "base/log.h"
#include "registry/carries.h"
#include "transfer/account/job/loan.h"
#include "transfer/account/job/reader.h"
#include "transfer/account/results/carry_result.h"
#include "transfer/back/imap_writer.h"

#include <errno.h>
#include <stdlib.h>

#define PATIENCE_MS 20000 /* as at a switch: the user waits */
#define TRIES 4           /* 1 + 2 + 4 s: a source that restarts; its user waits */

void account_carry_init(struct account_carry *a, struct job *j, bool may_change)
{
	*a = (struct account_carry){ .job = j, .may_change = may_change };
	carry_init(&a->carry, NULL, &j->source, NULL);
}

void account_carry_fini(struct account_carry *a)
{
	carry_fini(&a->carry);
	if (a->writer.ops)
		a->writer.ops->free(a->writer.self);
	a->writer = (struct writer){ 0 };
}

/* ---- logging in ---- */

static int open_writer(struct account_carry *a)
{
	const struct imap_writer_options options = { .imap = &a->job->source,
		.patience_ms = PATIENCE_MS,
		.tick = a->tick,
		.context = a->context };

	return imap_writer_new(&options, &a->writer, &a->job->err);
}

static int open_ends(struct account_carry *a)
{
	struct job *j = a->job;
	int r = loan_is_there()
	                ? passwords_read(j)
	                : error_set(&j->err, -ENODATA,
				  "carrying back what is new here takes the "
				  "account's password: mailferry must be running");

	if (r == 0)
		r = reader_open(j);
	if (r == 0 && !j->source.ops->has_uids)
		r = error_set(&j->err, -ENODATA,
			"the source has only POP3, by which no mail can be brought to it: "
			"what is new here would be lost; the account stays here");
	if (r < 0)
		return r;
	j->source.ops->patience(j->source.self, PATIENCE_MS);
	a->has_passwords = true;
	return a->may_change ? open_writer(a) : 0;
}

/* With the password that was proven last (account_sweep.c says why no other). */
static int log_in(struct account_carry *a)
{
	struct job *j = a->job;
	const struct own_password *p = &j->passwords.at[0];
	int r = j->source.ops->use(j->source.self, p->login, p->clear, &j->err);

	if (r == 0)
		r = j->source.ops->connect(j->source.self, &j->err);
	if (r == 0 && a->writer.ops)
		r = a->writer.ops->connect(a->writer.self, &j->err);
	return r;
}

static void log_out(struct account_carry *a)
{
	if (a->writer.ops)
		a->writer.ops->close(a->writer.self);
	a->job->source.ops->close(a->job->source.self);
	a->is_connected = false;
}

int account_carry_open(struct account_carry *a)
{
	return a->has_passwords ? 0 : open_ends(a);
}

int account_carry_connect(struct account_carry *a)
{
	int r = account_carry_open(a);

	if (r < 0 || a->is_connected)
		return r;
	r = log_in(a);
	if (r < 0)
		log_out(a);
	a->is_connected = r == 0;
	return r;
}

/* ---- carrying ---- */

static int run_once(struct account_carry *a)
{
	int r = account_carry_connect(a);

	if (r < 0)
		return r;
	a->carry.source = a->job->source;
	a->carry.writer = a->writer;
	r = a->may_change ? carry_all(&a->carry, &a->job->err)
	                  : carry_pass(&a->carry, &a->job->err);
	if (r < 0)
		log_out(a);
	return r;
}

/* What was said and not answered is looked for there by the next try. */
int account_carry_run(struct account_carry *a, struct store *s)
{
	struct job *j = a->job;
	unsigned delay_ms = 1000;
	int r = -EAGAIN;

	a->carry.store = s;
	a->carry.tick = a->tick;
	a->carry.context = a->context;
	for (unsigned i = 0; i < TRIES && job_may_pass(r); i++) {
		struct patience pause = {
			.ms = delay_ms, .tick = a->tick, .context = a->context
		};

		if (i) {
			log_info(NULL, "again", "account=%.*s in_ms=%u reason=\"%s\"",
				STR_ARG(j->account.name), delay_ms, j->err.text);
			r = wait_pause(&pause);
			if (r < 0)
				return r;
			delay_ms *= 2;
		}
		r = run_once(a);
	}
	return r;
}

int account_carry_note(struct account_carry *a, const char *result, const char *reason)
{
	struct job *j = a->job;
	char *json = carry_result_json(&a->carry, result, reason);
	const struct carry_record record = { .at = clock_wall_ms(),
		.result = str_from(json) };
	int r = json ? registry_set_carry(
			       j->registry, j->account.id, !a->may_change, &record, NULL)
	             : -ENOMEM;

	free(json);
	return r;
}
