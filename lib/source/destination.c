/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/destination.h"

#include "source/leg.h"
#include "source/smart_host.h"
#include "tls/stream_starttls.h"

#include <errno.h>

/* One of its ports. */
struct port {
	const struct sockaddr_storage *address;
	enum source_tls_mode tls;
	enum starttls_protocol dialogue;
};

static enum source_tls_mode tls_of_mail(const struct smart_host *h)
{
	return h->kind == SMART_HOST_SMTPS      ? SOURCE_TLS_IMPLICIT
	       : h->kind == SMART_HOST_STARTTLS ? SOURCE_TLS_STARTTLS
	                                        : SOURCE_TLS_NONE;
}

static struct port port_of(const struct destination_settings *d, enum service_id service)
{
	if (leg_is_smtp(service) || service == SERVICE_LMTP)
		return (struct port){ &d->mail.address, tls_of_mail(&d->mail),
			STARTTLS_SMTP };
	if (service == SERVICE_POP3 || service == SERVICE_POP3S)
		return (struct port){ &d->pop3.address, d->pop3.tls, STARTTLS_POP3 };
	return (struct port){ &d->server, d->tls, STARTTLS_IMAP };
}

int destination_connect(const struct settings *s, enum service_id service)
{
	if (!destination_is_elsewhere(&s->destination))
		return -EINVAL;
	return other_server_connect(port_of(&s->destination, service).address);
}

int destination_wrap(struct source_tls *t, const struct settings *s,
	enum service_id service, struct stream **stream, struct error *err)
{
	const struct other_server server = { "destination", "destination",
		s->destination_verify, s->destination_name, s->destination_pin };
	const char *name = *s->destination_name ? s->destination_name : NULL;
	struct port port = port_of(&s->destination, service);
	struct stream *secure;
	int r;

	if (port.tls == SOURCE_TLS_NONE)
		return 0;
	r = source_tls_context_of_other(t, &server, &t->destination, err);
	if (r < 0)
		return r;
	r = port.tls == SOURCE_TLS_IMPLICIT
	            ? stream_tls_connect(*stream, t->destination, name, &secure)
	            : stream_starttls_connect(
			      *stream, t->destination, name, port.dialogue, &secure);
	if (r < 0)
		return error_errno(err, r, "TLS to the destination");
	*stream = secure;
	return 0;
}

void destination_home(const struct settings *s, char ret[static ADDRESS_TEXT_MAX])
{
	ret[0] = '\0';
	if (destination_is_elsewhere(&s->destination))
		address_text(&s->destination.server, ret);
}

bool destination_is_home(const struct settings *s, struct str home)
{
	char there[ADDRESS_TEXT_MAX];

	destination_home(s, there);
	return str_eq(home, str_from(there));
}
