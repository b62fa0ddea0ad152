/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/upgrade_file.h"

#include "control/generations.h"

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

int upgrade_file_write(const struct settings *s, const struct generations *g,
	const char *state, unsigned number, const struct error *failed)
{
	char path[PATH_MAX], fresh[PATH_MAX + 4];
	json_t *now = json_pack("{s:i, s:s, s:s?, s:o}", "number", (int)number, "state",
		state, "error", failed->code ? failed->text : NULL, "retired",
		retired(g));
	int code = settings_run_path(s, UPGRADE_FILE, path, sizeof(path));

	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	if (code == 0 && (!now || json_dump_file(now, fresh, JSON_COMPACT) < 0 ||
				 rename(fresh, path) < 0))
		code = -EIO;
	json_decref(now);
	return code;
}

void upgrade_file_forget(const struct settings *s)
{
	char path[PATH_MAX];

	if (settings_run_path(s, UPGRADE_FILE, path, sizeof(path)) == 0)
		(void)unlink(path);
}

json_t *upgrade_file_read(const struct settings *s)
{
	char path[PATH_MAX];

	return settings_run_path(s, UPGRADE_FILE, path, sizeof(path)) < 0
	               ? NULL
	               : json_load_file(path, 0, NULL);
}
