/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/account_sweep.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "mailstore/store/source_side.h"
#include "registry/delivered.h"
#include "registry/sweeps.h"
#include "transfer/account/found.h"
#include "transfer/account/job/job.h"
#include "transfer/account/job/reader.h"
#include "transfer/account/results/sweep_state.h"
#include "wire/smtp/delivered.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STORE_BUSY_TRIES 20
#define STORE_BUSY_MS 100
#define PATIENCE_MS 30000
#define DELIVERY_MS 60000 /* the disk; a process that starts */

struct sweeping {
	struct job job;
	struct sweep sweep;
	struct sweep_record record;
	char folder[PATH_MAX];
	int mailstore; /* -1: not asked yet */
	uint64_t before, came;
};

/* ---- to the mailstore ---- */

/* What it is called there: of one round of one process. */
static void name_session(const struct sweeping *w, const struct sweep_folder *f,
	const struct mail *m, char *text, size_t size)
{
	(void)snprintf(text, size, "sweep-%lld-%d-%zu-%u", (long long)w->job.account.id,
		(int)getpid(), (size_t)(f - w->sweep.at), m->uid);
}

static int send_message(
	struct sweeping *w, const struct message *m, int fd, struct error *err)
{
	if (w->mailstore < 0)
		w->mailstore = ask_open(w->job.settings->run_dir, MAILSTORE_SOCKET, err);
	return w->mailstore < 0 ? w->mailstore
	                        : ask_send_fd(w->mailstore, m, fd, &ask_patience, err);
}

static int receive_answer(struct sweeping *w, struct error *err)
{
	const struct patience patience = { .ms = DELIVERY_MS };
	char bytes[IPC_MESSAGE_MAX];
	struct message answer;
	int r = ask_receive(w->mailstore, bytes, &patience, &answer, err);

	if (r < 0)
		return r;
	if (answer.type == MESSAGE_DELIVERED)
		return 0;
	return error_set(err, -EREMOTEIO, "the mailstore does not take it: %.*s",
		STR_ARG(answer.text));
}

/* By which address it came; what is not noted is only not proposed. */
static void note_address(struct sweeping *w, int fd)
{
	char bytes[SMTP_DELIVERED_HEAD];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	struct smtp_delivered came;
	struct error err = { 0 };

	if (n <= 0)
		return;
	smtp_delivered_to(str_of(bytes, (size_t)n), &came);
	if (registry_note_delivered(
		    w->job.registry, w->job.account.id, came.to, came.n, &err) < 0)
		log_warning(NULL, "delivered", "account=%.*s reason=\"%s\"",
			STR_ARG(w->job.account.name), err.text);
}

static int hand_on(void *context, const struct sweep_folder *f, const struct mail *mail,
	int fd, struct error *err)
{
	struct sweeping *w = context;
	char session[80], date[48];
	struct message m = { .type = MESSAGE_SWEEP,
		.account = w->job.account.name,
		.number = (uint64_t)f->uidvalidity << 32 | mail->uid,
		.number2 = mail->flags,
		.tag = f->name,
		.text = mail->keywords };
	int r;

	name_session(w, f, mail, session, sizeof(session));
	(void)snprintf(date, sizeof(date), "%" PRIu64 " %" PRIu64, (uint64_t)mail->date,
		(uint64_t)(int64_t)mail->zone);
	m.session = str_from(session);
	m.client = str_from(date);
	r = send_message(w, &m, fd, err);
	if (r == 0)
		r = receive_answer(w, err);
	if (r < 0)
		return r;
	w->came++;
	note_address(w, fd);
	log_info(session, "swept", "account=%.*s folder=\"%.*s\" uid=%u",
		STR_ARG(w->job.account.name), STR_ARG(f->name), mail->uid);
	return 0;
}

/* ---- a round ---- */

static bool lives_here(const struct account *a)
{
	return a->route == ROUTE_LOCAL && a->stage == STAGE_DONE;
}

static int open_source(struct sweeping *w)
{
	struct job *j = &w->job;
	int r = passwords_read(j);

	if (r == 0)
		r = job_drop_rights(j->registry, j->settings, &j->account, &j->err);
	if (r == 0)
		r = reader_open(j);
	if (r == 0)
		j->source.ops->patience(j->source.self, PATIENCE_MS);
	return r;
}

/* A maildrop has no UIDs: what is late stands behind what was there. */
static int find_tail(struct sweeping *w)
{
	struct job *j = &w->job;
	struct sweep_folder *inbox;
	struct source_tail tail;

	if (!j->source.ops->set_tail)
		return 0;
	inbox = sweep_folder(&w->sweep, STR_LIT("INBOX"));
	if (!inbox)
		return error_set(&j->err, -ENOMEM, "no memory");
	if (!inbox->is_drop || !inbox->last.ptr)
		return error_set(&j->err, -ENODATA,
			"the source has only POP3, and where its maildrop ended at the "
			"switch is not known: what still comes there is not seen");
	tail = sweep_tail(inbox);
	return j->source.ops->set_tail(j->source.self, &tail, &j->err);
}

/* With the password that was proven last, and no other: this is nobody's login, and the
   ones that open the mailbox here stay as they are, whatever the source says of them. */
static int log_in(struct job *j)
{
	const struct own_password *p = &j->passwords.at[0];
	int r = j->source.ops->use(j->source.self, p->login, p->clear, &j->err);

	return r ? r : j->source.ops->connect(j->source.self, &j->err);
}

