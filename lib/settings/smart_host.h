/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_SMART_HOST_H
#define SETTINGS_SMART_HOST_H
/*
 * What `smart_host` says: the server that takes what users here send elsewhere.
 *
 *   192.0.2.20, 192.0.2.20:25, smtp://…        SMTP in clear
 *   smtp+starttls://192.0.2.20:25              TLS by STARTTLS, or not at all
 *   smtps://192.0.2.20:465                     TLS from the first byte
 *   lmtp://127.0.0.1:24, lmtp:/run/mta/lmtp    LMTP (RFC 2033), in clear
 *
 * IPv6 is [2001:db8::20]. Names are not resolved.
 */
#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>

enum smart_host_kind {
	SMART_HOST_NONE,
	SMART_HOST_SMTP,
	SMART_HOST_STARTTLS,
	SMART_HOST_SMTPS,
	SMART_HOST_LMTP,
};

/* By what we know it inside TLS, or another server than the source. */
enum smart_host_verify {
	SMART_HOST_VERIFY_CA,
	SMART_HOST_VERIFY_NONE,
	SMART_HOST_VERIFY_PIN
};

struct smart_host {
	enum smart_host_kind kind;
	struct sockaddr_storage address; /* with its port, or AF_UNIX */
};

/* "": SMART_HOST_NONE. 0 or -EINVAL. */
int smart_host_parse(const char *text, struct smart_host *ret);
bool smart_host_has_tls(const struct smart_host *h);
/* 0: a UNIX socket. */
uint16_t smart_host_port(const struct smart_host *h);

/* Whether our password may be shown to it: its key or certificate is verified, or it is
   on this host. 0 or -EINVAL with the cure. */
int smart_host_check_login(
	const struct smart_host *h, enum smart_host_verify verify, struct error *err);

#endif
