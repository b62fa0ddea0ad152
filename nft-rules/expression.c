/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/expression.h"

#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#define ATTRIBUTES_MAX 10 /* no expression of libnftnl that we read has more */
#define NONE 0            /* NFTNL_EXPR_NAME: never an attribute of ours */

/* v: the attributes behind op.v[], of 32 bits if nothing else is said. ignored: those
   that a dump carries without meaning, as long as they are 0. */
static const struct form {
	const char *name;
	uint16_t v[4];
	uint16_t data, more, text, ignored;
	bool is_16_bits; /* those of v */
} forms[OP_KIND_COUNT] = {
	[OP_META_LOAD] = { .name = "meta",
		.v = { NFTNL_EXPR_META_KEY, NFTNL_EXPR_META_DREG } },
	[OP_META_SET] = { .name = "meta",
		.v = { NFTNL_EXPR_META_KEY, NFTNL_EXPR_META_SREG } },
	[OP_CT_LOAD] = { .name = "ct", .v = { NFTNL_EXPR_CT_KEY, NFTNL_EXPR_CT_DREG } },
	[OP_CT_SET] = { .name = "ct", .v = { NFTNL_EXPR_CT_KEY, NFTNL_EXPR_CT_SREG } },
	[OP_BITWISE] = { .name = "bitwise",
		.v = { NFTNL_EXPR_BITWISE_SREG, NFTNL_EXPR_BITWISE_DREG,
			NFTNL_EXPR_BITWISE_LEN },
		.data = NFTNL_EXPR_BITWISE_MASK,
		.more = NFTNL_EXPR_BITWISE_XOR,
		.ignored = NFTNL_EXPR_BITWISE_OP },
	[OP_PAYLOAD] = { .name = "payload",
		.v = { NFTNL_EXPR_PAYLOAD_DREG, NFTNL_EXPR_PAYLOAD_BASE,
			NFTNL_EXPR_PAYLOAD_OFFSET, NFTNL_EXPR_PAYLOAD_LEN } },
	[OP_SOCKET] = { .name = "socket",
		.v = { NFTNL_EXPR_SOCKET_KEY, NFTNL_EXPR_SOCKET_DREG } },
	[OP_COMPARE] = { .name = "cmp",
		.v = { NFTNL_EXPR_CMP_SREG, NFTNL_EXPR_CMP_OP },
		.data = NFTNL_EXPR_CMP_DATA },
	[OP_LOOKUP] = { .name = "lookup",
		.v = { NFTNL_EXPR_LOOKUP_SREG },
		.text = NFTNL_EXPR_LOOKUP_SET,
		.ignored = NFTNL_EXPR_LOOKUP_FLAGS },
	[OP_IMMEDIATE] = { .name = "immediate",
		.v = { NFTNL_EXPR_IMM_DREG },
		.data = NFTNL_EXPR_IMM_DATA },
	[OP_VERDICT] = { .name = "immediate",
		.v = { NFTNL_EXPR_IMM_DREG, NFTNL_EXPR_IMM_VERDICT } },
	[OP_GOTO] = { .name = "immediate",
		.v = { NFTNL_EXPR_IMM_DREG, NFTNL_EXPR_IMM_VERDICT },
		.text = NFTNL_EXPR_IMM_CHAIN },
	[OP_COUNTER] = { .name = "objref",
		.v = { NFTNL_EXPR_OBJREF_IMM_TYPE },
		.text = NFTNL_EXPR_OBJREF_IMM_NAME },
	[OP_COUNTER_MAP] = { .name = "objref",
		.v = { NFTNL_EXPR_OBJREF_SET_SREG },
		.text = NFTNL_EXPR_OBJREF_SET_NAME },
	[OP_TPROXY] = { .name = "tproxy",
		.v = { NFTNL_EXPR_TPROXY_FAMILY, NFTNL_EXPR_TPROXY_REG_PORT } },
	[OP_REJECT] = { .name = "reject", .v = { NFTNL_EXPR_REJECT_TYPE } },
	[OP_QUEUE] = { .name = "queue",
		.v = { NFTNL_EXPR_QUEUE_NUM, NFTNL_EXPR_QUEUE_TOTAL,
			NFTNL_EXPR_QUEUE_FLAGS },
		.is_16_bits = true },
	[OP_TARGET] = { .name = "target",
		.v = { NFTNL_EXPR_TG_REV },
		.data = NFTNL_EXPR_TG_INFO,
		.text = NFTNL_EXPR_TG_NAME },
};

