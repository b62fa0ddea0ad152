/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/flows_past.h"

#include "control/output.h"
#include "nft-rules/conntrack.h"

#include <errno.h>

struct listing {
	const struct ruleset *rules;
	json_t *flows;
};

static bool is_unseen(const struct ruleset *r, const struct rules_service *service)
{
	return service >= r->unseen && service < r->unseen + r->n_unseen;
}

/* The others end here: the interceptor has told of them. */
static int add(void *context, const struct linked_flow *f)
{
	struct listing *l = context;
	bool unseen = is_unseen(l->rules, f->service);
	char client[ADDRESS_TEXT_MAX];

	if (!f->is_alive || !(f->is_direct || unseen))
		return 0;
	address_port_text(&f->client, client);
	return json_array_append_new(l->flows,
		       json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "id", "",
			       "service", f->service->name, "client", client, "account",
			       "", "route", unseen ? "unseen" : "direct", "started",
			       (json_int_t)f->started_ms, "bytes_in",
			       (json_int_t)f->bytes_in, "bytes_out",
			       (json_int_t)f->bytes_out)) < 0
	               ? -ENOMEM
	               : 0;
}

int flows_add_past(const struct settings *s, json_t *flows)
{
	struct ruleset rules;
	struct listing l = { &rules, flows };
	int code = ruleset_from_settings(s, &rules, NULL);

	if (code == 0)
		code = conntrack_each(&rules, add, &l, NULL);
	return code == -ENOMEM ? code : 0;
}
