/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ARRIVAL_H
#define TRANSFER_ARRIVAL_H
/*
 * The end of a switch. The mail folder says that the account lives here, or at another
 * server, before the registry does: so it is known whatever is lost afterwards.
 *
 *   registry: arriving ─► folder: in service, residence ─► registry: route = local
 *                            │ something comes between
 *                            └─► folder: a copy ─► registry: not arriving ─► source
 *
 * While it arrives nobody is served, and no event takes it to the source. Who is killed
 * in between leaves "arriving", and the next process takes the mark away first.
 */
#include "transfer/account/results/result.h"

struct job;

/* All that is here is the source's at this moment; durable. */
int arrival_mark(struct job *j);
/* As held_or_arrived(). */
int arrival_finish(struct job *j, const struct account_result *result);

#endif
