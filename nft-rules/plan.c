/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nft-rules/plan.h"

#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

void plan_init(struct plan *p)
{
	*p = (struct plan){ .family = NFPROTO_INET };
}

void plan_fini(struct plan *p)
{
	free(p->counters);
	free(p->sets);
	free(p->elements);
	free(p->chains);
	free(p->rules);
	free(p->ip_rules);
	free(p->routes);
	plan_init(p);
}

/* One more entry. A plan has some dozens of them and is made once a command: growing one
   at a time is fast enough. Returns the array, or NULL and leaves it as it was. */
static void *grow(void *array, size_t n, size_t size)
{
	char *larger = reallocarray(array, n + 1, size);

	if (larger)
		memset(larger + n * size, 0, size);
	return larger;
}

#define DEFINE_ADD(thing)                                                                \
	struct plan_##thing *plan_add_##thing(struct plan *p)                            \
	{                                                                                \
		struct plan_##thing *larger =                                            \
			grow(p->thing##s, p->n_##thing##s, sizeof(*larger));             \
		if (!larger)                                                             \
			return NULL;                                                     \
		p->thing##s = larger;                                                    \
		return &larger[p->n_##thing##s++];                                       \
	}

DEFINE_ADD(counter)
DEFINE_ADD(set)
DEFINE_ADD(element)
DEFINE_ADD(chain)
DEFINE_ADD(rule)
DEFINE_ADD(ip_rule)
DEFINE_ADD(route)
#undef DEFINE_ADD

/* Where one ends and another begins, the end comes first. */
static int compare_elements(const void *a, const void *b)
{
	const struct plan_element *x = a, *y = b;
	int order = memcmp(x->key, y->key, sizeof(x->key));

	return order ? order : (int)y->is_end - (int)x->is_end;
}

static void end_before(struct plan_element *e, const struct plan_element *end)
{
	size_t i = e->key_len;

	if (end)
		memcpy(e->last, end->key, sizeof(e->last));
	else
		memset(e->last, 0, sizeof(e->last)); /* it never ends */
	while (i-- > 0)
		if (e->last[i]--)
			break;
	e->is_interval = true;
}

void plan_join_intervals(struct plan *p, size_t first)
{
	size_t n = first;

	qsort(p->elements + first, p->n_elements - first, sizeof(*p->elements),
		compare_elements);
	for (size_t i = first; i < p->n_elements; i++) {
		bool has_next = i + 1 < p->n_elements;

		if (p->elements[i].is_end)
			continue;
		end_before(&p->elements[i], has_next ? &p->elements[i + 1] : NULL);
		p->elements[n++] = p->elements[i];
	}
	p->n_elements = n;
}

void plan_name(char *to, size_t size, const char *from)
{
	size_t len = from ? strnlen(from, size - 1) : 0;

	if (len)
		memcpy(to, from, len);
	to[len] = '\0';
}
