/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/upgrade_file.h"

#include "control/running/generations.h"
#include "control/running/part.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Those whose last session has not ended. */
static json_t *retired(const struct generations *g)
{
	json_t *list = json_array();

	for (size_t p = 0; p < UP_PROGRAM_COUNT; p++)
		for (size_t i = 0; i < GENERATIONS_MAX; i++) {
			const struct daemon *d = &g->slots[p][i].daemon;

			if (i == g->current[p] || !child_runs(&d->child))
				continue;
			(void)json_array_append_new(
				list, json_pack("{s:s, s:i}", "program",
					      d->name + strlen("mailferry-"), "pid",
					      (int)d->child.pid));
		}
	return list;
}

static int path_of(
	const struct settings *s, const struct part *part, char path[static PATH_MAX])
{
	char name[64];

	(void)snprintf(name, sizeof(name), UPGRADE_FILE "%s%s.json",
		part->name ? "-" : "", part->name ? part->name : "");
	return settings_run_path(s, name, path, PATH_MAX);
}

int upgrade_file_write(const struct settings *s, const struct part *part,
	const struct generations *g, const char *state, unsigned number,
	const struct error *failed)
{
	char path[PATH_MAX], fresh[PATH_MAX + 4];
	json_t *now = json_pack("{s:i, s:s, s:s?, s:o}", "number", (int)number, "state",
		state, "error", failed->code ? failed->text : NULL, "retired",
		retired(g));
	int code = path_of(s, part, path);

	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (code == 0 && (!now || json_dump_file(now, fresh, JSON_COMPACT) < 0 ||
				 rename(fresh, path) < 0))
		code = -EIO;
	json_decref(now);
	return code;
}

void upgrade_file_forget(const struct settings *s, const struct part *part)
{
	char path[PATH_MAX];

	if (path_of(s, part, path) == 0)
		(void)unlink(path);
}

json_t *upgrade_file_read(const struct settings *s, const struct part *part)
{
	char path[PATH_MAX];

	return path_of(s, part, path) < 0 ? NULL : json_load_file(path, 0, NULL);
}

/* That of a part that has ended is of the past. */
static void add_retired(const struct settings *s, const struct part *part, json_t *all)
{
	json_t *file =
		state_lock_holder(s, part->lock) > 0 ? upgrade_file_read(s, part) : NULL;

	(void)json_array_extend(all, json_object_get(file, "retired"));
	json_decref(file);
}

json_t *upgrade_file_retired(const struct settings *s)
{
	json_t *all = json_array();

	add_retired(s, &part_all, all);
	for (size_t i = 0; i < PART_COUNT; i++)
		add_retired(s, &parts[i], all);
	return all;
}
