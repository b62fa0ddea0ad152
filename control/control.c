/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum exit_code control_fail(const struct control *c)
{
	(void)fprintf(
		stderr, "mailferry: %s\n", c->err.text[0] ? c->err.text : "no memory");
	return EXIT_FAILED;
}

int control_registry(struct control *c, struct registry **ret)
{
	char path[4096];
	struct registry *r;
	int code = settings_state_path(&c->settings, REGISTRY_FILE, path, sizeof(path));

	if (code < 0)
		return error_errno(&c->err, code, "%s", c->settings.state_dir);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return error_set(&c->err, -ENOENT,
			"there is no registry %s yet; `mailferry up` makes it", path);
	if (access(path, R_OK | W_OK) < 0)
		return error_errno(
			&c->err, -errno, "cannot open %s; run it as root", path);
	code = registry_open(path, NULL, false, &r, &c->err);
	if (code == 0)
		code = registry_set_domains(
			r, c->settings.domains, c->settings.n_domains);
	if (code == 0)
		*ret = r;
	return code;
}
