/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_DESTINATION_H
#define SETTINGS_DESTINATION_H
/*
 * What `destination` says: where mail moves to, and who serves its users afterwards.
 *
 *   store                                    our own store, and we do
 *   imap://192.0.2.20                        that server, in clear; port 143
 *   imap+starttls://192.0.2.20               TLS by STARTTLS, or not at all
 *   imaps://192.0.2.20                       TLS from the first byte; port 993
 *   maildir:/srv/mail/%d/%n                  Dovecot's, and behind it the server that
 *                                            serves them, as one of the three above
 *
 * Behind a server, where it is not the same host with the same TLS: "pop3://192.0.2.20"
 * (pop3+starttls, pop3s), and who takes mail for its users, as smart_host.h has it:
 * "smtp://192.0.2.20:25", "lmtp://192.0.2.20:24", …
 *
 * IPv6 is [2001:db8::20]. Names are not resolved.
 */
#include "base/error.h"
#include "settings/smart_host.h"

#include <netinet/in.h>

/* How we speak to the source, or to the destination: one of the first three. */
enum source_tls_mode {
	SOURCE_TLS_NONE,
	SOURCE_TLS_STARTTLS,
	SOURCE_TLS_IMPLICIT,
	SOURCE_TLS_CLIENT /* STARTTLS behind a client's own, else none */
};

enum destination_kind { DESTINATION_STORE, DESTINATION_MAILDIR, DESTINATION_IMAP };

struct destination_server {
	struct sockaddr_storage address; /* with its port */
	enum source_tls_mode tls;        /* towards it */
};

struct destination_settings {
	enum destination_kind kind; /* what is written to */
	/* Who serves users that have moved, by IMAP, with its port; family 0: we do. */
	struct sockaddr_storage server;
	enum source_tls_mode tls;       /* towards it */
	struct destination_server pop3; /* the same, by POP3 */
	struct smart_host mail;         /* who takes their mail */
	const char *path; /* of a Maildir, with %u, %n, %d; settings.destinations
	                             owns it */
};

struct settings;

/* One of the list. 0 or -EINVAL. */
int destination_parse(const char *text, struct destination_settings *ret);
/* Users that move are served by another server than us. */
bool destination_is_elsewhere(const struct destination_settings *d);
/* Fills s->destination from s->destinations. -EINVAL with the sentence: they do not fit
   together, nor with `uids` and `destination_verify`. */
int destination_settle(struct settings *s, struct error *err);

#endif
