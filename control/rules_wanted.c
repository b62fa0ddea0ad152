/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/rules_wanted.h"

#include <string.h>

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

bool rules_feature_is_wanted(const struct settings *s, const char *feature)
{
	size_t len = strlen(feature);

	if (len > 5 && strcmp(feature + len - 5, "-ipv4") == 0)
		return settings_source(s, AF_INET);
	if (len > 5 && strcmp(feature + len - 5, "-ipv6") == 0)
		return settings_source(s, AF_INET6);
	return true;
}
