/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/rules.h"
#include "nft-rules/neighbours.h"
#include "nft-rules/nft_read.h"
#include "nft-rules/nft_write.h"
#include "nft-rules/own_address.h"
#include "nft-rules/plan.h"
#include "nft-rules/policy.h"

#include <errno.h>
#include <linux/netfilter.h>

static int make_wanted(const struct ruleset *r, struct plan *p, struct error *err)
{
	int code = ruleset_validate(r, err);

	if (code)
		return code;
	code = plan_wanted(r, p);
	return code ? error_errno(err, code, "preparing the rules") : 0;
}

static int read_found(
	uint32_t route_table, struct plan *p, uint32_t *priority, struct error *err)
{
	int code = nft_read(p, err);

	return code ? code : policy_read(p, route_table, priority, err);
}

/* What is there comes first: it says where our ip rules belong. */
static int read_both(const struct ruleset *r, struct plan *wanted, struct plan *found,
	struct error *err)
{
	struct ruleset settled = *r;
	int code = read_found(r->route_table, found, &settled.rule_priority, err);

	return code ? code : make_wanted(&settled, wanted, err);
}

/* What lies in our tables is taken for ours, and goes at the end. Unless nothing of ours
   is in the kernel: then somebody was there before us. */
static int refuse_foreign(const struct plan *found, struct error *err)
{
	for (size_t i = 0; i < found->n_routes && !found->has_table; i++)
		if (policy_is_foreign(&found->routes[i]))
			return error_set(err, -EEXIST,
				"routing table %u is in use by somebody else: set "
				"`route_table` to another number",
				found->routes[i].table);
	return 0;
}

static int append(int code, struct error *err)
{
	return code ? error_errno(err, code, "writing the answer") : 0;
}

int rules_text(const struct ruleset *r, struct buf *text, struct error *err)
{
	struct plan wanted;
	int code;

	plan_init(&wanted);
	code = make_wanted(r, &wanted, err);
	if (!code)
		code = append(plan_print(&wanted, text), err);
	plan_fini(&wanted);
	return code;
}

int rules_show(uint32_t route_table, struct buf *text, struct error *err)
{
	struct plan found;
	uint32_t priority = RULES_ROUTE_PRIORITY;
	int code;

	plan_init(&found);
	code = read_found(route_table, &found, &priority, err);
	if (!code)
		code = append(plan_print(&found, text), err);
	plan_fini(&found);
	return code;
}

/* Routing before the table, because it does nothing as long as nobody sets the mark; so
   there is no moment in which a marked packet has nowhere to go. */
static int replace(const struct plan *wanted, const struct plan *found, bool table,
	struct error *err)
{
	int code = policy_add(wanted, found, err);

	if (code)
		return code;
	if (table)
		code = nft_write(wanted, found, RULES_TABLE, NFT_COMMIT, err);
	if (code) {
		(void)policy_undo(wanted, found, NULL);
		return code;
	}
	return policy_delete(wanted, found, err);
}

int rules_install(const struct ruleset *r, bool *ret_changed, struct error *err)
{
	return rules_install_from(r, NULL, 0, ret_changed, err);
}

int rules_install_from(const struct ruleset *r, const struct rules_count *start,
	size_t n_start, bool *ret_changed, struct error *err)
{
	struct plan wanted, found;
	bool table = false, routing = false;
	int code;

	plan_init(&wanted);
	plan_init(&found);
	code = own_address_refuse(r, err);
	if (!code)
		code = read_both(r, &wanted, &found, err);
	if (!code)
		code = refuse_foreign(&found, err);
	if (!code)
		plan_start_counters(&wanted, start, n_start);
	if (!code) {
		code = plan_differs(&wanted, &found, &table, &routing);
		if (code)
			(void)error_errno(err, code, "comparing the rules");
	}
	if (!code && (table || routing))
		code = replace(&wanted, &found, table, err);
	plan_fini(&wanted);
	plan_fini(&found);
	if (!code)
		*ret_changed = table || routing;
	return code;
}

int rules_dry_run(const struct ruleset *r, struct error *err)
{
	struct plan wanted;
	int code;

	plan_init(&wanted);
	code = own_address_refuse(r, err);
	if (!code)
		code = make_wanted(r, &wanted, err);
	if (!code)
		code = nft_write(&wanted, NULL, RULES_TABLE, NFT_ABORT, err);
	plan_fini(&wanted);
	return code;
}

int rules_check(
	const struct ruleset *r, struct buf *lines, size_t *ret_n, struct error *err)
{
	struct plan wanted, found;
	int code;

	plan_init(&wanted);
	plan_init(&found);
	code = read_both(r, &wanted, &found, err);
	if (!code)
		code = append(plan_diff(&wanted, &found, lines, ret_n), err);
	plan_fini(&wanted);
	plan_fini(&found);
	return code;
}

int rules_remove(uint32_t route_table, bool *ret_changed, struct error *err)
{
	struct plan found;
	uint32_t priority = RULES_ROUTE_PRIORITY;
	int code;

	plan_init(&found);
	code = read_found(route_table, &found, &priority, err);
	if (code == -EADDRNOTAVAIL)
		code = 0; /* of no interest to who leaves */
	/* First the table: then nobody sets the mark any more. */
	if (!code && found.has_table)
		code = nft_delete(NFPROTO_INET, RULES_TABLE, err);
	if (code == -ENOENT)
		code = 0; /* somebody else was faster */
	if (!code)
		code = policy_delete(NULL, &found, err);
	if (!code)
		*ret_changed = found.has_table || found.n_ip_rules || found.n_routes;
	if (!code)
		code = neighbours_remove(ret_changed, err);
	plan_fini(&found);
	return code;
}
