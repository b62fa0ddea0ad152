/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mailferry passwd USER: a new password for logins here.
 *
 * It is one more: the passwords that were proven at the move still open the mailbox,
 * until `--only` ends them. Those of the source stay sealed: as long as the source is not
 * retired, the sweep and the way back log in there with them, and nothing here changes a
 * password there. Back at the source, the user has the old ones.
 */
#include "control/running/vault.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "control/terminal/prompt.h"

#include "base/process.h"

#include <errno.h>
#include <inttypes.h>

/* Before anybody types a password in vain. */
static int check_lives_here(struct control *c, const struct account *a)
{
	if (a->route == ROUTE_LOCAL)
		return 0;
	return error_set(&c->err, -EPERM,
		"\"%.*s\" is served by the source, so its password is changed there",
		STR_ARG(a->name));
}

/* Those that were proven, which the new one does not replace. */
static void say_others(const struct control *c, const struct account *a)
{
	uint64_t others = a->passwords - (a->local_password_at ? 1 : 0);

	if (c->only || !others)
		return;
	(void)printf("%" PRIu64
		     " other password%s still open%s the mailbox; to end that: "
		     "mailferry passwd --only ",
		others, others == 1 ? "" : "s", others == 1 ? "s" : "");
	output_clean(a->name, stdout);
	(void)puts("");
}

static int ask_and_set(struct control *c, struct registry *r, const struct account *a)
{
	struct buf password;
	int code = check_lives_here(c, a);

	(void)r;
	if (code < 0)
		return code;
	buf_init(&password, PASSWORD_MAX);
	code = prompt_new_password(&password, &c->err);
	if (code == 0)
		code = vault_set_password(c, a->id, buf_view(&password));
	buf_wipe(&password);
	buf_fini(&password);
	if (code == 0) {
		output_clean(a->name, stdout);
		(void)puts(": new password set; it holds here, the source keeps its own");
		say_others(c, a);
	}
	return code;
}

enum exit_code cmd_passwd(struct control *c)
{
	if (process_protect_memory(&c->err) < 0)
		return control_fail(c);
	return control_on_account(c, c->arguments[0], ask_and_set);
}
