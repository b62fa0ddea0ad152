/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_EXPRESSION_H
#define NFT_RULES_EXPRESSION_H
/* One expression of a rule, between our struct op and libnftnl: one table serves both
   directions, so that what we write is what we recognise. */
#include "nft-rules/plan.h"

/* libnftnl's header uses FILE without saying so. */
#include <stdio.h>

#include <libnftnl/expr.h>

/* NULL without memory, or for OP_OTHER. */
struct nftnl_expr *expression_build(const struct op *op);

/* Anything beyond the table becomes OP_OTHER. */
void expression_read(const struct nftnl_expr *expr, struct op *ret_op);

#endif
