/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules of mailferry, in the order in which a packet meets them.
 *
 *   admission ──── a SYN to the source's address and port ──► wanted_admission.c
 *   prerouting ─┬─ to the source's address and port ──► from-client
 *               │     1. a socket of ours, by its mark: count, divert       (one lookup)
 *               │     2. a connection that was admitted to the source: forwarded,
 *               │        whatever is left here of one that had the same port
 *               │     3. no SYN, and a socket of ours that has no mark of its own:
 *               │        half-open, dying: count, divert
 *               │     4. no SYN otherwise: begun before us, forwarded
 *               │     5. a SYN, by its verdict: direct, refused, not judged: forwarded
 *               │     6. tproxy: a SYN, to our listener on its own port
 *               │        nobody listens: falls through, is forwarded
 *               └─ from the source's port ──► from-source
 *                     a transparent socket (an upstream connection of ours): divert
 *   forward ────┬─ to the source ──► direct         count, then accept or reset: what
 *               │                                   was admitted, and by the fail mode
 *               ├─ from it       ──► direct-reply
 *               └─ ports that are not diverted ──► unseen-to, unseen-from   count
 *   output ──────── from a socket of ours, by its mark: count; a reset: count
 *
 * Rule 1 asks for the socket's mark instead of `socket transparent` and then again for
 * the mark: each `socket` expression is a lookup in the kernel's connection table, and
 * this is the path of every packet of bulk flows. A SYN goes on to `tproxy`, which also
 * gives a TIME_WAIT socket's place to the new connection.
 *
 * Rule 4 leaves alone who was at the source before we came: the listener would reset each
 * such session. (The price: a SYN cookie is sent back as such a packet, so that in a SYN
 * flood that fills 4096 places nobody new comes in.) With fail = closed the forward chain
 * ends these sessions all the same, and so it does with what nobody listens for: marked
 * as refused, it passes the wall of ip rules (policy.h).
 *
 * In from-source the listeners cannot
 * match: these packets go to a client's ephemeral port.
 *
 * What is neither TCP nor the source's leaves after one or two comparisons a rule.
 */
#include "nft-rules/wanted.h"
#include "nft-rules/rule_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Behind dstnat (-100) and the verdict on new flows (-99): the source is known by the
   address that it has, whatever clients call it, and others' marks (mangle, -150) are set
   before ours. */
#define PRIORITY_DIVERT (-98)
#define PRIORITY_FILTER 0
#define PRIORITY_OUTPUT (-310) /* before raw (-300): a packet has its socket's mark yet */

/* `ip daddr @source4 tcp dport @services goto …` and its three siblings. */
struct branch {
	const char *chain, *set4, *set6, *ports, *target;
	bool to_source; /* matches destinations, else sources */
};

static int add_branch_of(struct plan *p, const struct branch *b, bool v6)
{
	struct plan_rule *rule = rule_add(p, b->chain);

	if (!rule)
		return -ENOMEM;
	rule_address(rule, v6, !b->to_source, v6 ? b->set6 : b->set4);
	rule_is_tcp(rule);
	rule_tcp_port(rule, b->to_source ? TCP_DPORT : TCP_SPORT, R1);
	rule_lookup(rule, OP_LOOKUP, b->ports);
	rule_verdict(rule, NFT_GOTO, b->target);
	return 0;
}

static int add_branch(struct plan *p, const struct branch *b, bool v4, bool v6)
{
	int code = v4 ? add_branch_of(p, b, false) : 0;

	return code || !v6 ? code : add_branch_of(p, b, true);
}

/* Ports of the source that are left to the kernel: counted, and no verdict, so that
   others' rules decide as ever. */
static int add_unseen_branches(struct plan *p, bool v4, bool v6)
{
	int code = add_branch(p,
		&(struct branch){
			"forward", "source4", "source6", "unseen", "unseen-to", true },
		v4, v6);

	return code ? code
	            : add_branch(p,
			      &(struct branch){ "forward", "source4", "source6", "unseen",
				      "unseen-from", false },
			      v4, v6);
}

