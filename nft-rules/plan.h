/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_PLAN_H
#define NFT_RULES_PLAN_H
/*
 * A table, its policy routing and nothing else, as plain data.
 *
 * A plan comes from a ruleset (wanted.c) or from the kernel (nft_read.c, policy.c); it
 * goes to the kernel (nft_write.c, policy.c) or becomes items (items.c): one line of text
 * for each thing. Text and comparison work on items alone, so what `show` prints is what
 * `check` compares. An operation of a rule that we have no name for (somebody changed our
 * table) is kept as OP_OTHER: it can be shown and differs from all of ours.
 */
#include "base/buf.h"
#include "nft-rules/ruleset.h"

#define PLAN_NAME_MAX 256 /* NFT_NAME_MAXLEN, with the NUL */
#define PLAN_KEY_MAX 64   /* NFT_DATA_VALUE_MAXLEN */
#define PLAN_OPS_MAX 20   /* our longest rule has 19; longer ones end in OP_OTHER */
#define PLAN_TEXT_MAX 768 /* a rule of PLAN_OPS_MAX operations */
#define PLAN_TYPE_MAX 16  /* "filter", "route", "nat" */

enum op_kind {
	OP_OTHER, /* name = the expression's */
	OP_META_LOAD,
	OP_META_SET,
	OP_CT_LOAD, /* of the connection */
	OP_CT_SET,
	OP_BITWISE, /* (register & mask) ^ xor: data, more */
	OP_PAYLOAD,
	OP_SOCKET,
	OP_COMPARE,
	OP_LOOKUP,    /* continues when the set has it; name = set */
	OP_IMMEDIATE, /* data into a register */
	OP_VERDICT,
	OP_GOTO,        /* or jump; name = chain */
	OP_COUNTER,     /* name = counter */
	OP_COUNTER_MAP, /* name = map from what was loaded to a counter */
	OP_TPROXY,
	OP_REJECT,
	OP_UPDATE, /* what was loaded is in a set from now on; name = set */
	OP_QUEUE,  /* to a userspace program, nft's own expression */
	OP_TARGET, /* an xt target through nft_compat; name, data = its info */
	OP_KIND_COUNT
};

/* One expression of a rule. What v[] means for each kind: expression.c. */
struct op {
	enum op_kind kind;
	uint32_t v[4];
	unsigned char data[16], more[16];
	uint32_t data_len, more_len;
	char name[RULES_NAME_MAX * 2];
};

struct plan_rule {
	char chain[PLAN_NAME_MAX];
	struct op ops[PLAN_OPS_MAX];
	size_t n_ops;
};

struct plan_chain {
	char name[PLAN_NAME_MAX];
	bool base;
	char type[PLAN_TYPE_MAX];
	uint32_t hook;
	int32_t priority;
	uint32_t policy;
};

struct plan_set {
	char name[PLAN_NAME_MAX];
	uint32_t flags; /* NFT_SET_* */
	uint32_t key_type;
	uint32_t key_len;
	uint32_t object_type; /* of a map to objects, else 0 */
	uint32_t size;        /* how many it may hold; 0: any number */
	uint64_t timeout_ms;  /* of what a rule puts there without one of its own; or 0 */
};

struct plan_element {
	char set[PLAN_NAME_MAX];
	uint32_t key_type; /* the set's */
	unsigned char key[PLAN_KEY_MAX];
	uint32_t key_len;
	bool is_interval; /* from key to last */
	bool is_end; /* as the kernel has it: an interval has ended before this key */
	unsigned char last[PLAN_KEY_MAX];
	char object[PLAN_NAME_MAX]; /* "" outside of maps */
};

struct plan_counter {
	char name[PLAN_NAME_MAX];
	uint32_t type; /* NFT_OBJECT_COUNTER, or what somebody else put there */
	uint64_t packets, bytes;
};

#define PLAN_RAW_MAX                                                                     \
	512 /* a rule or a route as the kernel dumps it: 20 numbers at most */

/* What the kernel said, to delete exactly that again; len 0 in a wanted plan. */
struct plan_raw {
	unsigned char bytes[PLAN_RAW_MAX];
	size_t len;
};

