/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_DESTINATION_PROBE_H
#define CONTROL_CHECK_DESTINATION_PROBE_H
/* Asks the server that users move to what it offers, as the interceptor would reach
   it. */
#include "base/error.h"
#include "settings/settings.h"
#include "source/tls.h"

#define DESTINATION_CHECK_MS 10000
#define DESTINATION_STATUS_MS 2000 /* a person waits */

struct destination_view {
	bool is_secure;
	bool refuses_login;     /* IMAP: LOGINDISABLED */
	char pin[PIN_TEXT_MAX]; /* the key that it shows inside TLS; "" */
};

/* By which protocol: SERVICE_IMAP, SERVICE_POP3 or SERVICE_SMTP (LMTP, where mail goes by
   that). -errno: what is wrong with it, in a sentence. */
int destination_probe(const struct settings *s, enum service_id service,
	unsigned patience_ms, struct destination_view *ret, struct error *err);

#endif
