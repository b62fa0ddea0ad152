/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SOURCE_PROXY_H
#define SOURCE_PROXY_H
/*
 * The PROXY protocol (HAProxy's specification, 2.1 and 2.2) towards the source: the first
 * bytes of a connection, before TLS, say whose it is. A port of the source that expects
 * them takes no connection without: so ours have them, too, as our own.
 */
#include "net/stream.h"
#include "settings/settings.h"

#define SOURCE_PROXY_MAX 108 /* version 1: 107 and a NUL; version 2: 52 */

/* client, and where it wanted to go, of one family; NULL: the connection is our own.
   Returns the number of bytes; 0: the source wants none. */
size_t source_proxy_header(enum source_proxy version,
	const struct sockaddr_storage *client, const struct sockaddr_storage *wanted,
	char ret[static SOURCE_PROXY_MAX]);

/* As the settings of that service say, on a socket (stream_plain_new()) that nothing was
   written to. 0 or -errno. */
int source_proxy_begin(const struct settings *s, enum service_id service,
	const struct sockaddr_storage *client, const struct sockaddr_storage *wanted,
	struct stream *plain);

#endif
