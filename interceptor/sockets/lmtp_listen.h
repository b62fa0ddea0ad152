/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SOCKETS_LMTP_LISTEN_H
#define INTERCEPTOR_SOCKETS_LMTP_LISTEN_H
/*
 * The sockets of `lmtp` (settings/lmtp.h). The master opens each once, as root; all
 * workers accept from it.
 */
#include "base/error.h"
#include "settings/settings.h"

/* A socket file belongs to root and `lmtp_group`, and nobody else may connect. What lies
   at its path is replaced only when it is a socket. A descriptor, or -errno. */
int lmtp_listen(const struct settings *s, const char *place, struct error *err);
/* Whether the descriptor is what lmtp_listen() would make now. */
bool lmtp_listens(const struct settings *s, const char *place, int fd);
/* Whether it is a socket of `lmtp` at all. */
bool lmtp_is_listener(const struct settings *s, int fd);

#endif
