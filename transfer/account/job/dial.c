/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/dial.h"

#include "source/proxy.h"

#include "base/log.h"
#include "transfer/read/pace.h"

void dial_init(struct dial *d, const struct settings *s, struct registry *r,
	enum service_id service)
{
	*d = (struct dial){
		.settings = s, .registry = r, .service = service, .socket = -1
	};
}

void dial_fini(struct dial *d)
{
	source_tls_fini(&d->tls);
}

static int dial(void *context, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret)
{
	struct dial *d = context;
	struct stream *s;
	int r;

	pace_wait(d->pace, PACE_LOGIN);
	r = d->socket < 0 ? source_dial_plain(NULL, to, patience_ms, &s)
	                  : source_dial_by(d->socket, to, patience_ms, &s);
	if (r < 0)
		return r;
	d->err.code = 0;
	r = source_proxy_begin(d->settings, d->service, NULL, NULL, s);
	if (r == 0)
		r = source_tls_wrap(
			&d->tls, d->settings, d->registry, d->service, &s, &d->err);
	if (r == 0)
		r = source_dial_finish(s, patience_ms);
	if (d->err.code)
		log_error(NULL, "source-tls", "error=\"%s\"", d->err.text);
	if (r < 0)
		stream_free(s);
	else
		*ret = s;
	return r;
}

struct source_dialer dial_by(struct dial *d)
{
	return (struct source_dialer){ dial, d, d->pace };
}
