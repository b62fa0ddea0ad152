/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/running/rules_wanted.h"

#include "nft-rules/flow_probe.h"
#include "registry/admission.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct admitting {
	const struct settings *settings;
	struct ruleset *rules;
	struct error *err;
};

/* 0 stands for all services; -1: no service of ours. */
static int port_of(const struct settings *s, struct str service)
{
	if (!service.len)
		return 0;
	for (int i = 0; i < SERVICE_COUNT; i++)
		if (str_eq(service, str_from(service_name((enum service_id)i))))
			return s->services[i].port;
	return -1;
}

static int admit(void *context, const struct admission *a)
{
	struct admitting *to = context;
	char prefix[64], verdict[RULES_NAME_MAX];
	enum rules_verdict v;
	int port = port_of(to->settings, a->service), code;

	(void)snprintf(prefix, sizeof(prefix), "%.*s", STR_ARG(a->prefix));
	(void)snprintf(verdict, sizeof(verdict), "%.*s", STR_ARG(a->verdict));
	code = rules_verdict_by_name(verdict, &v);
	if (code == 0 && port >= 0)
		code = ruleset_add_admission(to->rules, prefix, (uint16_t)port, v);
	if (code == -ENOSPC)
		return error_set(to->err, code,
			"more than %d admissions; see `mailferry admit --list`",
			RULES_ADMISSIONS_MAX);
	return code < 0 ? error_set(to->err, -EUCLEAN,
				  "the registry has an admission that makes no sense: %s "
				  "%s; remove it: mailferry admit --remove",
				  prefix, verdict)
	                : 0;
}

/* Whoever tries whether a client's connection reaches us must be let in. */
static int admit_probe(struct ruleset *r, struct error *err)
{
	int code = ruleset_add_admission(r, FLOW_PROBE_CLIENT4, 0, RULES_DIVERT);

	if (code == 0)
		code = ruleset_add_admission(r, FLOW_PROBE_CLIENT6, 0, RULES_DIVERT);
	return code ? error_errno(err, code, "admitting our own probe") : 0;
}

static int add_admissions(const struct settings *s, struct registry *registry,
	struct ruleset *r, struct error *err)
{
	struct admitting to = { s, r, err };
	int code = registry_each_admission(registry, admit, &to, err);

	return code == 0 && r->n_admissions ? admit_probe(r, err) : code;
}

int rules_wanted(const struct settings *s, struct registry *registry, bool any_local,
	struct ruleset *ret, struct error *err)
{
	struct ruleset r;
	int code = ruleset_from_settings(s, &r, err);

	if (code < 0)
		return code;
	r.fail = settings_effective_fail(s, any_local) == FAIL_OPEN ? RULES_FAIL_OPEN
	                                                            : RULES_FAIL_CLOSED;
	if (registry)
		code = add_admissions(s, registry, &r, err);
	r.n_queues = rules_queues();
	if (code == 0)
		code = rules_probe_queue(&r.queue, err);
	if (code == 0 && r.queue != RULES_QUEUE_NONE)
		code = rules_probe_room(&r.has_room, err);
	if (code == 0)
		*ret = r;
	return code;
}

bool rules_feature_is_wanted(const struct settings *s, const char *feature)
{
	size_t len = strlen(feature);

	/* who has taken over the address routes nothing */
	if (*s->source_moved_to && strncmp(feature, "forwarding-", 11) == 0)
		return false;
	if (len > 5 && strcmp(feature + len - 5, "-ipv4") == 0)
		return settings_source(s, AF_INET);
	if (len > 5 && strcmp(feature + len - 5, "-ipv6") == 0)
		return settings_source(s, AF_INET6);
	return true;
}
