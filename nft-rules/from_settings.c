/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one place where the configuration's words become a ruleset. */
#include "nft-rules/ruleset.h"
#include "settings/settings.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static int add_moved_to(struct ruleset *r, const char *text, struct error *err)
{
	struct sockaddr_storage a;

	if (!address_read(text, &a))
		return error_set(
			err, -EINVAL, "source_moved_to = \"%s\" is not an address", text);
	return ruleset_add_upstream(r, (const struct sockaddr *)&a);
}

int ruleset_from_settings(
	const struct settings *s, struct ruleset *ret_ruleset, struct error *err)
{
	struct ruleset r;
	int code = 0;

	ruleset_init(&r);
	r.route_table = s->route_table;
	r.rule_priority = s->rule_preference;
	r.marks = marks_of(s->mark_mask, s->mark);
	r.new_connections = s->limits.new_connections;
	r.fail = s->fail == FAIL_OPEN ? RULES_FAIL_OPEN : RULES_FAIL_CLOSED;
	for (size_t i = 0; i < s->n_sources && !code; i++)
		code = ruleset_add_source(&r, (const struct sockaddr *)&s->sources[i]);
	for (int i = 0; i < SERVICE_COUNT && !code; i++) {
		const struct service_settings *service = &s->services[i];

		if (service->enabled)
			code = ruleset_add_service(&r, service_name((enum service_id)i),
				service->port, service->upstream_port,
				settings_listen_port(s, (enum service_id)i));
	}
	for (int i = 0; i < SERVICE_COUNT && !code; i++)
		if (!s->services[i].enabled)
			code = ruleset_add_unseen(&r, service_name((enum service_id)i),
				s->services[i].port);
	if (code)
		return error_errno(err, code, "too many sources or services");
	if (s->source_moved_to && s->source_moved_to[0])
		code = add_moved_to(&r, s->source_moved_to, err);
	if (!code)
		code = ruleset_validate(&r, err);
	if (!code)
		*ret_ruleset = r;
	return code;
}
