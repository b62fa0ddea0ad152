/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMART_HOST_RELAY_H
#define INTERCEPTOR_SMART_HOST_RELAY_H
/*
 * Logs in at the smart host for the workers (`smart_host_credentials`), so that none of
 * them has the password: a child of the master, with connections to the smart host's port
 * and nothing else.
 *
 *   worker, runner of reports ─ UNIX socket ─► relay ─ TLS, AUTH ─► smart host
 *
 * It reads what the smart host says up to the end of the login; from then on the bytes
 * of both sides pass unread. What the other side of the socket gets first is the smart
 * host's greeting, or 421 with the reason. A server that counts refused logins would lock
 * us out. So after one that was refused none is tried for half a minute, and until one
 * is taken they are tried one after the other.
 */
#include "event/child.h"
#include "settings/settings.h"

#define SMART_HOST_RELAY_TASK "smart-host"

/* Its descriptors, as the master gives them. */
enum {
	SMART_HOST_RELAY_FD_SETTINGS = CHILD_FD_FIRST,
	SMART_HOST_RELAY_FD_LISTENER,
	SMART_HOST_RELAY_FD_LOGIN /* login_file_open() */
};

/* Until SIGTERM or the master's end; an exit status. */
int smart_host_relay_run(const struct settings *settings);

#endif
