/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_RULES_WANTED_H
#define CONTROL_RUNNING_RULES_WANTED_H
/* The ruleset that configuration, registry and kernel together ask for. */
#include "nft-rules/rules.h"
#include "registry/registry.h"
#include "settings/settings.h"

/* registry NULL: there is none, or it is not to be asked; then nobody is admitted in
   another way than the rest. any_local: registry_any_local(). */
int rules_wanted(const struct settings *s, struct registry *registry, bool any_local,
	struct ruleset *ret, struct error *err);

/* Whether a feature (rules_probe()) is of interest: those of one IP family carry its
   name, and those of a family that the source does not have are nobody's problem. */
bool rules_feature_is_wanted(const struct settings *s, const char *feature);

#endif
