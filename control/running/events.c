/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/events.h"

#include "control/terminal/output.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

static int events_path(const struct settings *s, char path[static PATH_MAX])
{
	return settings_run_path(s, EVENTS_FILE, path, PATH_MAX);
}

json_t *events_read(const struct settings *s)
{
	char path[PATH_MAX];
	json_t *all = NULL;

	if (events_path(s, path) == 0)
		all = json_load_file(path, 0, NULL);
	if (json_is_array(all))
		return all;
	json_decref(all);
	return json_array();
}

/* Its place; behind the last: there is none. */
static size_t find(const json_t *all, const char *kind)
{
	size_t at = 0;

	while (at < json_array_size(all) &&
		!str_eq(output_text(json_array_get(all, at), "kind"), str_from(kind)))
		at++;
	return at;
}

static json_t *entry(json_t *all, const char *kind)
{
	json_t *event = json_array_get(all, find(all, kind));

	if (event)
		return event;
	event = json_pack("{s:s, s:I, s:I, s:s}", "kind", kind, "at", (json_int_t)0,
		"count", (json_int_t)0, "text", "");
	return event && json_array_append_new(all, event) == 0 ? event : NULL;
}

static int fill(json_t *event, const char *sentence)
{
	json_int_t count = json_integer_value(json_object_get(event, "count"));
	int code = json_object_set_new(
		event, "at", json_integer((json_int_t)clock_wall_ms()));

	if (code == 0)
		code = json_object_set_new(event, "count", json_integer(count + 1));
	if (code == 0)
		code = json_object_set_new(
			event, "text", output_string(str_from(sentence)));
	return code < 0 ? -ENOMEM : 0;
}

/* Beside it first: a reader never sees half of it. */
static int write_all(const char *path, const json_t *all)
{
	char fresh[PATH_MAX];
	int len = snprintf(fresh, sizeof(fresh), "%s.new", path);

	if (len < 0 || (size_t)len >= sizeof(fresh))
		return -ENAMETOOLONG;
	if (json_dump_file(all, fresh, JSON_INDENT(1)) < 0)
		return -EIO;
	return rename(fresh, path) < 0 ? -errno : 0;
}

int event_note(const struct settings *s, const char *kind, const char *sentence)
{
	char path[PATH_MAX];
	json_t *all = events_read(s), *event = all ? entry(all, kind) : NULL;
	int code = event ? fill(event, sentence) : -ENOMEM;

	if (code == 0)
		code = events_path(s, path);
	if (code == 0)
		code = write_all(path, all);
	json_decref(all);
	return code;
}

int event_forget(const struct settings *s, const char *kind)
{
	char path[PATH_MAX];
	json_t *all = events_read(s);
	int code = all ? events_path(s, path) : -ENOMEM;

	if (code == 0 && json_array_remove(all, find(all, kind)) == 0)
		code = write_all(path, all);
	json_decref(all);
	return code;
}

bool event_is_noted(const struct settings *s, const char *kind)
{
	json_t *all = events_read(s);
	bool is = find(all, kind) < json_array_size(all);

	json_decref(all);
	return is;
}
