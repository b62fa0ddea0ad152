/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_MILTER_H
#define SETTINGS_MILTER_H
/*
 * What `milter` says: where a content filter waits.
 *
 *   inet:127.0.0.1:11332, inet:[::1]:11332     TCP; names are not resolved
 *   unix:/run/rspamd/milter.sock               a socket that the interceptor may write to
 */
#include <netinet/in.h>

/* 0 or -EINVAL. */
int milter_address_parse(const char *text, struct sockaddr_storage *ret);
/* A descriptor that connects, or -errno. */
int milter_connect(const char *text);

#endif
