/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WATCH_FLOWS_H
#define CONTROL_WATCH_FLOWS_H
/* The live flows: as the interceptor lists them, and what the kernel knows of them. */
#include "control/terminal/control.h"
#include "control/terminal/view.h"

/* Of each, the text of one JSON object, which lives until it returns. Negative: it is
   none. */
typedef int flow_fn(void *context, struct str flow);
int flows_each(const struct settings *s, flow_fn *each, void *context, struct error *err);
/* An array of objects as in the operator contract; the caller's. */
int flows_ask(const struct settings *s, json_t **ret_flows, struct error *err);
/* The same, joined with what the kernel knows (flows_join.h). */
int flows_gather(const struct settings *s, json_t **ret_flows, struct error *err);
/* -ENOENT: there is no such session; it may have ended by itself. */
int flows_kick(const struct settings *s, const char *id, struct error *err);

/* On a screen. */
struct view flows_view(struct control *c);

#endif
