/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/rules_wanted.h"

int rules_wanted(
	const struct settings *s, bool any_local, struct ruleset *ret, struct error *err)
{
	struct ruleset r;
	int code = ruleset_from_settings(s, &r, err);

	if (code < 0)
		return code;
	r.fail = settings_effective_fail(s, any_local) == FAIL_OPEN ? RULES_FAIL_OPEN
	                                                            : RULES_FAIL_CLOSED;
	*ret = r;
	return 0;
}
