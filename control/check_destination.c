/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check_destination.h"

#include <errno.h>

int destination_refuse(const struct settings *s, struct error *err)
{
	if (s->destination.kind == DESTINATION_STORE)
		return 0;
	return error_set(err, -EOPNOTSUPP,
		"`destination`: accounts cannot move to \"%s\" in this version, only to "
		"our own store; leave it out",
		s->destinations.paths[0]);
}

void check_destination(const struct settings *s, struct findings *f)
{
	struct error why = { 0 };

	if (destination_refuse(s, &why) < 0)
		finding(f, FINDING_PROBLEM, "destination", "kind", "%s", why.text);
}
