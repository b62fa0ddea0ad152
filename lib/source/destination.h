/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SOURCE_DESTINATION_H
#define SOURCE_DESTINATION_H
/*
 * Connections to the server that users who have moved live at (settings/destination.h),
 * for the interceptor, the transfer and `mailferry check` alike: from our own address,
 * since that server need not have us on its way back to the clients.
 */
#include "source/tls.h"

/* Begins to connect; by POP3 for the services of POP3, by SMTP or LMTP for those of mail,
   else by IMAP. The descriptor or -errno; -EINVAL: there is no such server. */
int destination_connect(const struct settings *s, enum service_id service);
/* As source_tls_wrap(): STARTTLS that is not there is an error. */
int destination_wrap(struct source_tls *t, const struct settings *s,
	enum service_id service, struct stream **stream, struct error *err);

/* Its address, as account.home has it: without a port, since the ports and TLS of a
   server may change. "": we are the destination. */
void destination_home(const struct settings *s, char ret[static ADDRESS_TEXT_MAX]);
/* An account that lives, or is to live, there: a mailbox at another server is another
   one. */
bool destination_is_home(const struct settings *s, struct str home);

#endif
