/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_SMART_HOST_PROBE_H
#define CONTROL_SMART_HOST_PROBE_H
/* Asks the smart host what it offers, as the interceptor would reach it. */
#include "base/error.h"
#include "settings/settings.h"
#include "source/tls.h"

#define SMART_HOST_CHECK_MS 10000
#define SMART_HOST_STATUS_MS 2000 /* a person waits */

struct smart_host_view {
	bool is_secure, has_auth;
	char pin[PIN_TEXT_MAX]; /* the key that it shows inside TLS; "" */
};

/* -errno: what is wrong with it, in a sentence. */
int smart_host_probe(const struct settings *s, unsigned patience_ms,
	struct smart_host_view *ret, struct error *err);

#endif
