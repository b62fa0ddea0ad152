/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/account_return.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "messages/ask.h"
#include "transfer/account/account_carry.h"
#include "transfer/account/results/carry_result.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>

#define TURN_MS 100   /* between two looks whether another process is done */
#define TURNS_MAX 600 /* 60 s */
#define LOOK_EVERY_MS 1000
#define STORE_BUSY_TRIES 20 /* late mail is being put into it */
#define STORE_BUSY_MS 100
#define HOME_TRIES 3   /* its user waits */
#define ARRIVE_MS 1000 /* as at the source (interceptor/smtp/recently_relayed.h) */

struct returning {
	struct job job;
	struct account_carry carry;
	char folder[PATH_MAX];
	int turn; /* locks the folder against a second process like this one; -1: none */
	bool has_left;      /* route=busy, by this process or one before it */
	uint64_t looked_at; /* monotonic: whether it is still wanted */
};

/* ---- who still has it ---- */

/* Held logins look at once; without an interceptor there are none. */
static void tell_route(struct returning *b)
{
	struct message m = { .type = MESSAGE_ROUTE_CHANGED,
		.account = b->job.account.name };

	(void)ask_tell(b->job.settings->run_dir, INTERCEPTOR_SOCKET, &m, NULL);
}

/* One that does not run has nothing under way, and reads the route when it starts. */
static int quiesce(struct returning *b)
{
	struct message question = {
		.type = MESSAGE_QUIESCE, .account = b->job.account.name, .number = 1
	};
	uint64_t quiet = 0;
	int code = ask(b->job.settings->run_dir, INTERCEPTOR_SOCKET, &question,
		MESSAGE_QUIESCED, &ask_patience, &quiet, &b->job.err);

	if (code == -ECONNREFUSED)
		return 0;
	return code < 0 || quiet ? code
	                         : error_set(&b->job.err, -EAGAIN,
					   "a session of \"%.*s\" did not end; it stays "
					   "here, try again",
					   STR_ARG(b->job.account.name));
}

/* A mailstore that does not run holds no folder. */
static int release(struct returning *b)
{
	struct message question = { .type = MESSAGE_RELEASE,
		.account = b->job.account.name };
	int code = ask(b->job.settings->run_dir, MAILSTORE_SOCKET, &question,
		MESSAGE_RELEASED, &ask_patience, NULL, &b->job.err);

	return code == -ECONNREFUSED ? 0 : code;
}

/* ---- the steps ---- */

static int is_back(struct returning *b)
{
	struct job *j = &b->job;
	char line[ERROR_TEXT_MAX];

	carry_result_line(&b->carry.carry, line, sizeof(line));
	return registry_return(j->registry, j->account.id, str_from(line), &j->err);
}

/* ---- from the server that it lives at ---- */

static bool is_elsewhere(const struct returning *b)
{
	return b->job.account.home.len > 0;
}

/* What is new there is here then. A connection that was lost is made once more. */
static int bring_home(struct returning *b, struct store *s)
{
	struct job *j = &b->job;
	int code = is_elsewhere(b) ? account_carry_open(&b->carry) : 0;

	if (code < 0 || !is_elsewhere(b))
		return code;
	for (int i = 0; i < HOME_TRIES; i++) {
		code = onward_home(j, s);
		if (!job_may_pass(code))
			break;
		log_info(NULL, "again", "account=%.*s reason=\"%s\"",
			STR_ARG(j->account.name), j->err.text);
	}
	b->carry.carry.lost.not_shown = j->onward.carry.lost.not_shown;
	return code;
}

/* ---- the steps ---- */

/* The source has all that is new here. */
static int carry_news(struct returning *b, struct store *s)
{
	bool has_news = false;
	int code = bring_home(b, s);

	if (code == 0)
		code = store_has_news(s, &has_news, &b->job.err);
	return code < 0 || !has_news ? code : account_carry_run(&b->carry, s);
}

/* A crash after the first mark: the account stays, and its next login takes the mark
   away; after the second step it is at the source, and the mark says that nothing here is
   missed. */
