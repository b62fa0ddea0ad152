/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry upgrade: asks `mailferry up` for it, and says how far it is. */
#include "control/running/part.h"
#include "control/running/running.h"
#include "control/running/upgrade_file.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"

#include "messages/ask.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US 100000
#define LOOKS_MAX 3000 /* five minutes, until the new programs run */

struct view {
	const struct part *parts[PART_COUNT]; /* that run: one, or each its own */
	size_t n_parts;
	const struct part *part; /* of them, the one that is looked at */
	json_t *now;             /* as its `up` has written it; NULL: nothing yet */
	uint64_t connections, told;
	bool has_told;
};

static const char *state_of(const struct view *v)
{
	const char *state = json_string_value(json_object_get(v->now, "state"));

	return state ? state : "";
}

static json_int_t number_of(const struct view *v)
{
	return json_integer_value(json_object_get(v->now, "number"));
}

/* Connections of the old programs. One that cannot be asked now is asked again. */
static void look(struct control *c, struct view *v)
{
	static const struct message question = { .type = MESSAGE_RETIRED };
	json_t *now = upgrade_file_read(&c->settings, v->part);

	if (now) {
		json_decref(v->now);
		v->now = now;
	}
	(void)ask(c->settings.run_dir, INTERCEPTOR_SOCKET, &question, MESSAGE_RETIRED_IS,
		&ask_patience, &v->connections, NULL);
}

static bool runs(const struct control *c, const struct part *part)
{
	return state_lock_holder(&c->settings, part->lock) > 0;
}

static void find_parts(const struct control *c, struct view *v)
{
	if (runs(c, &part_all))
		v->parts[v->n_parts++] = &part_all;
	else
		for (size_t i = 0; i < PART_COUNT; i++)
			if (runs(c, &parts[i]))
				v->parts[v->n_parts++] = &parts[i];
}

/* From now on this one is looked at, as it was before. */
static void turn_to(struct control *c, struct view *v, const struct part *part)
{
	json_decref(v->now);
	v->part = part;
	v->now = upgrade_file_read(&c->settings, part);
}

static int gone(struct control *c)
{
	return error_set(&c->err, -ECONNREFUSED,
		"mailferry does not run here, so there is nothing to upgrade; start "
		"`mailferry up`");
}

static int ask_up(struct control *c, const struct view *v)
{
	int pid = state_lock_holder(&c->settings, v->part->lock);

	if (pid <= 0)
		return gone(c);
	return kill(pid, SIGUSR2) < 0
	               ? error_errno(&c->err, -errno, "cannot tell pid %d", pid)
	               : 0;
}

/* Until the new ones run, or that has failed. */
static int await_programs(struct control *c, struct view *v, json_int_t before)
{
	const char *failed;

	for (unsigned i = 0;; i++) {
		look(c, v);
		failed = json_string_value(json_object_get(v->now, "error"));
		if (number_of(v) > before && failed)
			return error_set(&c->err, -EIO, "%s", failed);
		if (number_of(v) > before && (strcmp(state_of(v), "draining") == 0 ||
						     strcmp(state_of(v), "idle") == 0))
			return 0;
		if (!runs(c, v->part))
			return gone(c);
		if (i == LOOKS_MAX)
			return error_set(&c->err, -ETIMEDOUT,
				"it is not done; see the log of `mailferry up`");
		(void)usleep(LOOK_US);
	}
}

static void tell_left(struct view *v)
{
	if (v->has_told && v->told == v->connections)
		return;
	v->told = v->connections;
	v->has_told = true;
	(void)printf("%llu connections go on in the old programs\n",
		(unsigned long long)v->connections);
	(void)fflush(stdout);
}

static int await_last(struct control *c, struct view *v)
{
	while (strcmp(state_of(v), "draining") == 0) {
		if (!c->json)
			tell_left(v);
		if (!runs(c, v->part))
			return gone(c);
		(void)usleep(LOOK_US);
		look(c, v);
	}
	return 0;
}

/* Until the last session of before has ended, in each part. */
static int await_all(struct control *c, struct view *v)
{
	int code = 0;

	for (size_t i = 0; i < v->n_parts && code == 0; i++) {
		turn_to(c, v, v->parts[i]);
		code = await_last(c, v);
	}
	return code;
}

/* Leaves v at a part that is not done, when there is one. */
static void find_state(struct control *c, struct view *v)
{
	for (size_t i = 0; i < v->n_parts; i++) {
		turn_to(c, v, v->parts[i]);
		if (strcmp(state_of(v), "idle") != 0)
			break;
	}
	look(c, v);
}

static int print(struct control *c, struct view *v)
{
	bool is_over;

	find_state(c, v);
	is_over = strcmp(state_of(v), "idle") == 0;
	if (c->json) {
		(void)json_object_set_new(
			v->now, "retired", upgrade_file_retired(&c->settings));
		(void)json_object_set_new(v->now, "connections",
			json_integer(is_over ? 0 : (json_int_t)v->connections));
		return output_json(json_incref(v->now), stdout);
	}
	if (is_over)
		(void)puts("the last old session has ended");
	else
		tell_left(v);
	return 0;
}

static int upgrade_part(struct control *c, struct view *v, const struct part *part)
{
	json_int_t before;
	int code;

	turn_to(c, v, part);
	before = number_of(v);
	code = ask_up(c, v);
	return code < 0 ? code : await_programs(c, v, before);
}

static int upgrade(struct control *c, struct view *v)
{
	int code = running_refuse_others(&c->settings, &c->err);

	find_parts(c, v);
	if (code == 0 &&
		(!v->n_parts || !ask_runs(c->settings.run_dir, INTERCEPTOR_SOCKET)))
		code = gone(c);
	for (size_t i = 0; i < v->n_parts && code == 0; i++)
		code = upgrade_part(c, v, v->parts[i]);
	if (code < 0)
		return code;
	if (!c->json) {
		(void)puts("the new programs run");
		(void)fflush(stdout);
	}
	if (c->wait)
		code = await_all(c, v);
	return code < 0 ? code : print(c, v);
}

enum exit_code cmd_upgrade(struct control *c)
{
	struct view v = { 0 };
	int code = upgrade(c, &v);

	json_decref(v.now);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
