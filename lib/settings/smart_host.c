/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/smart_host.h"

#include "base/address.h"
#include "base/str.h"
#include "settings/options.h"

#include <errno.h>
#include <netinet/in.h>
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

/* "", or ":25". */
static int take_port(const char *text, uint16_t *port)
{
	uint32_t number;

	if (!*text)
		return 0;
	if (*text != ':' || !str_to_u32(str_from(text + 1), &number) || !number ||
		number > 65535)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

/* A bare IPv6 address has no port: its colons are its own. */
static int take_address(const char *text, uint16_t port, struct smart_host *ret)
{
	char host[INET6_ADDRSTRLEN];
	bool is_quoted = *text == '[';
	size_t len = strcspn(text, is_quoted ? "]" : ":");
	bool is_open = is_quoted && !text[len];
	const char *rest = text + len + (is_quoted && !is_open);

	if (!is_quoted && option_read_address(text, &ret->address) == 0) {
		address_set_port(&ret->address, port);
		return 0;
	}
	text += is_quoted;
	len -= is_quoted;
	if (is_open || len >= sizeof(host) || take_port(rest, &port) < 0)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (option_read_address(host, &ret->address) < 0 ||
		(ret->address.ss_family == AF_INET6) != is_quoted)
		return -EINVAL;
	address_set_port(&ret->address, port);
	return 0;
}

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
		r = take_address(text + strlen(scheme->text), scheme->port, &h);
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
