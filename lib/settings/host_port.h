/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_HOST_PORT_H
#define SETTINGS_HOST_PORT_H
/* Where a server is, as options say it: 192.0.2.20, 192.0.2.20:25, 2001:db8::20,
   [2001:db8::20]:25. A host's own address; names are not resolved. */
#include <netinet/in.h>
#include <stdint.h>

/* A host's own unicast address; no name, so that no resolver decides where mail goes. 0
   or -EINVAL. */
int host_read(const char *text, struct sockaddr_storage *ret);
/* port: where the text has none. 0 or -EINVAL. */
int host_port_parse(const char *text, uint16_t port, struct sockaddr_storage *ret);

#endif
