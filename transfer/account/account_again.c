/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/account_again.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "mailstore/store/inspect.h"
#include "mailstore/store/source_side.h"
#include "registry/mendings.h"
#include "registry/retire.h"
#include "registry/sweeps.h"
#include "transfer/account/job/job.h"
#include "transfer/account/job/loan.h"
#include "transfer/account/job/reader.h"
#include "transfer/account/results/again_result.h"
#include "transfer/account/results/sweep_state.h"
#include "transfer/read/pop3_source.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define DELIVERY_MS 60000 /* the disk; a process that starts */
#define TRIES 4           /* 1 + 2 + 4 s: a source that restarts */
#define STORE_TRIES 20    /* a mailstore that restarts, an account's process that died */
#define STORE_AGAIN_MS 500

struct again {
	struct job job;
	struct lost_list lost;
	struct refetch refetch;
	struct known_inbox known;
	uint32_t drop_base, drop_end; /* UIDs of what was swept; 0, 0: nothing is known */
	char folder[PATH_MAX];
	int mailstore; /* -1: not asked yet */
	uint64_t asked;
};

/* ---- what is lost ---- */

static bool is_same_body(const struct lost *l, const struct store_finding *f)
{
	return l->pack == f->pack && l->offset == f->offset;
}

/* Copies of a message share its body, and come one after the other. */
static int add_finding(void *context, const struct store_finding *f)
{
	struct again *a = context;
	struct lost *last = a->lost.n ? &a->lost.at[a->lost.n - 1] : NULL;
	struct lost *l = last && is_same_body(last, f) ? last : NULL;

	if (strcmp(f->kind, "lost") != 0)
		return 0;
	if (!l)
		l = lost_add(&a->lost);
	if (!l)
		return error_set(&a->job.err, -ENOMEM, "no memory");
	if (l->n_copies < LOST_COPIES_MAX)
		l->copies[l->n_copies++] = (struct lost_copy){ .mailbox = f->mailbox_id,
			.uid = f->uid,
			.name = arena_str(&a->job.arena, f->mailbox) };
	l->pack = f->pack;
	l->offset = f->offset;
	l->messages++;
	return 0;
}

/* By which POP3 finds it: of copies, the first one has it. */
struct reading {
	struct again *again;
	struct lost *lost;
};

static int read_row(void *context, const struct store_message *m)
{
	const struct reading *r = context;
	struct lost *l = r->lost;

	l->size = m->size;
	l->len = m->body_len;
	if (m->uidl.len && !l->uidl.len)
		l->uidl = arena_str(&r->again->job.arena, m->uidl);
	return m->uidl.len && !l->uidl.ptr
	               ? error_set(&r->again->job.err, -ENOMEM, "no memory")
	               : 0;
}

static int read_rows(struct again *a, struct store *s, struct lost *l)
{
	struct reading r = { a, l };
	int code = 0;

	for (size_t i = 0; code == 0 && i < l->n_copies; i++)
		code = store_each_message(s, l->copies[i].mailbox, l->copies[i].uid,
			l->copies[i].uid, read_row, &r, &a->job.err);
	return code;
}

/* One of its copies that the source is known to have. */
static int find_origin(struct again *a, struct store *s, struct lost *l)
{
	int n = 0;

	for (size_t i = 0; n == 0 && i < l->n_copies; i++) {
		n = store_source_of(s, l->copies[i].mailbox, l->copies[i].uid,
			&a->job.arena, &l->origin, &a->job.err);
		if (n == 1)
			l->known = i;
	}
	l->has_origin = n == 1;
	return n < 0 ? n : 0;
}

static int look_through(struct again *a)
{
	struct job *j = &a->job;
	struct store *s;
	int r = settings_mail_path(
		j->settings, j->account.name, a->folder, sizeof(a->folder));

	if (r < 0)
		return error_errno(&j->err, r, "%s", j->settings->state_dir);
	r = store_inspect(a->folder, false, add_finding, a, &a->lost.inspected, &j->err);
	if (r == 0)
		r = store_open_reading(a->folder, &s, &j->err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < a->lost.n; i++) {
		r = find_origin(a, s, &a->lost.at[i]);
		if (r == 0)
			r = read_rows(a, s, &a->lost.at[i]);
	}
	store_close(s);
	return r;
}

/* ---- to the mailstore ---- */

static int ask_once(struct again *a, const struct message *m, int fd, struct message *ret,
	char bytes[static IPC_MESSAGE_MAX], struct error *err)
{
	const struct patience patience = { .ms = DELIVERY_MS };
	int r = 0;

	if (a->mailstore < 0)
		a->mailstore = ask_open(a->job.settings->run_dir, MAILSTORE_SOCKET, err);
	if (a->mailstore < 0)
		return a->mailstore;
	r = ask_send_fd(a->mailstore, m, fd, &ask_patience, err);
	if (r == 0)
		r = ask_receive(a->mailstore, bytes, &patience, ret, err);
	if (r < 0)
		fd_closep(&a->mailstore);
	return r;
}

