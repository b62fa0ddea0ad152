/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SERVICES_H
#define MAILSTORE_SERVE_SERVICES_H
/* The protocols that are spoken here; a new one is a row in services.c. */
#include "mailstore/serve/service.h"

/* By its name ("imap"); NULL: not served here. */
const struct service_ops *service_find(struct str name);

#endif