static void put_number(
	struct nftnl_expr *expr, const struct form *form, size_t i, uint32_t value)
{
	if (form->is_16_bits)
		nftnl_expr_set_u16(expr, form->v[i], (uint16_t)value);
	else
		nftnl_expr_set_u32(expr, form->v[i], value);
}

/* The info of an xt target is the expression's afterwards; other data is copied. */
static bool put_data(struct nftnl_expr *expr, enum op_kind kind,
	const unsigned char *data, uint32_t len)
{
	void *own = kind == OP_TARGET ? malloc(len) : NULL;

	if (kind != OP_TARGET)
		return nftnl_expr_set(expr, forms[kind].data, data, len) == 0;
	if (!own)
		return false;
	memcpy(own, data, len);
	return nftnl_expr_set(expr, forms[kind].data, own, len) == 0;
}

/* ---- what packets put into a set, with a limit to each ---- */

/* Half of the number a second, all of it at once: in minutes it is whole. */
#define LIMIT_UNIT 60U
#define LIMIT_RATE(per_second) ((uint64_t)(per_second)*LIMIT_UNIT / 2)

static struct nftnl_expr *build_limit(uint32_t per_second)
{
	struct nftnl_expr *limit = nftnl_expr_alloc("limit");

	if (!limit)
		return NULL;
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, LIMIT_RATE(per_second));
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, LIMIT_UNIT);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, per_second);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	return limit;
}

static struct nftnl_expr *build_update(const struct op *op)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("dynset");
	struct nftnl_expr *limit = op->v[3] ? build_limit(op->v[3]) : NULL;

	if (!expr || (op->v[3] && !limit)) {
		if (expr)
			nftnl_expr_free(expr);
		if (limit)
			nftnl_expr_free(limit);
		return NULL;
	}
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, op->v[0]);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, op->v[1]);
	if (op->v[2])
		nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, op->v[2]);
	(void)nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, op->name);
	if (limit)
		nftnl_expr_add_expr(expr, NFTNL_EXPR_DYNSET_EXPRESSIONS, limit);
	return expr;
}

struct limit_reading {
	uint32_t per_second;
	bool is_ours;
};

static int read_limit(struct nftnl_expr *expr, void *data)
{
	struct limit_reading *r = data;
	uint32_t burst = 0;

	if (r->per_second || strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "limit")) {
		r->is_ours = false; /* a second one, or another thing */
		return 0;
	}
	burst = nftnl_expr_get_u32(expr, NFTNL_EXPR_LIMIT_BURST);
	r->is_ours =
		r->is_ours && burst &&
		nftnl_expr_get_u64(expr, NFTNL_EXPR_LIMIT_UNIT) == LIMIT_UNIT &&
		nftnl_expr_get_u64(expr, NFTNL_EXPR_LIMIT_RATE) == LIMIT_RATE(burst) &&
		nftnl_expr_get_u32(expr, NFTNL_EXPR_LIMIT_TYPE) == NFT_LIMIT_PKTS &&
		!nftnl_expr_get_u32(expr, NFTNL_EXPR_LIMIT_FLAGS);
	r->per_second = burst;
	return 0;
}

static bool read_update(const struct nftnl_expr *expr, struct op *o)
{
	struct limit_reading limit = { .is_ours = true };
	uint64_t timeout = nftnl_expr_is_set(expr, NFTNL_EXPR_DYNSET_TIMEOUT)
	                           ? nftnl_expr_get_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT)
	                           : 0;

	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_DYNSET_SET_NAME) ||
		nftnl_expr_is_set(expr, NFTNL_EXPR_DYNSET_SREG_DATA) ||
		timeout > UINT32_MAX ||
		(nftnl_expr_is_set(expr, NFTNL_EXPR_DYNSET_FLAGS) &&
			nftnl_expr_get_u32(expr, NFTNL_EXPR_DYNSET_FLAGS)))
		return false;
	(void)nftnl_expr_expr_foreach(expr, read_limit, &limit);
	o->kind = OP_UPDATE;
	o->v[0] = nftnl_expr_get_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY);
	o->v[1] = nftnl_expr_get_u32(expr, NFTNL_EXPR_DYNSET_OP);
	o->v[2] = (uint32_t)timeout;
	o->v[3] = limit.per_second;
	plan_name(o->name, sizeof(o->name),
		nftnl_expr_get_str(expr, NFTNL_EXPR_DYNSET_SET_NAME));
	return limit.is_ours && o->v[1] == NFT_DYNSET_OP_UPDATE;
}