static int add_branches(struct plan *p, const struct ruleset *r)
{
	const struct sockaddr_storage *up = r->n_upstreams ? r->upstreams : r->sources;
	size_t n_up = r->n_upstreams ? r->n_upstreams : r->n_sources;
	bool s4 = wanted_has_family(r->sources, r->n_sources, AF_INET);
	bool s6 = wanted_has_family(r->sources, r->n_sources, AF_INET6);
	int code = add_branch(p,
		&(struct branch){ "prerouting", "source4", "source6", "services",
			"from-client", true },
		s4, s6);

	if (!code)
		code = add_branch(p,
			&(struct branch){ "prerouting", "upstream4", "upstream6",
				"upstream-ports", "from-source", false },
			wanted_has_family(up, n_up, AF_INET),
			wanted_has_family(up, n_up, AF_INET6));
	if (!code)
		code = add_branch(p,
			&(struct branch){ "forward", "source4", "source6", "services",
				"direct", true },
			s4, s6);
	if (!code)
		code = add_branch(p,
			&(struct branch){ "forward", "source4", "source6", "services",
				"direct-reply", false },
			s4, s6);
	return code || !r->n_unseen ? code : add_unseen_branches(p, s4, s6);
}

/* Neither of the two SYNs that there are (RFC 9293, RFC 3168 6.1.1). */
void wanted_no_syn(struct plan_rule *rule)
{
	static const uint8_t syns[] = { 0x02, 0xc2 };

	rule_is_tcp(rule);
	for (size_t i = 0; i < sizeof(syns); i++) {
		rule_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, 1, R1);
		rule_differs(rule, &syns[i], sizeof(syns[i]));
	}
}

/* Half-open and dying connections of ours have no mark yet, or none any more. */
static int add_half_open(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "from-client");

	if (!rule)
		return -ENOMEM;
	wanted_no_syn(rule);
	rule_socket(rule, NFT_SOCKET_TRANSPARENT, R1);
	rule_equals_u8(rule, 1);
	rule_tcp_port(rule, TCP_DPORT, R1);
	rule_lookup(rule, OP_COUNTER_MAP, "undecided-in");
	rule_divert(rule, &r->marks);
	return 0;
}

static int add_begun_before(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "from-client");

	if (!rule)
		return -ENOMEM;
	wanted_no_syn(rule);
	if (r->fail == RULES_FAIL_CLOSED)
		rule_set_mark(rule, &r->marks, MARK_REFUSED);
	rule_verdict(rule, NFT_RETURN, NULL);
	return 0;
}

/* Where it is closed the mark leads past the wall of ip rules, to the forward chain. */
static void forward(struct plan_rule *rule, const struct ruleset *r)
{
	rule_set_mark(
		rule, &r->marks, r->fail == RULES_FAIL_CLOSED ? MARK_REFUSED : MARK_NONE);
	rule_verdict(rule, NFT_RETURN, NULL);
}

static int add_admitted_before(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "from-client");

	if (!rule)
		return -ENOMEM;
	rule_is_direct(rule, &r->marks);
	forward(rule, r);
	return 0;
}

static int add_verdicts(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "from-client");

	if (!rule)
		return -ENOMEM;
	rule_mark_is(rule, &r->marks, MARK_VERDICT_DIRECT);
	rule_set_direct(rule, &r->marks);
	forward(rule, r);
	rule = rule_add(p, "from-client");
	if (!rule)
		return -ENOMEM;
	rule_mark_is(rule, &r->marks, MARK_VERDICT_REFUSE);
	rule_verdict(rule, NFT_RETURN, NULL);
	if (r->queue == RULES_QUEUE_NONE)
		return 0;
	if (wanted_room(r) && wanted_room_renewal(p, r, "from-client") < 0)
		return -ENOMEM;
	rule = rule_add(p, "from-client"); /* nobody judged: by the fail mode */
	if (!rule)
		return -ENOMEM;
	rule_mark_differs(rule, &r->marks, MARK_VERDICT_DIVERT);
	forward(rule, r);
	return 0;
}

static int add_tproxy(
	struct plan *p, const struct ruleset *r, const struct rules_service *service)
{
	struct plan_rule *rule = rule_add(p, "from-client");
	uint16_t port = htons(service->port), listener = htons(service->listen_port);
	struct op *o;

	if (!rule)
		return -ENOMEM;
	rule_is_tcp(rule);
	rule_tcp_port(rule, TCP_DPORT, R1);
	rule_equals(rule, &port, sizeof(port));
	rule_immediate(rule, &listener, sizeof(listener));
	o = rule_op(rule, OP_TPROXY);
	o->v[0] = NFPROTO_UNSPEC; /* both families */
	o->v[1] = R1;
	/* Behind tproxy: counts only what somebody listens for. */
	o = rule_op(rule, OP_COUNTER);
	o->v[0] = NFT_OBJECT_COUNTER;
	(void)snprintf(o->name, sizeof(o->name), "%s-%s-in", service->name,
		rules_route_name(RULES_ROUTE_UNDECIDED));
	rule_divert(rule, &r->marks);
	return 0;
}

