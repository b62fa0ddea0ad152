/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/account_again.h"
#include "control/accounts/account_return.h"
#include "control/accounts/transfer_ask.h"
#include "control/views/mending_view.h"

#include "base/clock.h"

#include <errno.h>

#define PATIENCE_MS (24u * 3600 * 1000) /* a large mailbox is read and fetched */

static int ask_transfer(struct control *c, const struct account *a)
{
	const struct message m = { .type = MESSAGE_AGAIN, .account = a->name };
	const struct patience patience = { .ms = PATIENCE_MS };
	int code = transfer_ask(c, &m, MESSAGE_MENDED, &patience);

	return code != -ECONNREFUSED
	               ? code
	               : error_set(&c->err, code,
				 "what is lost is fetched by the transfer service, which "
				 "does not run; start `mailferry up`");
}

static int print(struct control *c, json_t *mending)
{
	json_int_t left = json_integer_value(json_object_get(mending, "left"));

	if (!c->json)
		mending_view_print(mending, stdout);
	else if (output_json(json_incref(mending), stdout) < 0)
		return -ENOMEM;
	return left ? error_set(&c->err, -EUCLEAN,
			      "%" JSON_INTEGER_FORMAT " thing%s still wrong with the "
			      "mailbox of \"%s\"",
			      left, left == 1 ? " is" : "s are", c->arguments[0])
	            : 0;
}

static int fetch_what_is_lost(
	struct control *c, struct registry *r, const struct account *a)
{
	uint64_t since = clock_wall_ms();
	json_t *mending = NULL;
	int code = ask_transfer(c, a);

	if (code == 0)
		code = mending_view_json(r, a->id, since, &mending, &c->err);
	if (code == 0 && json_is_null(mending))
		code = error_set(&c->err, -EREMOTEIO,
			"it came to nothing: it went back to the source meanwhile, or "
			"its folder cannot be read; the log has why");
	if (code == 0)
		code = print(c, mending);
	json_decref(mending);
	return code;
}

static int go(struct control *c, struct registry *r, const struct account *a)
{
	if (a->route == ROUTE_LOCAL && a->home.len)
		return error_set(&c->err, -EPERM,
			"the mailbox of \"%.*s\" is at %.*s, not here", STR_ARG(a->name),
			STR_ARG(a->home));
	if (a->route == ROUTE_LOCAL && a->stage == STAGE_DONE)
		return fetch_what_is_lost(c, r, a);
	if (is_returning(a))
		return error_set(&c->err, -EBUSY,
			"\"%.*s\" is on its way back to the source", STR_ARG(a->name));
	c->again = false; /* it moves first */
	return 0;
}

enum exit_code account_again(struct control *c)
{
	enum exit_code code = control_on_account(c, c->arguments[0], go);

	return code == EXIT_DONE && !c->again ? cmd_transfer(c) : code;
}
