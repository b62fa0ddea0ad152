/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_WEB_H
#define DASHBOARD_WEB_H
/*
 * The process that browsers talk to. It opens its socket and reads the token, becomes a
 * user that owns nothing, in a sandbox without files, and only then takes the first
 * connection. HTTP itself is libmicrohttpd's.
 */
#include "settings/settings.h"

/* Until its socket to the dashboard is closed. Returns the exit status. */
int web_run(const struct settings *settings);

#endif
