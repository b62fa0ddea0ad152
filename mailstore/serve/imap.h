/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_IMAP_H
#define MAILSTORE_SERVE_IMAP_H
/* The IMAP service (RFC 3501 and what the capabilities name). */
#include "mailstore/serve/service.h"

extern const struct service_ops imap_service;

#endif