/* 0: it is there. -EBADMSG: these are not its bytes; else it is not taken now. */
static int offer(struct again *a, const struct message *m, int fd, struct error *err)
{
	char bytes[IPC_MESSAGE_MAX];
	struct message answer;
	int r = ask_once(a, m, fd, &answer, bytes, err);

	if (r < 0)
		return r;
	if (answer.type == MESSAGE_DELIVERED)
		return 0;
	if (answer.type == MESSAGE_DELIVERY_FAILED && answer.number == 1)
		return error_set(err, -EBADMSG, "%.*s", STR_ARG(answer.text));
	return error_set(err, -EREMOTEIO, "the mailstore does not take it: %.*s",
		STR_ARG(answer.text));
}

static int hand_on(
	void *context, const struct refetch_message *from, int fd, struct error *err)
{
	struct again *a = context;
	const struct lost *l = &a->lost.at[from->number];
	const struct lost_copy *copy = &l->copies[l->known];
	const struct patience pause = { .ms = STORE_AGAIN_MS };
	char session[80];
	struct message m = { .type = MESSAGE_MEND,
		.account = a->job.account.name,
		.number = (uint64_t)copy->mailbox,
		.number2 = copy->uid };
	int r = -EAGAIN;

	for (unsigned i = 0; i < STORE_TRIES && r < 0 && r != -EBADMSG; i++) {
		if (i)
			(void)wait_pause(&pause);
		/* what an earlier one is answered belongs to nobody */
		(void)snprintf(session, sizeof(session), "again-%lld-%d-%" PRIu64,
			(long long)a->job.account.id, (int)getpid(), a->asked++);
		m.session = str_from(session);
		r = offer(a, &m, fd, err);
	}
	if (r == 0)
		log_info(session, "mended", "account=%.*s mailbox=\"%.*s\" uid=%u",
			STR_ARG(a->job.account.name), STR_ARG(copy->name), copy->uid);
	return r == 0 || r == -EBADMSG ? r : -EREMOTEIO;
}

/* ---- from the source ---- */

static int refuse_retired(struct job *j)
{
	uint64_t since = 0;
	int r = registry_retired(j->registry, &since, &j->err);

	return r < 0 || !since ? r
	                       : error_set(&j->err, -ENODATA, "the source is retired");
}

/* A maildrop is set against what is lost: each has its number (+ 1) as UID. */
static int find_lost(
	void *context, bool *ret_exists, struct source_status *ret, struct error *err)
{
	const struct again *a = context;

	if (a->lost.n >= UINT32_MAX)
		return error_set(err, -EOVERFLOW, "too much is lost");
	*ret_exists = true;
	*ret = (struct source_status){ .uidvalidity = 1,
		.uidnext = (uint32_t)a->lost.n + 1 };
	return 0;
}

static int each_lost(void *context, int (*each)(void *each_context, const struct mail *m),
	void *each_context, struct error *err)
{
	const struct again *a = context;
	int r = 0;

	(void)err; /* the callback has told it */
	for (size_t i = 0; r == 0 && i < a->lost.n; i++) {
		const struct lost *l = &a->lost.at[i];
		struct mail m = { .uid = (uint32_t)i + 1,
			.keywords = STR(""),
			.size = l->size,
			.uidl = l->uidl };

		if (l->has_origin)
			r = each(each_context, &m);
	}
	return r;
}

/* Whatever is amiss: no byte of the source is read with more rights than needed. */
static int open_source(struct again *a)
{
	struct job *j = &a->job;
	int r = refuse_retired(j);

	if (r == 0)
		r = loan_is_there() ? passwords_read(j)
		                    : error_set(&j->err, -ENODATA,
					      "there is no password of the account to be "
					      "had from the vault");
	if (r == 0)
		r = job_drop_rights(j->registry, j->settings, &j->account, &j->err);
	a->known = (struct known_inbox){
		.find = find_lost, .each = each_lost, .context = a
	};
	j->known = &a->known;
	if (r == 0)
		r = reader_open(j);
	if (r == 0)
		j->source.ops->patience(j->source.self, PATIENCE_MS);
	return r;
}

/* With the password that was proven last (account_sweep.c says why no other). */
static int fetch_once(struct again *a)
{
	struct job *j = &a->job;
	const struct own_password *p = &j->passwords.at[0];
	int r = j->source.ops->use(j->source.self, p->login, p->clear, &j->err);

	if (r == 0)
		r = j->source.ops->connect(j->source.self, &j->err);
	if (r == 0)
		r = refetch_run(&a->refetch, &j->err);
	j->source.ops->close(j->source.self);
	return r;
}

static int fetch(struct again *a)
{
	unsigned delay_ms = 1000;
	int r = open_source(a);

	if (r < 0)
		return r;
	a->refetch.source = a->job.source;
	a->refetch.spool_folder = a->folder;
	r = fetch_once(a);
	for (unsigned i = 1; i < TRIES && job_may_pass(r); i++, delay_ms *= 2) {
		const struct patience pause = { .ms = delay_ms };

		log_info(NULL, "again", "account=%.*s in_ms=%u reason=\"%s\"",
			STR_ARG(a->job.account.name), delay_ms, a->job.err.text);
		(void)wait_pause(&pause);
		r = fetch_once(a);
	}
	return r;
}

