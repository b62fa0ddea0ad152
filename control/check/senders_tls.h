/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_SENDERS_TLS_H
#define CONTROL_CHECK_SENDERS_TLS_H
/* Mail servers that send to us. */
#include "control/terminal/control.h"

/* They are offered no STARTTLS though the old server offers it: somebody lives here, so
   that their mail may not pass unseen, and there is no key. Those that insist on TLS keep
   the mail for all users, and nobody here would notice. */
bool senders_lack_tls(struct control *c, struct registry *r);

#endif