/* Past the wall of ip rules, to the forward chain, which counts and resets it: kinder to
   the client than an ICMP message. */
static int add_refused(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "from-client");

	if (!rule)
		return -ENOMEM;
	rule_set_mark(rule, &r->marks, MARK_REFUSED);
	return 0;
}

static int add_from_client(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "from-client");
	int code;

	if (!rule)
		return -ENOMEM;
	rule_is_tcp(rule);
	rule_socket(rule, NFT_SOCKET_MARK, R1);
	rule_tcp_port(rule, TCP_DPORT, R2);
	rule_lookup(rule, OP_COUNTER_MAP, "count-in");
	rule_divert(rule, &r->marks);
	code = ruleset_has_admission(r) ? add_admitted_before(p, r) : 0;
	if (!code)
		code = add_half_open(p, r);
	if (!code)
		code = add_begun_before(p, r);
	if (!code && ruleset_has_admission(r))
		code = add_verdicts(p, r);
	for (size_t i = 0; i < r->n_services && !code; i++)
		code = add_tproxy(p, r, &r->services[i]);
	if (!code && r->fail == RULES_FAIL_CLOSED)
		code = add_refused(p, r);
	return code;
}

static int add_from_source(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule = rule_add(p, "from-source");

	if (!rule)
		return -ENOMEM;
	rule_socket(rule, NFT_SOCKET_TRANSPARENT, R1);
	rule_equals_u8(rule, 1);
	rule_divert(rule, &r->marks);
	return 0;
}

static int add_count(struct plan *p, const char *chain, uint32_t port, const char *map)
{
	struct plan_rule *rule = rule_add(p, chain);

	if (!rule)
		return -ENOMEM;
	rule_is_tcp(rule);
	rule_tcp_port(rule, port, R1);
	rule_lookup(rule, OP_COUNTER_MAP, map);
	return 0;
}

/* What the forward chain does with a packet, and which. */
struct forwarded {
	/* NULL: any */
	void (*is)(struct plan_rule *rule, const struct marks *m);
	bool resets;
	const char *map_in, *map_out; /* to the source, from it */
};

static void is_refused(struct plan_rule *rule, const struct marks *m)
{
	rule_mark_is(rule, m, MARK_REFUSED);
}

/* Counted first and alone: a lookup that misses ends its rule, not the decision. */
static int add_forwarded(struct plan *p, const struct ruleset *r,
	const struct forwarded *f, const char *chain, bool to_source)
{
	struct plan_rule *rule = rule_add(p, chain);

	if (!rule)
		return -ENOMEM;
	if (f->is)
		f->is(rule, &r->marks);
	rule_is_tcp(rule);
	rule_tcp_port(rule, to_source ? TCP_DPORT : TCP_SPORT, R1);
	rule_lookup(rule, OP_COUNTER_MAP, to_source ? f->map_in : f->map_out);
	rule = rule_add(p, chain);
	if (!rule)
		return -ENOMEM;
	if (f->is)
		f->is(rule, &r->marks);
	if (!f->resets) {
		rule_verdict(rule, NF_ACCEPT, NULL);
		return 0;
	}
	rule_is_tcp(rule);
	rule_op(rule, OP_REJECT)->v[0] = NFT_REJECT_TCP_RST;
	return 0;
}

/* The exception to the fail mode first: what was admitted by a verdict. */
static int add_direct(
	struct plan *p, const struct ruleset *r, const char *chain, bool to_source)
{
	static const struct forwarded any_direct = { NULL, false, "direct-in",
		"direct-out" },
				      any_refused = { NULL, true, "refused-in",
					      "refused-out" },
				      some_direct = { rule_is_direct, false, "direct-in",
					      "direct-out" },
				      some_refused = { is_refused, true, "refused-in",
					      "refused-out" };
	bool open = r->fail == RULES_FAIL_OPEN;
	int code = ruleset_has_admission(r)
	                   ? add_forwarded(p, r, open ? &some_refused : &some_direct,
				     chain, to_source)
	                   : 0;

	return code ? code
	            : add_forwarded(
			      p, r, open ? &any_direct : &any_refused, chain, to_source);
}