/* ---- all ---- */

static struct nftnl_expr *build_form(const struct op *op)
{
	const struct form *form = &forms[op->kind];
	struct nftnl_expr *expr = form->name ? nftnl_expr_alloc(form->name) : NULL;
	bool fine = expr != NULL;

	for (size_t i = 0; fine && i < 4 && form->v[i] != NONE; i++)
		put_number(expr, form, i, op->v[i]);
	if (fine && form->data != NONE)
		fine = put_data(expr, op->kind, op->data, op->data_len);
	if (fine && form->more != NONE)
		fine = nftnl_expr_set(expr, form->more, op->more, op->more_len) == 0;
	if (fine && form->text != NONE)
		(void)nftnl_expr_set_str(expr, form->text, op->name);
	if (expr && !fine)
		nftnl_expr_free(expr);
	return fine ? expr : NULL;
}

struct nftnl_expr *expression_build(const struct op *op)
{
	return op->kind == OP_UPDATE ? build_update(op) : build_form(op);
}

static bool form_has(const struct form *form, uint16_t attribute)
{
	for (size_t i = 0; i < 4; i++)
		if (form->v[i] == attribute)
			return true;
	return form->data == attribute || form->more == attribute ||
	       form->text == attribute;
}

/* Exactly the attributes of this form, no more and no fewer. */
static bool matches(const struct nftnl_expr *expr, const struct form *form)
{
	if (!form->name ||
		strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), form->name) != 0)
		return false;
	for (int i = 0; i < ATTRIBUTES_MAX; i++) {
		uint16_t a = (uint16_t)(NFTNL_EXPR_BASE + i);

		if (nftnl_expr_is_set(expr, a) == form_has(form, a))
			continue;
		if (a != form->ignored || nftnl_expr_get_u32(expr, a))
			return false;
	}
	return true;
}

static bool read_data(const struct nftnl_expr *expr, uint16_t attribute,
	unsigned char to[static 16], uint32_t *ret_len)
{
	uint32_t len = 0;
	const void *data =
		attribute == NONE ? NULL : nftnl_expr_get(expr, attribute, &len);

	if (attribute == NONE)
		return true;
	if (!data || len > 16)
		return false;
	memcpy(to, data, len);
	*ret_len = len;
	return true;
}

static bool read_form(const struct nftnl_expr *expr, enum op_kind kind, struct op *o)
{
	const struct form *form = &forms[kind];

	o->kind = kind;
	for (size_t i = 0; i < 4 && form->v[i] != NONE; i++)
		o->v[i] = form->is_16_bits ? nftnl_expr_get_u16(expr, form->v[i])
		                           : nftnl_expr_get_u32(expr, form->v[i]);
	if (form->text != NONE)
		plan_name(o->name, sizeof(o->name), nftnl_expr_get_str(expr, form->text));
	return read_data(expr, form->data, o->data, &o->data_len) &&
	       read_data(expr, form->more, o->more, &o->more_len);
}

void expression_read(const struct nftnl_expr *expr, struct op *ret_op)
{
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);
	struct op o = { 0 };

	if (!strcmp(name, "dynset") && read_update(expr, &o)) {
		*ret_op = o;
		return;
	}
	for (int kind = OP_OTHER + 1; kind < OP_KIND_COUNT; kind++)
		if (matches(expr, &forms[kind]) &&
			read_form(expr, (enum op_kind)kind, &o)) {
			*ret_op = o;
			return;
		}
	o = (struct op){ .kind = OP_OTHER };
	plan_name(o.name, sizeof(o.name), name);
	*ret_op = o;
}