/* ---- all of it ---- */

/* What the sweep has brought from a maildrop stands at its end. */
static int find_end(struct again *a)
{
	struct job *j = &a->job;
	struct sweep_record record;
	struct sweep sweep;
	struct source none = { 0 };
	const struct sweep_folder *inbox;
	int r = registry_sweep(j->registry, j->account.id, &j->arena, &record, &j->err);

	if (r < 0)
		return r;
	sweep_init(&sweep, &none);
	/* where nothing is known of it, that is all */
	if (sweep_state_read(&sweep, j->account.certificate, record.state, NULL) == 0 &&
		(inbox = sweep_folder(&sweep, STR_LIT("INBOX"))) && inbox->is_drop) {
		a->drop_base = inbox->base;
		a->drop_end = inbox->next;
	}
	sweep_fini(&sweep);
	return 0;
}

static uint32_t from_end(const struct again *a, const struct store_origin *o)
{
	bool is_late = o->uid >= a->drop_base && o->uid < a->drop_end;

	return is_late ? a->drop_end - o->uid : 0;
}

static int list_wanted(struct again *a)
{
	refetch_init(&a->refetch, &a->job.source);
	a->refetch.hand_on = hand_on;
	a->refetch.context = a;
	a->refetch.arena = &a->job.arena;
	a->refetch.at = calloc(a->lost.n + 1, sizeof(*a->refetch.at));
	if (!a->refetch.at)
		return error_set(&a->job.err, -ENOMEM, "no memory");
	for (size_t i = 0; i < a->lost.n; i++) {
		const struct lost *l = &a->lost.at[i];

		if (l->has_origin)
			a->refetch.at[a->refetch.n++] =
				(struct refetch_message){ .folder = l->origin.folder,
					.uidvalidity = l->origin.uidvalidity,
					.uid = l->origin.uid,
					.number = i,
					.size = l->size,
					.len = l->len,
					.from_end = from_end(a, &l->origin) };
	}
	refetch_sort(&a->refetch);
	return 0;
}

/* What came of each, beside what it was. */
static void take_outcome(struct again *a, struct str why)
{
	for (size_t i = 0; i < a->refetch.n; i++) {
		const struct refetch_message *m = &a->refetch.at[i];
		struct lost *l = &a->lost.at[m->number];

		l->is_mended = m->state == REFETCH_DONE;
		l->why = m->state == REFETCH_REFUSED ? m->why : why;
	}
}

static int write_down(struct again *a, struct str why)
{
	struct job *j = &a->job;
	char *json = again_result_json(&a->lost, why);
	const struct mending m = { .at = clock_wall_ms(),
		.left = again_result_left(&a->lost),
		.result = str_from(json) };
	int r = json ? registry_set_mending(j->registry, j->account.id, &m, &j->err)
	             : error_set(&j->err, -ENOMEM, "no memory");

	log_info(NULL, "again-over", "account=%.*s lost=%" PRIu64 " left=%" PRIu64,
		STR_ARG(j->account.name), a->lost.inspected.lost, m.left);
	free(json);
	return r;
}

static bool lives_here(const struct account *a)
{
	return a->route == ROUTE_LOCAL && a->stage == STAGE_DONE && !a->home.len;
}

static int transfer_anew(struct again *a, const char *name)
{
	struct job *j = &a->job;
	char why[ERROR_TEXT_MAX] = "";
	int r = job_begin(j, name);

	if (r == 0 && !lives_here(&j->account))
		return 0; /* it has gone back meanwhile: this is no mailbox any more */
	if (r == 0 && look_through(a) < 0)
		(void)snprintf(a->lost.error, sizeof(a->lost.error), "%s", j->err.text);
	if (r == 0)
		r = find_end(a);
	if (r == 0)
		r = list_wanted(a);
	if (r < 0)
		return r;
	if (a->refetch.n && fetch(a) < 0)
		(void)snprintf(why, sizeof(why), "%s", j->err.text);
	take_outcome(a, str_from(why));
	return write_down(a, str_from(why));
}

static void close_all(struct again *a)
{
	refetch_fini(&a->refetch);
	free(a->refetch.at);
	lost_fini(&a->lost);
	fd_closep(&a->mailstore);
	job_close(&a->job);
	free(a);
}

enum account_exit account_again(const struct settings *settings, const char *name)
{
	struct again *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return ACCOUNT_BROKEN;
	*a = (struct again){ .job = { .settings = settings }, .mailstore = -1 };
	refetch_init(&a->refetch, &a->job.source);
	arena_init(&a->job.arena);
	r = process_protect_memory(&a->job.err);
	if (r == 0)
		r = transfer_anew(a, name);
	if (r < 0)
		log_error(NULL, "broken", "account=%s reason=\"%s\"", name,
			a->job.err.text);
	close_all(a);
	return r < 0 ? ACCOUNT_BROKEN : ACCOUNT_OVER;
}
