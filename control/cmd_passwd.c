/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry passwd USER: a new password for logins here.
 *
 * Only the verifier is another one. The sealed password is the source's, and stays: as
 * long as the source is not retired, the sweep and the way back log in there with it, and
 * nothing here changes a password there. Back at the source, the user has his old one.
 */
#include "control/control.h"
#include "control/output.h"
#include "control/prompt.h"

#include "base/process.h"
#include "registry/seal.h"

#include <errno.h>

static int set_password(struct control *c, struct registry *r, const struct account *a,
	struct str password)
{
	struct buf verifier;
	int code;

	buf_init(&verifier, 0);
	code = verifier_make(password, &verifier);
	if (code < 0)
		error_set(&c->err, code, "cannot make a verifier of the password");
	else
		code = registry_set_local_password(
			r, a->id, buf_view(&verifier), &c->err);
	buf_fini(&verifier);
	return code;
}

/* Before anybody types a password in vain. */
static int check_lives_here(struct control *c, const struct account *a)
{
	if (a->route == ROUTE_LOCAL)
		return 0;
	return error_set(&c->err, -EPERM,
		"\"%.*s\" is served by the source, so its password is changed there",
		STR_ARG(a->name));
}

static int ask_and_set(struct control *c, struct registry *r, const struct account *a)
{
	struct buf password;
	int code = check_lives_here(c, a);

	if (code < 0)
		return code;
	buf_init(&password, PASSWORD_MAX);
	code = prompt_new_password(&password, &c->err);
	if (code == 0)
		code = set_password(c, r, a, buf_view(&password));
	buf_wipe(&password);
	buf_fini(&password);
	if (code == 0) {
		output_clean(a->name, stdout);
		(void)puts(": new password set; it holds here, the source keeps its own");
	}
	return code;
}

enum exit_code cmd_passwd(struct control *c)
{
	if (process_protect_memory(&c->err) < 0)
		return control_fail(c);
	return control_on_account(c, ask_and_set);
}