static int return_locked(struct returning *b, struct store *s)
{
	int code = carry_news(b, s);

	if (code == 0)
		code = store_set_service(s, STORE_LEAVING, 0, &b->job.err);
	if (code < 0)
		return code;
	code = is_back(b);
	if (code == 0)
		return store_set_service(s, STORE_LEFT, 0, &b->job.err);
	(void)store_set_service(s, STORE_SERVED, 0, NULL);
	return code;
}

static int open_store(struct returning *b, struct store **ret)
{
	struct patience pause = { .ms = STORE_BUSY_MS };
	int code = store_open(b->folder, false, ret, &b->job.err);

	for (int i = 0; code == -EBUSY && i < STORE_BUSY_TRIES; i++) {
		(void)release(b);
		(void)wait_pause(&pause);
		code = store_open(b->folder, false, ret, &b->job.err);
	}
	return code;
}

/* What that server has taken a moment ago may be in its queue. */
static void let_it_arrive(const struct returning *b)
{
	const struct patience pause = { .ms = ARRIVE_MS };

	if (is_elsewhere(b) && b->job.settings->destination.mail.kind != SMART_HOST_LMTP)
		(void)wait_pause(&pause);
}

static int go_back(struct returning *b)
{
	struct store *s;
	int code = quiesce(b);

	if (code == 0)
		code = release(b);
	if (code == 0)
		let_it_arrive(b);
	if (code == 0)
		code = open_store(b, &s);
	if (code < 0)
		return code;
	code = return_locked(b, s);
	store_close(s);
	return code;
}

static enum account_exit stay(struct returning *b, const char *why)
{
	struct error ignored;

	log_info(NULL, "stays", "account=%.*s reason=\"%s\"",
		STR_ARG(b->job.account.name), why);
	/* refused when it is there already, or somebody else was faster */
	if (registry_transition(b->job.registry, b->job.account.id, EVENT_STAY,
		    STR_LIT("admin"), str_from(why), &ignored) == 0)
		tell_route(b);
	return ACCOUNT_OVER;
}

/* ---- beginning ---- */

static bool is_returning(const struct account *a)
{
	return a->route == ROUTE_BUSY && a->stage == STAGE_DONE;
}

/* Two of them for one account: the second waits and looks at what the first has done. A
   folder that is not there is no reason to wait: the store will say so. */
static int take_turn(struct returning *b)
{
	struct patience pause = { .ms = TURN_MS };

	b->turn = open(b->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; b->turn >= 0 && flock(b->turn, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == TURNS_MAX)
			return error_set(&b->job.err, -EBUSY,
				"\"%.*s\" is on its way back already",
				STR_ARG(b->job.account.name));
		(void)wait_pause(&pause);
	}
	return 0;
}

static int open_account(struct returning *b, const char *name)
{
	struct job *j = &b->job;
	int r = job_begin(j, name);

	if (r == 0)
		r = settings_mail_path(
			j->settings, j->account.name, b->folder, sizeof(b->folder));
	if (r == 0)
		r = take_turn(b);
	if (r == 0)
		r = registry_find_id(
			j->registry, j->account.id, &j->arena, &j->account, &j->err);
	if (r == 0) /* before the source has said a word */
		r = job_drop_rights(j->registry, j->settings, &j->account, &j->err);
	return r;
}

static bool is_wanted(const struct returning *b, const struct account *is)
{
	return is->pin != PIN_LOCAL && (is_returning(is) || !b->has_left);
}

/* The admin may let it stay while it is carried. */
static int tick(void *context)
{
	struct returning *b = context;
	uint64_t now = clock_monotonic_ms();
	struct account is;
	struct arena arena;
	int code = 0;

	if (now - b->looked_at < LOOK_EVERY_MS)
		return 0;
	b->looked_at = now;
	arena_init(&arena);
	if (registry_find_id(b->job.registry, b->job.account.id, &arena, &is, NULL) ==
			0 &&
		!is_wanted(b, &is))
		code = error_set(&b->job.err, -ECANCELED, "the admin lets it stay");
	arena_fini(&arena);
	return code;
}

/* What takes time, or fails, does so before nobody is served: the logins, where something
   is new by now, and most of what is new at another server. */
