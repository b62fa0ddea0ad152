/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_LOOPBACK_H
#define SETTINGS_LOOPBACK_H
/*
 * A place to listen.
 *
 *   127.0.0.1:8625, [::1]:8625   TCP; any local user can connect
 *   unix:/run/mailferry/x.sock   a socket file; its mode says who can connect
 */
#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>

/* "": ret->ss_family is AF_UNSPEC. 0 or -EINVAL. */
int listen_parse(const char *text, struct sockaddr_storage *ret);
/* IPv4 and IPv6. */
bool address_is_loopback(const struct sockaddr_storage *a);

/* The same where only this host reaches it; -EACCES: others do. */
int loopback_parse(const char *text, struct sockaddr_storage *ret);
/* A listening socket there, non-blocking; a socket file is group's to connect to, besides
   root's. Returns it or -errno. */
int loopback_listen(const char *where, unsigned group, struct error *err);

#endif
