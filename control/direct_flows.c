/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/direct_flows.h"

#include "base/clock.h"
#include "base/log.h"
#include "nft-rules/conntrack.h"
#include "registry/unseen.h"

/* What began since then might as well have begun after the switch. */
#define LOOK_MS 1000

struct counting {
	const struct ruleset *rules;
	uint64_t open[RULES_SERVICES_MAX];
};

/* Only diverted services are here: the ports that are not are unseen for everybody. */
static int count(void *context, const struct linked_flow *f)
{
	struct counting *c = context;

	for (size_t i = 0; i < c->rules->n_services; i++)
		c->open[i] += f->is_direct && f->is_alive &&
		              f->service == &c->rules->services[i];
	return 0;
}

static size_t fill_rows(struct direct_flows *d, const struct counting *c,
	struct unseen rows[static RULES_SERVICES_MAX])
{
	uint64_t now = clock_wall_ms();
	size_t n = 0;

	d->any = false;
	for (size_t i = 0; i < c->rules->n_services; i++) {
		uint64_t before = d->open[i], is_now = c->open[i];

		if (!is_now && !before)
			continue;
		rows[n++] = (struct unseen){ .client = STR_LIT(UNSEEN_DIRECT),
			.service = str_from(c->rules->services[i].name),
			.why = STR_LIT("admitted to the source"),
			.first_at = now,
			.last_at = now,
			.count = is_now > before ? is_now - before : 0,
			.open = is_now };
		d->open[i] = is_now;
		d->any = d->any || is_now;
	}
	return n;
}

static bool admits_any(const struct ruleset *r)
{
	for (size_t i = 0; i < r->n_admissions; i++)
		if (r->admissions[i].verdict == RULES_DIRECT)
			return true;
	return false;
}

void direct_flows_tick(
	struct direct_flows *d, const struct ruleset *rules, uint64_t now_ms)
{
	struct unseen rows[RULES_SERVICES_MAX];
	struct counting c = { .rules = rules };
	struct error err;
	int code;

	/* those that were admitted stay when the prefix is taken back */
	if (now_ms < d->look_at || (!d->any && !admits_any(rules)))
		return;
	d->look_at = now_ms + LOOK_MS;
	code = conntrack_each(rules, count, &c, &err);
	if (code == 0)
		code = registry_write_unseen(d->registry, UNSEEN_DIRECT_WORKER, rows,
			fill_rows(d, &c, rows), &err);
	if (code < 0)
		log_warning(NULL, "direct-flows", "error=\"%s\"", err.text);
}