static int prepare(struct returning *b)
{
	bool has_news = false;
	struct store *s;
	int code;

	if (is_elsewhere(b)) {
		code = open_store(b, &s);
		if (code < 0)
			return code;
		code = bring_home(b, s);
		store_close(s);
		if (code < 0)
			return code;
	}
	if (store_open_reading(b->folder, &s, NULL) < 0)
		return 0; /* its sentence comes when it is locked */
	if (store_has_news(s, &has_news, NULL) < 0)
		has_news = false;
	store_close(s);
	return has_news ? account_carry_connect(&b->carry) : 0;
}

static int leave(struct returning *b)
{
	int code;

	b->has_left = is_returning(&b->job.account);
	if (b->has_left)
		return 0;
	code = prepare(b);
	if (code == 0)
		code = registry_transition(b->job.registry, b->job.account.id,
			EVENT_LEAVE, STR_LIT("admin"), STR_LIT("route command"),
			&b->job.err);
	b->has_left = code == 0;
	return code;
}

static enum account_exit came_back(struct returning *b)
{
	log_info(NULL, "returned", "account=%.*s", STR_ARG(b->job.account.name));
	(void)account_carry_note(&b->carry, "returned", "");
	tell_route(b);
	return ACCOUNT_OVER;
}

/* Before it was busy, only the journal hears of it. */
static enum account_exit did_not_leave(struct returning *b)
{
	struct job *j = &b->job;
	struct error why = j->err;

	log_info(NULL, "stays", "account=%.*s reason=\"%s\"", STR_ARG(j->account.name),
		why.text);
	(void)account_carry_note(&b->carry, "stays", why.text);
	return ACCOUNT_OVER;
}

static enum account_exit leave_and_go_back(struct returning *b)
{
	int code = leave(b);

	if (code == -EPERM)
		return ACCOUNT_OVER; /* somebody else moved it on: the registry says it */
	if (code < 0)
		return did_not_leave(b);
	b->job.is_busy = true; /* the user waits: no pace is kept (read/pace.h) */
	tell_route(b);
	code = go_back(b);
	if (code < 0) {
		struct error why = b->job.err;

		(void)account_carry_note(&b->carry, "stays", why.text);
		return stay(b, why.text);
	}
	return came_back(b);
}

/* ---- what it would be ---- */

static enum account_exit foretell(struct returning *b)
{
	struct error *err = &b->job.err;
	bool has_news = false;
	struct store *s;
	int code = is_elsewhere(b) ? open_store(b, &s)
	                           : store_open_reading(b->folder, &s, err);

	if (code == 0) {
		code = bring_home(b, s);
		if (code == 0)
			code = store_has_news(s, &has_news, err);
		if (code == 0 && has_news)
			code = account_carry_run(&b->carry, s);
		store_close(s);
	}
	code = account_carry_note(
		&b->carry, code < 0 ? "stays" : "dry run", code < 0 ? err->text : "");
	return code < 0 ? ACCOUNT_BROKEN : ACCOUNT_OVER;
}

/* ---- both ---- */

static enum account_exit run(const struct settings *settings, const char *name,
	bool may_change, enum account_exit (*go)(struct returning *b))
{
	struct returning *b = calloc(1, sizeof(*b));
	enum account_exit result = ACCOUNT_BROKEN;
	int r;

	if (!b)
		return ACCOUNT_BROKEN;
	*b = (struct returning){ .job = { .settings = settings }, .turn = -1 };
	arena_init(&b->job.arena);
	account_carry_init(&b->carry, &b->job, may_change);
	b->carry.tick = may_change ? tick : NULL;
	b->carry.context = b->job.onward.context = b;
	b->job.onward.tick = b->carry.tick;
	r = process_protect_memory(&b->job.err);
	if (r == 0)
		r = open_account(b, name);
	if (r == 0)
		result = go(b);
	if (result == ACCOUNT_BROKEN)
		log_error(NULL, "broken", "account=%s reason=\"%s\"", name,
			b->job.err.text);
	fd_closep(&b->turn);
	account_carry_fini(&b->carry);
	job_close(&b->job);
	free(b);
	return result;
}

enum account_exit account_return(const struct settings *settings, const char *name)
{
	return run(settings, name, true, leave_and_go_back);
}

enum account_exit account_foretell(const struct settings *settings, const char *name)
{
	return run(settings, name, false, foretell);
}
