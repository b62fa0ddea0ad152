/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/terminal/control.h"

#include "base/utf8.h"
#include "registry/alias.h"
#include "registry/retire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum exit_code control_fail(const struct control *c)
{
	char text[ERROR_TEXT_MAX];

	(void)snprintf(
		text, sizeof(text), "%s", c->err.text[0] ? c->err.text : "no memory");
	utf8_make_harmless(text, strlen(text)); /* names, and what the source said */
	(void)fprintf(stderr, "mailferry: %s\n", text);
	return EXIT_FAILED;
}

enum exit_code control_misuse(const struct control *c)
{
	(void)control_fail(c);
	return EXIT_USAGE;
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
	if (access(path, R_OK | W_OK) < 0 && errno == EROFS)
		return error_set(&c->err, -EROFS,
			"the file system of %s is read-only: nothing is delivered or "
			"moved; the kernel's log says why (dmesg), then: mount -o "
			"remount,rw",
			path);
	if (access(path, R_OK | W_OK) < 0)
		return error_set(&c->err, -errno, "cannot open %s: %s; run this as root",
			path, strerror(errno));
	code = registry_open(path, &r, &c->err);
	if (code < 0)
		return code;
	code = registry_set_domains(r, c->settings.domains, c->settings.n_domains);
	if (code < 0) {
		registry_close(r);
		return error_set(&c->err, code, "no memory");
	}
	registry_set_subaddress(r, settings_subaddress(&c->settings));
	*ret = r;
	return 0;
}

int control_refuse_retired(struct control *c, struct registry *r)
{
	uint64_t since = 0;
	int code = registry_retired(r, &since, &c->err);

	if (code == 0 && since)
		return error_set(&c->err, -EPERM,
			"the source is retired; nothing goes back to it or comes from "
			"it");
	return code;
}

static int find_and_act(
	struct control *c, struct registry *r, const char *name, control_account_fn *act)
{
	struct arena arena;
	struct account a;
	int code;

	arena_init(&arena);
	code = registry_find(r, str_from(name), &arena, &a, &c->err);
	if (code == 0)
		code = act(c, r, &a);
	arena_fini(&arena);
	return code;
}

enum exit_code control_on_account(
	struct control *c, const char *name, control_account_fn *act)
{
	struct registry *r;
	int code = control_registry(c, &r);

	if (code < 0)
		return control_fail(c);
	code = find_and_act(c, r, name, act);
	registry_close(r);
	return code < 0 ? control_fail(c) : EXIT_DONE;
}
