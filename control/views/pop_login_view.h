/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_POP_LOGIN_VIEW_H
#define CONTROL_VIEWS_POP_LOGIN_VIEW_H
/* The last login of ours at the source for `pop_before_smtp`. */
#include "control/terminal/output.h"
#include "registry/registry.h"

/* {at, client, error, next_at}; null: there was none. */
int pop_login_view_json(
	struct registry *r, int64_t account, json_t **ret, struct error *err);
void pop_login_view_print(const json_t *login, FILE *to);

#endif
