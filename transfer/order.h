/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ORDER_H
#define TRANSFER_ORDER_H
/* Which account moves before which (option `order`). Pure. */
#include "registry/registry.h"
#include "settings/settings.h"

/* The lower ones first; of equals, whoever came first:

     busy              its user waits
     catching up       all but done: it makes room soonest. Not those that wait for a
                       password of their own: they are copied already
     the others        as `order` says; what is not known comes last
     copied, and those that have failed by a master user: a refusal stops the others */
uint64_t order_rank(enum order order, const struct account *a);

#endif
