/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/check_smart_host.h"

#include "control/check/smart_host_probe.h"

void check_smart_host(struct control *c, struct findings *f)
{
	struct smart_host_view v;
	bool needs_login;

	if (!*c->settings.smart_host)
		return;
	if (smart_host_probe(&c->settings, SMART_HOST_BY_ITSELF, SMART_HOST_CHECK_MS, &v,
		    &c->err) < 0) {
		finding(f, FINDING_PROBLEM, "smtp", "smart host", "%s: %s",
			c->settings.smart_host, c->err.text);
		return;
	}
	needs_login = v.has_auth && !v.is_logged_in;
	finding(f, needs_login ? FINDING_NOTE : FINDING_OK, "smtp", "smart host",
		"%s answers%s%s%s%s", c->settings.smart_host,
		v.is_secure ? " inside TLS" : "", *v.pin ? ", with the key " : "", v.pin,
		v.is_logged_in ? ", and takes our login"
		: needs_login  ? " and offers logins; it must take mail from this "
				 "host's address, or else set `smart_host_credentials`"
			       : "");
}
