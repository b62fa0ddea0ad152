/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_FOUND_VIEW_H
#define CONTROL_VIEWS_FOUND_VIEW_H
/* What an account has at the source besides its mail (registry/found.h), for people and
   as JSON. */
#include "control/terminal/output.h"
#include "registry/registry.h"
#include "settings/settings.h"

/* {at, error, shows: {namespace, acl, quota}, folders: [{name, kind, rights, copied}],
   folders_total, shares: [{folder, who, rights}], shares_total, withheld: [{folder,
   rights}], withheld_total, unasked, quota: [{root, resource, used, limit}]}; null:
   nobody has looked. Only fields of these kinds: a process that reads the network wrote
   it. */
int found_view_json(struct registry *r, int64_t account, json_t **ret, struct error *err);
void found_view_print(const json_t *found, const struct settings *s, FILE *to);

/* A quota in bytes; false: of something else than mail's size. */
bool found_quota_bytes(const json_t *quota, uint64_t *ret_used, uint64_t *ret_limit);

#endif
