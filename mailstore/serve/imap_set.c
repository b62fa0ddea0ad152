/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sets of messages as commands name them, and the one that "$" stands for. */
#include "mailstore/serve/imap_session.h"

#include <stdlib.h>
#include <string.h>

static bool take_saved(struct imap *s, struct arena *arena, struct imap_set *set)
{
	if (!set->saved)
		return true;
	set->count = s->n_saved;
	set->ranges = arena_alloc(arena, (s->n_saved + 1) * sizeof(*set->ranges));
	if (set->ranges && s->n_saved)
		memcpy(set->ranges, s->saved, s->n_saved * sizeof(*set->ranges));
	return set->ranges != NULL;
}

bool imap_walk(struct imap *s, struct imap_set set, struct view_walk *ret)
{
	return take_saved(s, &s->arena, &set) &&
	       view_walk_begin(&s->view, set, s->uid || set.saved, ret);
}

bool imap_resolve_uids(struct imap *s, struct arena *arena, struct imap_set *set)
{
	if (!take_saved(s, arena, set))
		return false;
	imap_set_resolve(set, view_last_uid(&s->view), NULL);
	return true;
}

void imap_save_result(struct imap *s, struct str uids)
{
	struct imap_cursor c = imap_cursor(uids);
	struct imap_set set = { .count = 0 };
	struct arena arena;

	free(s->saved);
	s->saved = NULL;
	s->n_saved = 0;
	arena_init(&arena);
	if (uids.len && imap_set(&c, &arena, &set))
		s->saved = malloc(set.count * sizeof(*s->saved));
	if (s->saved) {
		memcpy(s->saved, set.ranges, set.count * sizeof(*s->saved));
		s->n_saved = set.count;
	}
	arena_fini(&arena);
}
