/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/certificate_view.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

#define MORE "…"

void certificate_view_add(char *text, size_t size, const char *name, size_t len)
{
	size_t at = strlen(text), more = strlen(MORE);
	const char *comma = at ? ", " : "";

	if (at >= more && strcmp(text + at - more, MORE) == 0)
		return;
	if (at + len + strlen(", , " MORE) < size) /* so that there is room for MORE */
		(void)snprintf(text + at, size - at, "%s%.*s", comma, (int)len, name);
	else
		(void)snprintf(text + at, size - at, "%s" MORE, comma);
}

static void add_general_name(char *text, size_t size, const GENERAL_NAME *name)
{
	const ASN1_STRING *value = name->d.ia5;
	char address[INET6_ADDRSTRLEN];
	int len = ASN1_STRING_length(value);

	if (name->type == GEN_DNS)
		certificate_view_add(text, size,
			(const char *)ASN1_STRING_get0_data(value), (size_t)len);
	else if (name->type == GEN_IPADD && (len == 4 || len == 16) &&
		 inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(value),
			 address, sizeof(address)))
		certificate_view_add(text, size, address, strlen(address));
}

static void read_names(X509 *x, char *text, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	char common[128] = "";

	text[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		add_general_name(text, size, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	if (!*text && X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName,
			      common, sizeof(common)) > 0)
		certificate_view_add(text, size, common, strlen(common));
}

bool certificate_view_of(X509 *x, struct certificate_view *ret)
{
	struct tm tm = { 0 };
	int64_t end, now = (int64_t)(clock_wall_ms() / 1000);

	if (!tls_certificate_pin(x, ret->pin) ||
		!ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm))
		return false;
	end = (int64_t)timegm(&tm);
	read_names(x, ret->names, sizeof(ret->names));
	ret->expires_at = (uint64_t)end * 1000;
	ret->days_left = end > now ? (end - now) / DAY_S : -((now - end) / DAY_S) - 1;
	return true;
}

/* The key in it is not looked at. */
static X509 *read_bundle(FILE *file)
{
	PKCS12 *p = d2i_PKCS12_fp(file, NULL);
	EVP_PKEY *key = NULL;
	X509 *x = NULL;

	if (p)
		(void)PKCS12_parse(p, "", &key, &x, NULL);
	EVP_PKEY_free(key);
	PKCS12_free(p);
	return x;
}

int certificate_view_read(
	const char *file, struct certificate_view *ret, struct error *err)
{
	FILE *in = fopen(file, "re");
	X509 *x;
	bool ok;

	if (!in)
		return error_errno(err, -errno, "cannot read %s", file);
	x = PEM_read_X509(in, NULL, NULL, NULL);
	if (!x) {
		rewind(in);
		x = read_bundle(in);
	}
	ok = x && certificate_view_of(x, ret);
	X509_free(x);
	(void)fclose(in);
	ERR_clear_error();
	return ok ? 0
	          : error_set(err, -EINVAL, "%s: no certificate (PEM or PKCS#12)", file);
}

void certificate_view_left(const struct certificate_view *v, char *text, size_t size)
{
	if (v->days_left < 0)
		(void)snprintf(
			text, size, "expired %" PRId64 " days ago", -v->days_left - 1);
	else
		(void)snprintf(text, size, "%" PRId64 " days left", v->days_left);
}
