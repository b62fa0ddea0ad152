/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/make_registry.h"

#include "control/accounts/folders.h"
#include "control/check/ownership.h"
#include "control/running/vault.h"

#include "base/process.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

int make_registry(struct control *c, struct registry **ret)
{
	char path[PATH_MAX];
	int code = settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path));

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	code = process_make_directory(
		c->settings.state_dir, STATE_DIRECTORY_MODE, &c->err);
	if (code == 0 && access(path, F_OK) < 0 && errno == ENOENT)
		code = folders_refuse_strays(c, NULL);
	if (code == 0)
		code = vault_task(c, "make");
	return code < 0 ? code : control_registry(c, ret);
}
