/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry transfer USER [--wait], or for all of them: transfer --pause, --resume */
#include "control/running/poke.h"
#include "control/terminal/control.h"
#include "control/views/account_view.h"
#include "control/views/progress.h"
#include "control/views/unseen_view.h"

#include "messages/ask.h"
#include "registry/masters.h"
#include "registry/pause.h"

#include <errno.h>
#include <unistd.h>

#define LOOK_US 200000
#define ALONE_MAX 75 /* looks without a transfer program (15 s: it may be restarting) */

static int check_possible(struct control *c, const struct account *a)
{
	if (a->pin == PIN_SOURCE)
		return error_set(&c->err, -EPERM,
			"\"%.*s\" is pinned to the source; first: mailferry route %.*s "
			"auto",
			STR_ARG(a->name), STR_ARG(a->name));
	if (!a->has_password && !a->master.len)
		return error_set(&c->err, -ENODATA,
			"\"%.*s\" has shown no password yet%s%.*s; it can be moved after "
			"a login that does",
			STR_ARG(a->name), a->capturable ? "" : ": logs in with ",
			STR_ARG(a->uncapturable_why));
	return 0;
}

/* A transfer that is on its way already goes on; an idle or failed one is due now. */
static int make_due(struct control *c, struct registry *r, const struct account *a)
{
	int code;

	if (a->stage != STAGE_IDLE && a->stage != STAGE_FAILED)
		return 0;
	code = registry_transition(r, a->id, EVENT_DUE, STR_LIT("admin"),
		STR_LIT("transfer command"), &c->err);
	return code == -EPERM ? 0 : code; /* somebody was faster */
}

static int result_of(struct control *c, const struct account *a)
{
	if (a->stage == STAGE_DONE)
		return 0;
	if (a->stage == STAGE_FAILED)
		return error_set(&c->err, -EREMOTEIO, "\"%.*s\" was not moved: %.*s",
			STR_ARG(a->name), STR_ARG(a->last_error));
	return error_set(&c->err, -ECANCELED, "the move of \"%.*s\" was cancelled",
		STR_ARG(a->name));
}

/* Nobody here can bring it about. */
static bool waits_for_its_user(const struct account *a)
{
	return a->stage == STAGE_CATCHING_UP && account_needs_master(a);
}

static bool say_waits(const struct account *a)
{
	output_clean(a->name, stderr);
	return fprintf(stderr, " is copied, and waits for %.*s\n",
		       STR_ARG(account_waits_for(a))) > 0;
}

static bool is_over(const struct account *a)
{
	return a->stage == STAGE_DONE || a->stage == STAGE_FAILED ||
	       a->stage == STAGE_IDLE;
}

/* Refreshes *a until it is over. */
static int wait_until_over(struct control *c, struct registry *r, struct arena *arena,
	struct account *a, struct progress_view *view)
{
	bool is_said = false;
	unsigned alone = 0;

	for (;;) {
		int code;

		arena_fini(arena);
		code = registry_find_id(r, a->id, arena, a, &c->err);
		if (code < 0)
			return code;
		if (!c->json)
			progress_show(view, a);
		else if (waits_for_its_user(a) && !is_said)
			is_said = say_waits(a);
		if (is_over(a))
			return 0;
		alone = ask_runs(c->settings.run_dir, TRANSFER_SOCKET) ? 0 : alone + 1;
		if (alone > ALONE_MAX)
			return error_set(&c->err, -ECONNREFUSED,
				"mailferry does not run here, so nothing moves; start "
				"`mailferry up`");
		(void)usleep(LOOK_US);
	}
}

static int print_account(struct control *c, struct registry *r, const struct account *a)
{
	struct held_list held;
	struct account_view view;
	int code = held_list_gather(r, &c->settings, &held, &c->err);

	account_view(a, held_list_why(&held, a->name), &view);
	if (code == 0)
		code = output_json(
			output_object(account_columns, account_column_count, &view),
			stdout);
	held_list_fini(&held);
	return code;
}

static int wait_and_tell(
	struct control *c, struct registry *r, struct arena *arena, struct account *a)
{
	struct progress_view view;
	int code;

	progress_init(&view, stdout);
	code = wait_until_over(c, r, arena, a, &view);
	progress_end(&view);
	if (code == 0 && c->json)
		code = print_account(c, r, a);
	return code < 0 ? code : result_of(c, a);
}

static int start(
	struct control *c, struct registry *r, struct arena *arena, struct account *a)
{
	uint64_t paused = 0;
	bool running;
	int code = control_refuse_retired(c, r);

	if (code == 0)
		code = registry_paused(r, &paused, &c->err);
	if (code == 0 && paused && c->wait)
		code = error_set(&c->err, -EPERM,
			"all transfers are paused; first: mailferry transfer --resume");
	if (code == 0)
		code = check_possible(c, a);
	if (code == 0)
		code = make_due(c, r, a);
	if (code == 0 && account_needs_master(a))
		code = registry_try_master(r, a->id, &c->err);
	if (code < 0)
		return code;
	running = poke(c, a->name);
	if (c->wait)
		return wait_and_tell(c, r, arena, a);
	if (c->json) {
		code = registry_find_id(r, a->id, arena, a, &c->err);
		return code < 0 ? code : print_account(c, r, a);
	}
	(void)puts(paused ? "due; all transfers are paused (mailferry transfer --resume)"
		   : running ? "due now"
			     : "due; mailferry does not run now, it begins when it does");
	return 0;
}

static int go(struct control *c, struct registry *r)
{
	struct arena arena;
	struct account a;
	int code;

	arena_init(&arena);
	code = registry_find(r, str_from(c->arguments[0]), &arena, &a, &c->err);
	if (code == 0 && a.route == ROUTE_LOCAL) {
		if (c->json)
			code = print_account(c, r, &a);
		else
			(void)puts("it lives here already");
	} else if (code == 0) {
		code = start(c, r, &arena, &a);
	}
	arena_fini(&arena);
	return code;
}

/* ---- all of them ---- */

static int pause_all(struct control *c, struct registry *r)
{
	const struct message look = { .type = MESSAGE_ACCOUNT_DUE };
	int code = registry_set_paused(r, c->pause, &c->err);

	if (code < 0)
		return code;
	(void)ask_tell(c->settings.run_dir, TRANSFER_SOCKET, &look, NULL);
	(void)puts(c->pause ? "paused: no account moves until `mailferry transfer "
			      "--resume`; a switch that has begun is finished"
			    : "resumed");
	return 0;
}

/* NULL: it is. */
static const char *wrong_use(const struct control *c)
{
	bool all = c->pause || c->resume;

	if (c->pause && c->resume)
		return "--pause and --resume at once";
	if (all && (c->n_arguments || c->wait || c->json))
		return "--pause and --resume are for all accounts: no USER, no other "
		       "option";
	return all || c->n_arguments ? NULL
	                             : "missing argument; usage: mailferry "
	                               "transfer USER, or --pause, or --resume";
}

enum exit_code cmd_transfer(struct control *c)
{
	const char *wrong = wrong_use(c);
	struct registry *r;
	int code;

	if (wrong) {
		error_set(&c->err, -EINVAL, "%s", wrong);
		return control_misuse(c);
	}
	code = control_registry(c, &r);
	if (code < 0)
		return control_fail(c);
	code = c->n_arguments ? go(c, r) : pause_all(c, r);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
