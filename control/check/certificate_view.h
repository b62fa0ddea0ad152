/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CERTIFICATE_VIEW_H
#define CONTROL_CHECK_CERTIFICATE_VIEW_H
/* A certificate as people and scripts see it: for whom, until when, of which key. */
#include "base/error.h"
#include "source/tls.h"

#include <openssl/x509.h>

#define CERTIFICATE_SOON_DAYS 14 /* certbot renews 30 days before the end */

struct certificate_view {
	char names[256]; /* "mail.example.com, *.example.net"; "…": there are more */
	uint64_t expires_at;             /* wall milliseconds */
	int64_t days_left;               /* below 0: it has expired */
	unsigned char pin[TLS_PIN_SIZE]; /* its key */
};

bool certificate_view_of(X509 *x, struct certificate_view *ret);
/* The first one of a PEM or PKCS#12 file. */
int certificate_view_read(
	const char *file, struct certificate_view *ret, struct error *err);

/* Behind the other names. The list ends in "…" when there is no room for it. */
void certificate_view_add(char *text, size_t size, const char *name, size_t len);

/* "29 days left", "expired 3 days ago". */
void certificate_view_left(const struct certificate_view *v, char *text, size_t size);

#endif
