/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_DIAL_H
#define TRANSFER_DIAL_H
/* How a transfer connects to the source: by TCP, as itself where the source expects the
   PROXY protocol (source/proxy.h), inside TLS where the service's `source_tls` says so
   (source/tls.h). */
#include "source/tls.h"
#include "transfer/read/source_connection.h"

struct dial {
	const struct settings *settings;
	struct registry *registry;
	enum service_id service;
	struct pace *pace; /* NULL: none */
	int socket;        /* to connect by, once; another owns it. -1: one of its own */
	struct source_tls tls;
	struct error
		err; /* why the last one failed, where TLS knows it; code 0: not so */
};

void dial_init(struct dial *d, const struct settings *s, struct registry *r,
	enum service_id service);
void dial_fini(struct dial *d); /* may be called twice */
/* d must outlive what is made with it. */
struct source_dialer dial_by(struct dial *d);

#endif
