/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_RULE_BUILD_H
#define NFT_RULES_RULE_BUILD_H
/* Rules as code that reads as the rule: one helper for each expression, appended to the
   rule. */
#include "nft-rules/marks.h"
#include "nft-rules/plan.h"

#include <linux/netfilter/nf_tables.h>

#define IPV4_SADDR 12U
#define IPV4_DADDR 16U
#define IPV6_SADDR 8U
#define IPV6_DADDR 24U
#define TCP_SPORT 0U
#define TCP_DPORT 2U
#define TCP_FLAGS 13U

/* The first member of a rule's key, and the second: registers are 4 bytes apart. */
#define R1 NFT_REG_1
#define R2 NFT_REG32_01

struct op *rule_op(struct plan_rule *rule, enum op_kind kind);
void rule_meta(struct plan_rule *rule, uint32_t key, uint32_t reg);
void rule_socket(struct plan_rule *rule, uint32_t key, uint32_t reg);
void rule_payload(struct plan_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
	uint32_t reg);
void rule_equals(struct plan_rule *rule, const void *data, uint32_t len);
void rule_differs(struct plan_rule *rule, const void *data, uint32_t len);
void rule_equals_u8(struct plan_rule *rule, uint8_t value);
void rule_immediate(struct plan_rule *rule, const void *data, uint32_t len);
void rule_lookup(struct plan_rule *rule, enum op_kind kind, const char *set);
void rule_verdict(struct plan_rule *rule, int32_t code, const char *chain);
void rule_is_tcp(struct plan_rule *rule);
void rule_tcp_port(struct plan_rule *rule, uint32_t offset, uint32_t reg);
/* Our bits of the packet's mark. */
void rule_set_mark(struct plan_rule *rule, const struct marks *m, enum mark mark);
void rule_mark_is(struct plan_rule *rule, const struct marks *m, enum mark mark);
void rule_mark_differs(struct plan_rule *rule, const struct marks *m, enum mark mark);
/* The connection goes to the source, now and for ever. */
void rule_set_direct(struct plan_rule *rule, const struct marks *m);
void rule_is_direct(struct plan_rule *rule, const struct marks *m);
void rule_family(struct plan_rule *rule, bool v6);
/* The packet's source address, or its destination. */
void rule_address_load(struct plan_rule *rule, bool v6, bool source);
/* Of what was loaded, these bits. */
void rule_masked(struct plan_rule *rule, const void *mask, uint32_t len);
/* What was loaded is in that set from now on. per_second: and only half of so many have
   passed here in a second, twice as many at once; 0: any number. */
void rule_update(struct plan_rule *rule, const char *set, uint32_t timeout_ms,
	uint32_t per_second);
/* The packet's source address, or its destination, is in that set. */
void rule_address(struct plan_rule *rule, bool v6, bool source, const char *set);
void rule_divert(struct plan_rule *rule, const struct marks *m);
struct plan_rule *rule_add(struct plan *p, const char *chain);

#endif
