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

/* What an error of such a connection means, for the log. */
const char *smart_host_trouble(int code);

/* ---- with a login ---- */

/* With `smart_host_credentials` one process has the password and logs in. The others
   reach the smart host by that process's socket, which is below run_dir. The path's
   place has SMART_HOST_RELAY_PATH_MAX bytes. */
#define SMART_HOST_RELAY_SOCKET SMART_HOST_RELAY_FOLDER "/socket"
#define SMART_HOST_RELAY_NEW SMART_HOST_RELAY_FOLDER "/new" /* until it counts */
#define SMART_HOST_RELAY_PATH_MAX 128
int smart_host_relay_path(const struct settings *s, const char *name, char *path);

/* smart_host_connect() and smart_host_wrap(), or what stands for them there: as the
   interceptor's processes use the smart host. What is read first is its greeting, or 421
   and why it cannot be used. */
int smart_host_open(const struct settings *s);
int smart_host_secure(struct source_tls *t, const struct settings *s,
	struct stream **stream, struct error *err);

#endif
