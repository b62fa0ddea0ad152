/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_VIEWS_UNSEEN_VIEW_H
#define CONTROL_VIEWS_UNSEEN_VIEW_H
/* What passes unseen, and whom it concerns, as people and scripts see it. */
#include "base/arena.h"
#include "control/terminal/control.h"
#include "control/terminal/output.h"
#include "registry/unseen.h"

#define UNSEEN_SHOWN_MS (24 * 3600 * 1000ULL) /* by `status` and `flows` */
#define UNSEEN_COLUMN_COUNT 7
extern const struct column unseen_columns[UNSEEN_COLUMN_COUNT]; /* of struct unseen */

/* Copies of what the callback of registry_each_unseen() gets; into buf, of struct unseen.
 */
struct unseen_list {
	struct arena *arena;
	struct buf *rows;
};
int unseen_list_add(void *context, const struct unseen *u);

/* Accounts that do not switch because of what passes unseen, and why, by name. */
struct held {
	struct str account, why;
};
struct held_list {
	uint32_t hold_s; /* `unseen_hold` */
	struct arena arena;
	struct buf rows; /* of struct held */
	struct buf
		here; /* likewise: they live here already, and are read at the source */
};
int held_list_gather(struct registry *r, const struct settings *s, struct held_list *ret,
	struct error *err);
void held_list_fini(struct held_list *l);
/* "": it is not. */
struct str held_list_why(const struct held_list *l, struct str account);

#endif
