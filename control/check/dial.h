/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_DIAL_H
#define CONTROL_CHECK_DIAL_H
/* Connections of a command to the source, which wait for nobody. */
#include "settings/settings.h"

#include <sys/socket.h>

/* The port on which the source has that service. */
void dial_set_port(
	struct sockaddr_storage *a, const struct settings *s, enum service_id service);

/* 0 or -EINPROGRESS with a socket of ours, else -errno and *ret_fd is -1. */
int dial(const struct sockaddr_storage *to, int *ret_fd);
/* Once it can be written to: 0: it is connected; -ECONNREFUSED … */
int dial_outcome(int fd);

#endif
