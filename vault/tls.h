/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef VAULT_TLS_H
#define VAULT_TLS_H
/*
 * The private keys of the certificates that clients are shown. Workers get the
 * certificates and ask for signatures (tls/signature.h); no key leaves this process.
 */
#include "base/buf.h"
#include "messages/message.h"
#include "settings/settings.h"
#include "tls/signature.h"
#include "tls/ticket.h"

struct tls_identity {
	EVP_PKEY *key;
	struct buf chain; /* PEM, the server's own certificate first */
	struct buf
		staple; /* an OCSP response (DER) from FILE.ocsp; empty: there is none */
	char *file;     /* of the certificate; owned */
};

struct vault_tls {
	struct tls_identity identities[SETTINGS_FILES_MAX];
	size_t n;
	uint32_t first; /* the number of the first: others than of those before */
	/* that the workers' ticket keys begin with */
	unsigned char secret[TLS_TICKET_SECRET];
	uint64_t secret_at_s;
};

/* Reads the files that the settings name: PEM, or PKCS#12 without a password. One whose
   key does not fit its certificate is refused. 0 or -errno with the sentence; *ret is to
   be closed in any case. */
int vault_tls_open(const struct settings *s, struct vault_tls *ret, struct error *err);
void vault_tls_close(struct vault_tls *t); /* wipes; may be called twice */

/* The same from files that are open already, which are closed: a process that cannot open
   them can be given new ones. Each certificate is followed by its key. */
int vault_tls_add(struct vault_tls *t, enum renewal_file kind, int fd, const char *file,
	struct error *err);
/* All are there: whether there is a key to each. *next takes the place of *t, with the
   same ticket secret, and *t that of *before: handshakes that have begun with its
   certificates want its keys. Nothing changes when they are the same. On failure *t
   stays. *next is closed in any case. */
int vault_tls_renew(struct vault_tls *t, struct vault_tls *before, struct vault_tls *next,
	struct error *err);

/* number: of the identity. Not counted. NULL: it is not one of these. */
EVP_PKEY *vault_tls_key(const struct vault_tls *t, uint64_t number);

#endif
