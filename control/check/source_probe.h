/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_SOURCE_PROBE_H
#define CONTROL_CHECK_SOURCE_PROBE_H
/* Asks the source on one port what it offers, politely and without a login. */
#include "control/check/source_offer.h"

/* address: with its port; as ourselves, where the service has `source_proxy`.
   -ECONNREFUSED: nothing listens there; else -errno with the sentence. On success *o
   holds what was said (o->step OFFER_OVER). */
int source_probe(const struct settings *s, enum service_id service,
	const struct sockaddr_storage *address, struct offer *o, struct error *err);

#endif
