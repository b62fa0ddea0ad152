/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry route USER auto|source|local: the toggle for a single user. */
#include "base/clock.h"
#include "control/accounts/account_return.h"
#include "control/running/poke.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "control/views/account_view.h"
#include "control/views/carry_view.h"
#include "control/views/unseen_view.h"
#include "registry/unseen.h"

#include <errno.h>
#include <string.h>

#define TRIES 5 /* the transfer may take a step between our look and our change */

static int event(struct control *c, struct registry *r, const struct account *a,
	enum account_event e)
{
	return registry_transition(
		r, a->id, e, STR_LIT("admin"), STR_LIT("route command"), &c->err);
}

static int to_auto(struct control *c, struct registry *r, const struct account *a)
{
	int code = registry_set_pin(r, a->id, PIN_AUTO, &c->err);

	return code < 0 ? code : registry_allow_unseen(r, a->id, false, &c->err);
}

static int to_local(struct control *c, struct registry *r, const struct account *a)
{
	int code = registry_set_pin(r, a->id, PIN_LOCAL, &c->err);

	/* whoever reads it unseen (registry/unseen.h): the admin knows, and says yes */
	if (code == 0 && c->yes)
		code = registry_allow_unseen(r, a->id, true, &c->err);
	if (code == 0 && is_returning(a))
		return event(c, r, a, EVENT_STAY);
	if (code < 0 || a->route != ROUTE_SOURCE ||
		(a->stage != STAGE_IDLE && a->stage != STAGE_FAILED))
		return code;
	if (!a->has_password && !a->master.len) {
		(void)puts("no password was seen yet: the move begins at the next login "
			   "that shows one");
		return 0;
	}
	return event(c, r, a, EVENT_DUE);
}

/* Not moved yet: pinned first, so that nothing begins anew behind the cancel. */
static int to_source(struct control *c, struct registry *r, const struct account *a)
{
	int code;

	if (a->is_made_here)
		return error_set(&c->err, -EINVAL,
			"\"%.*s\" was made here; the source does not know it",
			STR_ARG(a->name));
	if (a->source_name.len)
		return error_set(&c->err, -EPERM,
			"\"%.*s\" was renamed here; the source knows it as \"%.*s\": "
			"first `mailferry account rename` it to that",
			STR_ARG(a->name), STR_ARG(a->login));
	if (a->route == ROUTE_LOCAL || is_returning(a)) {
		/* what is said from here on is newer (registry_return()) */
		code = a->pin == PIN_LOCAL ? registry_set_pin(r, a->id, PIN_AUTO, &c->err)
		                           : 0;
		return code < 0 ? code : account_return(c, r, a);
	}
	code = registry_set_pin(r, a->id, PIN_SOURCE, &c->err);
	if (code == 0)
		code = registry_allow_unseen(r, a->id, false, &c->err);
	if (code < 0 || a->stage == STAGE_IDLE)
		return code;
	return event(c, r, a, EVENT_CANCEL);
}

static const struct way {
	const char *name;
	int (*go)(struct control *c, struct registry *r, const struct account *a);
} ways[] = { { "auto", to_auto }, { "source", to_source }, { "local", to_local } };

static const struct way *way_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, name) == 0)
			return &ways[i];
	return NULL;
}

static void print_state(const struct account *a)
{
	output_clean(a->name, stdout);
	(void)printf(": pin %s, route %s, stage %s\n", pin_name(a->pin),
		route_name(a->route), stage_name(a->stage));
}

/* Why the move that was asked for waits: else nobody would look. */
static int print_held(struct control *c, struct registry *r, const struct account *a)
{
	struct held_list held;
	struct str why;
	int code;

	if (a->pin != PIN_LOCAL || a->route == ROUTE_LOCAL)
		return 0;
	code = held_list_gather(r, &c->settings, &held, &c->err);
	why = held_list_why(&held, a->name);
	if (code == 0 && why.len) {
		(void)fputs("held: ", stdout);
		output_clean(why, stdout);
		(void)putchar('\n');
	}
	held_list_fini(&held);
	return code;
}

/* What was carried by this command, if anything was. */
static int print_all(
	struct control *c, struct registry *r, const struct account *a, uint64_t since)
{
	struct account_view view;
	json_t *object, *carried = NULL;
	int code = carry_view_json(r, a->id, c->dry_run, since, &carried, &c->err);

	if (code < 0)
		return code;
	if (!c->json) {
		if (!c->dry_run)
			print_state(a);
		carry_view_print(carried, stdout);
		json_decref(carried);
		return c->dry_run ? 0 : print_held(c, r, a);
	}
	account_view(a, STR_LIT(""), &view);
	object = output_object(account_columns, account_column_count, &view);
	if (json_object_set_new(object, "carried", carried) < 0) {
		json_decref(object);
		return error_set(&c->err, -ENOMEM, "no memory");
	}
	return output_json(object, stdout);
}

static int go(struct control *c, struct registry *r, const struct way *way)
{
	uint64_t since = clock_wall_ms();
	struct arena arena;
	struct account a;
	int code = -EPERM;

	arena_init(&arena);
	for (int i = 0; code == -EPERM && i < TRIES; i++) {
		code = registry_find(r, str_from(c->arguments[0]), &arena, &a, &c->err);
		if (code == 0)
			code = way->go(c, r, &a);
	}
	if (code == 0) {
		bool running = poke(c, a.name);

		code = registry_find_id(r, a.id, &arena, &a, &c->err);
		if (code == 0)
			code = print_all(c, r, &a, since);
		if (!running)
			(void)fputs("mailferry does not run now; it takes effect when it "
				    "does\n",
				c->json ? stderr : stdout);
	}
	arena_fini(&arena);
	return code;
}

/* --dry-run */
static int foretell(struct control *c, struct registry *r, const struct account *a)
{
	uint64_t since = clock_wall_ms();
	int code = control_refuse_retired(c, r);

	if (code == 0 && a->route != ROUTE_LOCAL)
		code = error_set(&c->err, -EINVAL,
			"\"%.*s\" is served by the source: there is nothing to be carried "
			"back",
			STR_ARG(a->name));
	if (code == 0)
		code = account_foretell(c, a);
	return code < 0 ? code : print_all(c, r, a, since);
}

enum exit_code cmd_route(struct control *c)
{
	const struct way *way = way_by_name(c->arguments[1]);
	struct registry *r;
	int code;

	if (!way) {
		error_set(&c->err, -EINVAL,
			"route takes auto, source or local, not \"%s\"", c->arguments[1]);
		return control_misuse(c);
	}
	if (c->dry_run && way->go != to_source) {
		error_set(&c->err, -EINVAL, "--dry-run goes with source alone");
		return control_misuse(c);
	}
	if (c->dry_run)
		return control_on_account(c, c->arguments[0], foretell);
	if (control_registry(c, &r) < 0)
		return control_fail(c);
	code = control_refuse_retired(c, r);
	if (code == 0)
		code = go(c, r, way);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
