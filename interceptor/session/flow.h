/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_FLOW_H
#define INTERCEPTOR_SESSION_FLOW_H
/* A session as a line of `mailferry flows`. */
#include "interceptor/session/session.h"

/* A JSON object from malloc, as in the operator contract; NULL without memory. */
char *flow_json(const struct session *s);

#endif
