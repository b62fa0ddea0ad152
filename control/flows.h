/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_FLOWS_H
#define CONTROL_FLOWS_H
/* The live flows, as the interceptor lists them. */
#include "settings/settings.h"

#include <jansson.h>

/* An array of objects as in the operator contract; the caller's. */
int flows_ask(const struct settings *s, json_t **ret_flows, struct error *err);

#endif
