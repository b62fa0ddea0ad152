/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_SMART_HOST_PROBE_H
#define CONTROL_CHECK_SMART_HOST_PROBE_H
/* Asks the smart host what it offers, as the interceptor would reach it. */
#include "base/error.h"
#include "settings/settings.h"
#include "source/tls.h"

#define SMART_HOST_CHECK_MS 10000
#define SMART_HOST_STATUS_MS 2000 /* a person waits */

/* With `smart_host_credentials` there are two ways: our own, with the login in the file,
   or the interceptor's (interceptor/smart_host/relay.h), which says what became of its
   own. */
enum smart_host_way { SMART_HOST_BY_ITSELF, SMART_HOST_AS_INTERCEPTOR };

struct smart_host_view {
	bool is_secure, has_auth;
	bool is_logged_in;
	char pin[PIN_TEXT_MAX]; /* the key that it shows inside TLS; "" */
};

/* -errno: what is wrong with it, in a sentence. */
int smart_host_probe(const struct settings *s, enum smart_host_way way,
	unsigned patience_ms, struct smart_host_view *ret, struct error *err);

#endif
