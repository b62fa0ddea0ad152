/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_PROXY_PROBE_H
#define CONTROL_CHECK_PROXY_PROBE_H
/*
 * Does the source take the PROXY protocol where `source_proxy` says so? A header for an
 * address that is nobody's (nft-rules/tun.h), then one word that changes nothing:
 *
 *   greeting, its answer            it takes it
 *   greeting, a complaint, ...      it has taken the header for a command
 *   nothing, or it hangs up         it does not know us, or expects no such header
 */
#include "net/stream.h"
#include "settings/settings.h"

/* At each address of the source. 0, or -errno with the sentence. */
int proxy_probe(const struct settings *s, enum service_id service, struct error *err);

/* The header of such a client on a connection to `to`; none where none is wanted. */
int proxy_probe_begin(const struct settings *s, enum service_id service,
	const struct sockaddr_storage *to, struct stream *plain);

#endif
