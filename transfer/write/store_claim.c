/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/write/store_claim.h"

#include "base/clock.h"
#include "mailstore/store/source_side.h"

#include <errno.h>

/* It becomes a copy. Of one that went back, the source gives the UIDs again. */
static int take_over(
	struct store *s, struct str account, enum store_service was, struct error *err)
{
	const struct store_identity is = { .owner = account };
	int r = store_begin(s, err);

	if (r == 0 && (was == STORE_LEAVING || was == STORE_LEFT))
		r = store_drop_ours(s, err);
	if (r == 0)
		r = store_set_identity(s, &is, err);
	return r == 0 ? store_commit(s, err) : r;
}

static int check_owner(
	const struct store_identity *is, struct str account, struct error *err)
{
	if (!is->owner.len || str_eq(is->owner, account))
		return 0;
	return error_set(err, -EPERM,
		"the mail folder of \"%.*s\" says that it is of \"%.*s\"; move it away",
		STR_ARG(account), STR_ARG(is->owner));
}

int store_claim_for_copy(
	struct store *s, struct str account, struct arena *arena, struct error *err)
{
	struct store_identity is;
	int r = store_identity(s, arena, &is, err);

	if (r == 0)
		r = check_owner(&is, account, err);
	if (r < 0)
		return r;
	if (is.service == STORE_SERVED)
		return error_set(err, -EPERM,
			"\"%.*s\" has lived here, and mail in its folder may be nowhere "
			"else: nothing is copied over it; run: mailferry registry "
			"rebuild",
			STR_ARG(account));
	if (is.owner.len && is.service == STORE_COPYING)
		return 0;
	return take_over(s, account, is.service, err);
}

int store_claim_served(struct store *s, struct str account, bool is_local,
	struct arena *arena, struct store_identity *ret_becomes, struct error *err)
{
	struct store_identity is;
	int r = store_identity(s, arena, &is, err);

	if (r == 0)
		r = check_owner(&is, account, err);
	if (r < 0)
		return r;
	if (is.service == STORE_LEAVING || is.service == STORE_LEFT)
		return error_set(err, -EPERM,
			"\"%.*s\" went back to the source: nothing is to come here",
			STR_ARG(account));
	if (is.service == STORE_SERVED)
		return 0;
	if (!is_local)
		return error_set(err, -EPERM,
			"the mail folder of \"%.*s\" does not say that it is in service: "
			"it may be half a copy, and there is no registry to say so; put "
			"the registry back first",
			STR_ARG(account));
	*ret_becomes = (struct store_identity){ .owner = arena_str(arena, account),
		.service = STORE_SERVED,
		.served_at = clock_wall_ms() };
	return ret_becomes->owner.ptr ? 0 : error_set(err, -ENOMEM, "no memory");
}