static int run_round(struct sweeping *w)
{
	struct job *j = &w->job;
	int r = settings_mail_path(
		j->settings, j->account.name, w->folder, sizeof(w->folder));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	r = open_source(w);
	if (r < 0)
		return r;
	sweep_init(&w->sweep, &j->source);
	w->sweep.hand_on = hand_on;
	w->sweep.context = w;
	w->sweep.spool_folder = w->folder;
	r = sweep_state_read(&w->sweep, j->account.certificate, w->record.state, &j->err);
	if (r == 0)
		r = find_tail(w);
	if (r == 0)
		r = log_in(j);
	if (r == 0)
		r = sweep_round(&w->sweep, &j->err);
	if (r == 0)
		found_look_after_round(j, &w->sweep);
	return r;
}

/* ---- and on, where the account lives at another server ---- */

/* Its process has it for a moment after the last message that was handed on. */
static int open_store(struct sweeping *w, struct store **ret)
{
	struct job *j = &w->job;
	struct message question = { .type = MESSAGE_RELEASE, .account = j->account.name };
	struct patience pause = { .ms = STORE_BUSY_MS };
	int r = store_open(w->folder, false, ret, &j->err);

	for (int i = 0; r == -EBUSY && i < STORE_BUSY_TRIES; i++) {
		(void)ask(j->settings->run_dir, MAILSTORE_SOCKET, &question,
			MESSAGE_RELEASED, &ask_patience, NULL, NULL);
		(void)wait_pause(&pause);
		r = store_open(w->folder, false, ret, &j->err);
	}
	return r;
}

static bool has_late(const struct sweeping *w)
{
	struct store *s;
	bool has = false;

	if (store_open_reading(w->folder, &s, NULL) < 0)
		return true; /* its sentence comes when it is opened */
	if (store_has_late(s, &has, NULL) < 0)
		has = true;
	store_close(s);
	return has;
}

/* What was not taken by it the last time waits here. */
static int hand_onward(struct sweeping *w)
{
	struct job *j = &w->job;
	struct store *s;
	int r;

	if (!j->account.home.len || !has_late(w))
		return 0;
	if (!onward_is_home(j))
		return error_set(&j->err, -ENODATA,
			"it lives at %.*s, which is not `destination` any more: late mail "
			"waits here",
			STR_ARG(j->account.home));
	fd_closep(&w->mailstore);
	r = open_store(w, &s);
	if (r < 0)
		return r;
	r = onward_late(j, s);
	store_close(s);
	return r;
}

/* What is here goes on, whatever becomes of the look; the look's error is told first. */
static int look_and_hand_on(struct sweeping *w)
{
	struct job *j = &w->job;
	int r, looked = run_round(w);
	struct error why = j->err;

	if (!w->folder[0] || !j->passwords.n)
		return looked;
	r = hand_onward(w);
	if (looked < 0)
		j->err = why;
	return looked < 0 ? looked : r;
}

/* ---- what is noted ---- */

static void count(struct sweeping *w)
{
	for (size_t i = 0; i < w->sweep.count; i++) {
		const struct sweep_folder *f = &w->sweep.at[i];

		if (f->last_at > w->record.last_at)
			w->record.last_at = f->last_at;
		if (f->change.at > w->record.changed_at)
			w->record.changed_at = f->change.at;
	}
	w->record.messages += w->came;
}

static int write_down(struct sweeping *w, int code)
{
	struct job *j = &w->job;
	struct error why = j->err;
	uint64_t now = clock_wall_ms();
	char *state = w->sweep.count
	                      ? sweep_state_write(&w->sweep, j->account.certificate)
	                      : NULL;
	int r;

	count(w);
	if (state)
		w->record.state = str_from(state);
	if (code == 0)
		w->record.looked_at = now;
	else if ((code == -EACCES || code == -ENODATA) &&
		 w->record.next_at < now + SWEEP_REFUSED_AGAIN_MS)
		w->record.next_at = now + SWEEP_REFUSED_AGAIN_MS;
	w->record.error = code ? str_from(why.text) : STR_LIT("");
	r = registry_set_sweep(j->registry, j->account.id, &w->record, &j->err);
	free(state);
	return r;
}

static int sweep_account(struct sweeping *w, const char *name)
{
	struct job *j = &w->job;
	int code, r = job_begin(j, name);

	if (r == 0)
		r = registry_sweep(
			j->registry, j->account.id, &j->arena, &w->record, &j->err);
	if (r < 0 || !lives_here(&j->account))
		return r;
	code = look_and_hand_on(w);
	if (code < 0)
		log_warning(NULL, "sweep", "account=%.*s reason=\"%s\"",
			STR_ARG(j->account.name), j->err.text);
	return write_down(w, code);
}

enum account_exit account_sweep(const struct settings *settings, const char *name)
{
	struct sweeping *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return ACCOUNT_BROKEN;
	*w = (struct sweeping){ .job = { .settings = settings }, .mailstore = -1 };
	w->sweep.file = -1;
	arena_init(&w->job.arena);
	r = process_protect_memory(&w->job.err);
	if (r == 0)
		r = sweep_account(w, name);
	if (r < 0)
		log_error(NULL, "broken", "account=%s reason=\"%s\"", name,
			w->job.err.text);
	sweep_fini(&w->sweep);
	fd_closep(&w->mailstore);
	job_close(&w->job);
	free(w);
	return r < 0 ? ACCOUNT_BROKEN : ACCOUNT_OVER;
}