struct plan_ip_rule {
	int family;
	uint32_t priority, mark, mask;
	bool from_here; /* iif lo: of this host's own packets */
	uint16_t port;  /* ipproto tcp dport; 0: any */
	uint8_t action; /* FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP */
	uint32_t to;    /* the table, or the priority that it goes to */
	bool other;     /* has more conditions than we know */
	struct plan_raw raw;
};

struct plan_route {
	int family;
	uint32_t table;
	uint8_t type; /* RTN_* */
	uint8_t prefix_len;
	unsigned char destination[16]; /* of a whole address */
	uint32_t oif;
	bool other; /* has a gateway, a destination, … */
	struct plan_raw raw;
};

struct plan {
	uint8_t family; /* NFPROTO_*, of the table */
	bool has_table;
	uint32_t table_flags;
	struct plan_counter *counters;
	size_t n_counters;
	struct plan_set *sets;
	size_t n_sets;
	struct plan_element *elements;
	size_t n_elements;
	struct plan_chain *chains;
	size_t n_chains;
	struct plan_rule *rules;
	size_t n_rules;
	struct plan_ip_rule *ip_rules;
	size_t n_ip_rules;
	struct plan_route *routes;
	size_t n_routes;
};

void plan_init(struct plan *p); /* family inet */
void plan_fini(struct plan *p); /* may be called twice */

/* A new zeroed entry at the end, valid until the next one of its kind; NULL without
   memory. */
struct plan_counter *plan_add_counter(struct plan *p);
struct plan_set *plan_add_set(struct plan *p);
struct plan_element *plan_add_element(struct plan *p);
struct plan_chain *plan_add_chain(struct plan *p);
struct plan_rule *plan_add_rule(struct plan *p);
struct plan_ip_rule *plan_add_ip_rule(struct plan *p);
struct plan_route *plan_add_route(struct plan *p);

/* Elements from `first` on are those of a set of intervals, as the kernel has them: a
   beginning, an end. Afterwards each is an interval. */
void plan_join_intervals(struct plan *p, size_t first);

void plan_name(char *to, size_t size, const char *from); /* cut when too long */

/* From a valid ruleset; 0 or -ENOMEM. */
int plan_wanted(const struct ruleset *r, struct plan *ret_plan);

/* nft's own numbers for data types (its datatype.h); they only say how to print a key. A
   concatenation shifts six bits. */
#define PLAN_KEY_IPV4 7U
#define PLAN_KEY_IPV6 8U
#define PLAN_KEY_PROTOCOL 12U
#define PLAN_KEY_PORT 13U
#define PLAN_KEY_MARK 19U
#define PLAN_KEY_MARK_PORT ((PLAN_KEY_MARK << 6) | PLAN_KEY_PORT)

/* `queue flags bypass to FIRST-LAST`. */
#define PLAN_QUEUE_TARGET "NFQUEUE"

/* ---- as text (rule_text.c, items.c) ---- */

/* A rule in nft's own words, e.g. "meta l4proto tcp tcp dport 143 tproxy to :143 accept".
 */
void plan_rule_text(const struct plan_rule *rule, char text[static PLAN_TEXT_MAX]);

enum plan_kind {
	PLAN_TABLE,
	PLAN_COUNTER,
	PLAN_SET,
	PLAN_ELEMENT,
	PLAN_CHAIN,
	PLAN_RULE,
	PLAN_IP_RULE,
	PLAN_ROUTE,
	PLAN_KIND_COUNT
};

struct plan_item {
	enum plan_kind kind;
	const char *owner; /* the set of an element, the chain of a rule, else "" */
	const char *name;  /* what makes it this one; "" for rules */
	char text[PLAN_TEXT_MAX];
	bool matched; /* diff.c's own */
};

struct plan_items {
	struct plan_item *items;
	size_t n;
};

/* Borrows names from the plan. 0 or -ENOMEM. */
int plan_items(const struct plan *p, struct plan_items *ret_items);
void plan_items_fini(struct plan_items *items);

/* Appends what `nft -f` reads. 0 or -errno of the buffer. */
int plan_print(const struct plan *p, struct buf *text);

/* Appends one line for each difference. */
int plan_diff(const struct plan *wanted, const struct plan *found, struct buf *lines,
	size_t *ret_n);

/* Whether plan_diff() would say something about the table; about the routing. */
int plan_differs(const struct plan *wanted, const struct plan *found, bool *ret_table,
	bool *ret_routing);

#endif
