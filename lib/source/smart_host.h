/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SOURCE_SMART_HOST_H
#define SOURCE_SMART_HOST_H
/* Connections to the smart host, for the interceptor and `mailferry check` alike. */
#include "settings/smart_host.h"
#include "source/tls.h"

/* Begins to connect to a server that is not the source, from our own address: it is known
   to it, not the client's. The descriptor or -errno. */
int other_server_connect(const struct sockaddr_storage *address);
/* -EINVAL: there is none. */
int smart_host_connect(const struct settings *s);
/* As source_tls_wrap(): STARTTLS that is not there is an error. */
int smart_host_wrap(struct source_tls *t, const struct settings *s,
	struct stream **stream, struct error *err);

#endif
