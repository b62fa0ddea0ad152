/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/expression.h"

#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#define ATTRIBUTES_MAX 10 /* no expression of libnftnl that we read has more */
#define NONE 0            /* NFTNL_EXPR_NAME: never an attribute of ours */

/* v: the attributes behind op.v[], all 32 bits wide. ignored: those that a dump carries
   without meaning, as long as they are 0. */
static const struct form {
	const char *name;
	uint16_t v[4];
	uint16_t data, text, ignored;
} forms[OP_KIND_COUNT] = {
	[OP_META_LOAD] = { .name = "meta",
		.v = { NFTNL_EXPR_META_KEY, NFTNL_EXPR_META_DREG } },
	[OP_META_SET] = { .name = "meta",
		.v = { NFTNL_EXPR_META_KEY, NFTNL_EXPR_META_SREG } },
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
};

struct nftnl_expr *expression_build(const struct op *op)
{
	const struct form *form = &forms[op->kind];
	struct nftnl_expr *expr = form->name ? nftnl_expr_alloc(form->name) : NULL;

	if (!expr)
		return NULL;
	for (size_t i = 0; i < 4 && form->v[i] != NONE; i++)
		nftnl_expr_set_u32(expr, form->v[i], op->v[i]);
	if (form->data != NONE)
		(void)nftnl_expr_set(expr, form->data, op->data, op->data_len);
	if (form->text != NONE)
		(void)nftnl_expr_set_str(expr, form->text, op->name);
	return expr;
}

static bool form_has(const struct form *form, uint16_t attribute)
{
	for (size_t i = 0; i < 4; i++)
		if (form->v[i] == attribute)
			return true;
	return form->data == attribute || form->text == attribute;
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

static bool read_data(const struct nftnl_expr *expr, uint16_t attribute, struct op *o)
{
	uint32_t len = 0;
	const void *data = nftnl_expr_get(expr, attribute, &len);

	if (!data || len > sizeof(o->data))
		return false;
	memcpy(o->data, data, len);
	o->data_len = len;
	return true;
}

static bool read_form(const struct nftnl_expr *expr, enum op_kind kind, struct op *o)
{
	const struct form *form = &forms[kind];

	o->kind = kind;
	for (size_t i = 0; i < 4 && form->v[i] != NONE; i++)
		o->v[i] = nftnl_expr_get_u32(expr, form->v[i]);
	if (form->text != NONE)
		plan_name(o->name, sizeof(o->name), nftnl_expr_get_str(expr, form->text));
	return form->data == NONE || read_data(expr, form->data, o);
}

void expression_read(const struct nftnl_expr *expr, struct op *ret_op)
{
	struct op o = { 0 };

	for (int kind = OP_OTHER + 1; kind < OP_KIND_COUNT; kind++)
		if (matches(expr, &forms[kind]) &&
			read_form(expr, (enum op_kind)kind, &o)) {
			*ret_op = o;
			return;
		}
	o = (struct op){ .kind = OP_OTHER };
	plan_name(o.name, sizeof(o.name), nftnl_expr_get_str(expr, NFTNL_EXPR_NAME));
	*ret_op = o;
}
