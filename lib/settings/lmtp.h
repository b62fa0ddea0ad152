/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_LMTP_H
#define SETTINGS_LMTP_H
/*
 * What `lmtp` says: where mail servers hand over mail for accounts that live here, and
 * who may connect there. There is no login: whoever may connect may write to everybody
 * here.
 *
 *   unix:/run/mailferry/lmtp    a socket file ("unix:" may be left out): root and the
 *                               group `lmtp_group` may connect
 *   inet:127.0.0.1:24           TCP ("inet:" may be left out): this host's loopback, and
 *   inet:[2001:db8::1]:24       the addresses of `lmtp_clients`
 */
#include "settings/settings.h"

/* 0 or -EINVAL. */
int lmtp_address_parse(const char *text, struct sockaddr_storage *ret);
/* "192.0.2.0/24", "2001:db8::1": 0 or -EINVAL. */
int lmtp_client_parse(const char *text);
/* Whether one of such networks has that address. */
bool networks_have(const struct settings_files *list, const struct sockaddr_storage *a);

/* 0, or -EINVAL with the sentence: other hosts reach it, and none of them may connect. */
int lmtp_check(const struct settings *s, struct error *err);
/* Whether that client of a TCP socket may go on. */
bool lmtp_may_connect(const struct settings *s, const struct sockaddr_storage *client);

#endif
