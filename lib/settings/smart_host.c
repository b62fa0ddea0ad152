/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/smart_host.h"

#include "base/address.h"
#include "settings/host_port.h"
#include "settings/loopback.h"

#include <errno.h>
#include <string.h>

#define PATH_BEGIN "lmtp:/"

static const struct scheme {
	const char *text;
	enum smart_host_kind kind;
	uint16_t port;
} schemes[] = {
	{ "smtp+starttls://", SMART_HOST_STARTTLS, 25 },
	{ "smtps://", SMART_HOST_SMTPS, 465 },
	{ "smtp://", SMART_HOST_SMTP, 25 },
	{ "lmtp://", SMART_HOST_LMTP, 24 },
	{ "", SMART_HOST_SMTP, 25 },
};

int smart_host_parse(const char *text, struct smart_host *ret)
{
	struct smart_host h = { .kind = SMART_HOST_NONE };
	const struct scheme *scheme = schemes;
	int r;

	if (strncmp(text, PATH_BEGIN, strlen(PATH_BEGIN)) == 0 &&
		text[strlen(PATH_BEGIN)] != '/') {
		h.kind = SMART_HOST_LMTP;
		r = address_from_path(text + strlen(PATH_BEGIN) - 1, &h.address)
		            ? 0
		            : -EINVAL;
	} else if (*text) {
		while (strncmp(text, scheme->text, strlen(scheme->text)) != 0)
			scheme++; /* the last one is "" */
		h.kind = scheme->kind;
		r = host_port_parse(
			text + strlen(scheme->text), scheme->port, &h.address);
	} else {
		r = 0;
	}
	if (r == 0)
		*ret = h;
	return r;
}

bool smart_host_has_tls(const struct smart_host *h)
{
	return h->kind == SMART_HOST_STARTTLS || h->kind == SMART_HOST_SMTPS;
}

uint16_t smart_host_port(const struct smart_host *h)
{
	const struct sockaddr_in *v4 = (const void *)&h->address;
	const struct sockaddr_in6 *v6 = (const void *)&h->address;

	if (h->address.ss_family == AF_INET6)
		return ntohs(v6->sin6_port);
	return h->address.ss_family == AF_INET ? ntohs(v4->sin_port) : 0;
}

int smart_host_check_login(
	const struct smart_host *h, enum smart_host_verify verify, struct error *err)
{
	if (h->kind == SMART_HOST_NONE)
		return error_set(err, -EINVAL,
			"`smart_host_credentials` is a login at a server that "
			"`smart_host` does not name");
	if (h->address.ss_family == AF_UNIX || address_is_loopback(&h->address))
		return 0;
	if (!smart_host_has_tls(h))
		return error_set(err, -EINVAL,
			"`smart_host_credentials` would be sent in clear; name the smart "
			"host as \"smtp+starttls://…\" or \"smtps://…\"");
	if (verify == SMART_HOST_VERIFY_NONE)
		return error_set(err, -EINVAL,
			"`smart_host_credentials` would be sent to anybody who answers; "
			"set `smart_host_verify` to \"ca\" or \"pin\"");
	return 0;
}
