/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_POP3_H
#define MAILSTORE_SERVE_POP3_H
/* POP3 for one account: wire/pop3/session.h over INBOX (maildrop.h). */
#include "mailstore/serve/service.h"

extern const struct service_ops pop3_service;

#endif
