/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_UPGRADE_FILE_H
#define CONTROL_RUNNING_UPGRADE_FILE_H
/* How far an upgrade is, in run_dir: `mailferry up` writes it, commands read it. */
#include "base/error.h"
#include "settings/settings.h"

#include <jansson.h>

struct generations;
struct part;

#define UPGRADE_FILE "upgrade" /* with the part's name, ".json" */

/* failed: code 0: it has not. Readers see the old file or the new one, never a part. 0 or
   -errno. */
int upgrade_file_write(const struct settings *s, const struct part *part,
	const struct generations *g, const char *state, unsigned number,
	const struct error *failed);
/* A new `mailferry up` counts its upgrades from 0 again. */
void upgrade_file_forget(const struct settings *s, const struct part *part);
/* What was written last; NULL: nothing. */
json_t *upgrade_file_read(const struct settings *s, const struct part *part);
/* The programs of before the last upgrade that still run, of all parts that do. */
json_t *upgrade_file_retired(const struct settings *s);

#endif
