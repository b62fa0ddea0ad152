/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/results/again_result.h"

#include <jansson.h>
#include <stdlib.h>

#define UNKNOWN "it is not known to be at the source: it came here after the move"
#define ON_ITS_WAY "it was on its way in, and is not at the source"
#define NOT_ASKED "the source was not asked for it"

struct lost *lost_add(struct lost_list *list)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		struct lost *more = reallocarray(list->at, cap, sizeof(*more));

		if (!more)
			return NULL;
		list->at = more;
		list->cap = cap;
	}
	list->at[list->n] = (struct lost){ 0 };
	return &list->at[list->n++];
}

void lost_fini(struct lost_list *list)
{
	free(list->at);
	*list = (struct lost_list){ 0 };
}

/* ---- counts ---- */

static uint64_t mended(const struct lost_list *list)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < list->n; i++)
		sum += list->at[i].is_mended ? list->at[i].messages : 0;
	return sum;
}

/* Room that nobody needs is no damage. */
static uint64_t other(const struct lost_list *list)
{
	const struct store_inspected *is = &list->inspected;
	uint64_t known = is->lost + is->unused;

	return is->found > known ? is->found - known : 0;
}

uint64_t again_result_left(const struct lost_list *list)
{
	return list->inspected.lost - mended(list) + other(list) + (*list->error != 0);
}

/* ---- as JSON ---- */

/* Names are bytes: what is no UTF-8 is shown as "?". */
static json_t *text(struct str s)
{
	json_t *value = json_stringn(s.len ? s.ptr : "", s.len);

	return value ? value : json_string("?");
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static struct str why_not(const struct lost *l, const struct lost_copy *copy)
{
	if (!copy->mailbox)
		return STR_LIT(ON_ITS_WAY);
	if (!l->has_origin)
		return STR_LIT(UNKNOWN);
	return l->why.len ? l->why : STR_LIT(NOT_ASKED);
}

static json_t *left_over(const struct lost_list *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < list->at[i].n_copies; k++) {
			const struct lost *l = &list->at[i];
			const struct lost_copy *copy = &l->copies[k];
			json_t *one;

			if (l->is_mended || json_array_size(all) == LOST_NAMED_MAX)
				continue;
			one = json_object();
			(void)json_object_set_new(one, "mailbox", text(copy->name));
			(void)json_object_set_new(one, "uid", number(copy->uid));
			(void)json_object_set_new(one, "why", text(why_not(l, copy)));
			(void)json_array_append_new(all, one);
		}
	return all;
}

char *again_result_json(const struct lost_list *list, struct str source)
{
	json_t *o = json_object();
	char *shown;

	(void)json_object_set_new(o, "lost", number(list->inspected.lost));
	(void)json_object_set_new(o, "mended", number(mended(list)));
	(void)json_object_set_new(o, "other", number(other(list)));
	(void)json_object_set_new(o, "error", text(str_from(list->error)));
	(void)json_object_set_new(o, "source", text(source));
	(void)json_object_set_new(o, "messages", left_over(list));
	shown = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return shown;
}
