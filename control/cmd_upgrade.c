/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailferry upgrade: asks `mailferry up` for it, and says how far it is. */
#include "control/control.h"
#include "control/output.h"
#include "control/running.h"
#include "control/upgrade_file.h"

#include "messages/ask.h"
#include "settings/state_lock.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US 100000
#define LOOKS_MAX 3000 /* five minutes, until the new programs run */

struct view {
	json_t *now; /* as `up` has written it; NULL: nothing yet */
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
	json_t *now = upgrade_file_read(&c->settings);

	if (now) {
		json_decref(v->now);
		v->now = now;
	}
	(void)ask(c->settings.run_dir, INTERCEPTOR_SOCKET, &question, MESSAGE_RETIRED_IS,
		&ask_patience, &v->connections, NULL);
}

static bool runs(const struct control *c)
{
	return state_lock_holder(&c->settings, STATE_LOCK_UP) > 0;
}

static int gone(struct control *c)
{
	return error_set(&c->err, -ECONNREFUSED,
		"mailferry does not run here, so there is nothing to upgrade; start "
		"`mailferry up`");
}

static int ask_up(struct control *c)
{
	int pid = state_lock_holder(&c->settings, STATE_LOCK_UP);

	if (pid <= 0 || !ask_runs(c->settings.run_dir, INTERCEPTOR_SOCKET))
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
		if (!runs(c))
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
		if (!runs(c))
			return gone(c);
		(void)usleep(LOOK_US);
		look(c, v);
	}
	return 0;
}

static int print(const struct control *c, struct view *v)
{
	bool is_over = strcmp(state_of(v), "idle") == 0;

	if (c->json) {
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

static int upgrade(struct control *c, struct view *v)
{
	json_int_t before;
	int code = running_refuse_others(&c->settings, &c->err);

	v->now = upgrade_file_read(&c->settings);
	before = number_of(v);
	if (code == 0)
		code = ask_up(c);
	if (code == 0)
		code = await_programs(c, v, before);
	if (code < 0)
		return code;
	if (!c->json) {
		(void)puts("the new programs run");
		(void)fflush(stdout);
	}
	if (c->wait)
		code = await_last(c, v);
	return code < 0 ? code : print(c, v);
}

enum exit_code cmd_upgrade(struct control *c)
{
	struct view v = { 0 };
	int code = upgrade(c, &v);

	json_decref(v.now);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