/* A reset has no socket, and so no mark: of what is refused, or came too late. */
static int add_reset(struct plan *p, const struct ruleset *r, int family)
{
	bool v6 = family == AF_INET6;
	struct plan_rule *rule;

	if (!wanted_has_family(r->sources, r->n_sources, family))
		return 0;
	rule = rule_add(p, "output");
	if (!rule)
		return -ENOMEM;
	rule_meta(rule, NFT_META_MARK, R1);
	rule_equals(rule, &(uint32_t){ 0 }, sizeof(uint32_t));
	rule_address(rule, v6, true, v6 ? "source6" : "source4");
	rule_is_tcp(rule);
	rule_tcp_port(rule, TCP_SPORT, R1);
	rule_lookup(rule, OP_COUNTER_MAP, "refused-out");
	return 0;
}

static int add_output(struct plan *p, const struct ruleset *r)
{
	struct plan_rule *rule;
	int code = add_reset(p, r, AF_INET);

	if (!code)
		code = add_reset(p, r, AF_INET6);
	if (code)
		return code;
	rule = rule_add(p, "output");
	if (!rule)
		return -ENOMEM;
	rule_is_tcp(rule);
	rule_meta(rule, NFT_META_MARK, R1);
	rule_tcp_port(rule, TCP_SPORT, R2);
	rule_lookup(rule, OP_COUNTER_MAP, "count-out");
	return 0;
}

int wanted_chain(struct plan *p, const char *name)
{
	struct plan_chain *chain = plan_add_chain(p);

	if (!chain)
		return -ENOMEM;
	plan_name(chain->name, sizeof(chain->name), name);
	return 0;
}

int wanted_base_chain(struct plan *p, const char *name, uint32_t hook, int32_t priority)
{
	int code = wanted_chain(p, name);
	struct plan_chain *chain = code ? NULL : &p->chains[p->n_chains - 1];

	if (!chain)
		return code;
	chain->base = true;
	plan_name(chain->type, sizeof(chain->type), "filter");
	chain->hook = hook;
	chain->priority = priority;
	chain->policy = NF_ACCEPT;
	return 0;
}

static int add_chains(struct plan *p, const struct ruleset *r)
{
	static const char *const targets[] = { "from-client", "from-source", "direct",
		"direct-reply", "unseen-to", "unseen-from" };
	const size_t n = sizeof(targets) / sizeof(targets[0]) - (r->n_unseen ? 0 : 2);
	int code = 0;

	for (size_t i = 0; i < n && !code; i++)
		code = wanted_chain(p, targets[i]);
	if (!code && ruleset_has_admission(r))
		code = wanted_admission_chains(p, r);
	if (!code)
		code = wanted_base_chain(
			p, "prerouting", NF_INET_PRE_ROUTING, PRIORITY_DIVERT);
	if (!code)
		code = wanted_base_chain(p, "forward", NF_INET_FORWARD, PRIORITY_FILTER);
	return code ? code
	            : wanted_base_chain(p, "output", NF_INET_LOCAL_OUT, PRIORITY_OUTPUT);
}

static int add_rules(struct plan *p, const struct ruleset *r)
{
	int code = add_from_client(p, r);

	if (!code)
		code = add_from_source(p, r);
	if (!code)
		code = add_direct(p, r, "direct", true);
	if (!code)
		code = add_direct(p, r, "direct-reply", false);
	if (!code && r->n_unseen)
		code = add_count(p, "unseen-to", TCP_DPORT, "unseen-in");
	if (!code && r->n_unseen)
		code = add_count(p, "unseen-from", TCP_SPORT, "unseen-out");
	if (!code)
		code = add_branches(p, r);
	if (!code && ruleset_has_admission(r))
		code = wanted_admission_rules(p, r);
	if (!code)
		code = add_output(p, r);
	return code;
}

int plan_wanted(const struct ruleset *r, struct plan *ret_plan)
{
	struct plan p;
	int code;

	plan_init(&p);
	p.has_table = true;
	code = wanted_sets(&p, r);
	if (!code)
		code = wanted_admission_sets(&p, r);
	if (!code)
		code = add_chains(&p, r);
	if (!code)
		code = add_rules(&p, r);
	if (!code)
		code = wanted_routing(&p, r);
	if (code) {
		plan_fini(&p);
		return code;
	}
	*ret_plan = p;
	return 0;
}
