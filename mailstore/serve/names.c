/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/names.h"

#include "wire/imap/cursor.h"
#include "wire/imap/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATOR_DEFAULT '/' /* of an account whose mailboxes are all flat */

/* ── namespace ─────────────────────────────────────────────────────────────────────── */

static int see_separator(void *context, const struct mailbox *m)
{
	char *separator = context;

	if (m->separator)
		*separator = m->separator;
	return m->separator != 0;
}

/* What the source said is passed on only when it is three values and one line. */
static bool is_answer(struct str text)
{
	struct imap_cursor c = imap_cursor(text);

	if (!text.len || memchr(text.ptr, '\n', text.len) ||
		memchr(text.ptr, '\r', text.len))
		return false;
	return imap_skip_value(&c) && imap_space(&c) && imap_skip_value(&c) &&
	       imap_space(&c) && imap_skip_value(&c) && imap_end(&c);
}

/* The first of the personal ones: ((prefix separator ...) ...). */
static void read_personal(struct name_space *ret, struct arena *arena)
{
	struct imap_cursor c = imap_cursor(ret->answer);
	struct str prefix, separator;

	if (!imap_char(&c, '(') || !imap_char(&c, '(') ||
		!imap_string(&c, arena, &prefix) || !imap_space(&c) ||
		!imap_nstring(&c, arena, &separator))
		return;
	ret->prefix = prefix;
	if (separator.len == 1)
		ret->separator = separator.ptr[0];
}

int names_space(struct store *store, struct arena *arena, struct name_space *ret,
	struct error *err)
{
	struct str said;
	int code;

	*ret = (struct name_space){ .prefix = STR(""), .separator = SEPARATOR_DEFAULT };
	code = store_each_mailbox(store, see_separator, &ret->separator, err);
	if (code < 0)
		return code;
	code = store_checkpoint(store, NAMESPACE_CHECKPOINT, arena, &said, err);
	if (code == -ENOENT)
		return 0;
	if (code == 0 && is_answer(said)) {
		ret->answer = said;
		read_personal(ret, arena);
	}
	return code;
}

/* ── the tree ──────────────────────────────────────────────────────────────────────── */

static int add(struct names *n, struct node node)
{
	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 64;
		struct node *more = arena_alloc(n->arena, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		if (n->count)
			memcpy(more, n->nodes, n->count * sizeof(*more));
		n->nodes = more;
		n->cap = cap;
	}
	n->nodes[n->count++] = node;
	return 0;
}

static int add_mailbox(void *context, const struct mailbox *m)
{
	struct names *n = context;
	struct mailbox *copy = arena_alloc(n->arena, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *m;
	copy->name = arena_str(n->arena, m->name);
	copy->special_use = arena_str(n->arena, m->special_use);
	if (!copy->name.ptr || !copy->special_use.ptr)
		return -ENOMEM;
	return add(n,
		(struct node){
			.name = copy->name, .mailbox = copy, .separator = m->separator });
}

static int add_subscription(void *context, struct str name)
{
	struct names *n = context;
	struct str copy = arena_str(n->arena, name);

	if (!copy.ptr)
		return -ENOMEM;
	return add(
		n, (struct node){
			   .name = copy, .subscribed = true, .separator = n->separator });
}

/* Names above that one: "a" and "a/b" of "a/b/c"; but for those of the one before it. */
static int add_above(struct names *n, struct node node, struct node before)
{
	size_t same = 0;
	int code = 0;

	while (node.separator == before.separator && same < node.name.len &&
		same < before.name.len && node.name.ptr[same] == before.name.ptr[same])
		same++;
	for (size_t i = same ? same : 1; i < node.name.len && code == 0; i++)
		if (node.separator && node.name.ptr[i] == node.separator)
			code = add(n, (struct node){ .name = str_take(node.name, i),
					      .separator = node.separator });
	return code;
}

/* INBOX before all, then by bytes; of the same name the real one before the others. */
static int by_name(const void *a, const void *b)
{
	const struct node *x = a, *y = b;
	bool x_inbox = imap_is_inbox(x->name), y_inbox = imap_is_inbox(y->name);
	int order = str_cmp(x->name, y->name);

	if (x_inbox != y_inbox)
		return x_inbox ? -1 : 1;
	if (order && !x_inbox)
		return order;
	return (x->mailbox == NULL) - (y->mailbox == NULL);
}

static bool same_name(struct str a, struct str b)
{
	return str_eq(a, b) || (imap_is_inbox(a) && imap_is_inbox(b));
}

static void join_same(struct names *n)
{
	size_t kept = 0;

	for (size_t i = 1; i < n->count; i++) {
		if (same_name(n->nodes[i].name, n->nodes[kept].name))
			n->nodes[kept].subscribed |= n->nodes[i].subscribed;
		else
			n->nodes[++kept] = n->nodes[i];
	}
	if (n->count)
		n->count = kept + 1;
}

int names_load(
	struct store *store, struct arena *arena, struct names *ret, struct error *err)
{
	struct name_space space;
	size_t real;
	int code;

	*ret = (struct names){ .arena = arena };
	code = names_space(store, arena, &space, err);
	if (code < 0)
		return code;
	ret->separator = space.separator;
	code = store_each_mailbox(store, add_mailbox, ret, err);
	if (code == 0)
		code = store_each_subscription(store, add_subscription, ret, err);
	real = ret->count;
	if (real)
		qsort(ret->nodes, real, sizeof(ret->nodes[0]), by_name);
	for (size_t i = 0; i < real && code == 0; i++)
		code = add_above(
			ret, ret->nodes[i], i ? ret->nodes[i - 1] : (struct node){ 0 });
	if (code < 0)
		return error_set(err, code, "no memory for the list of mailboxes");
	qsort(ret->nodes, ret->count, sizeof(ret->nodes[0]), by_name);
	join_same(ret);
	return 0;
}

size_t names_find(const struct names *n, struct str name)
{
	size_t low = 0, high = n->count;

	if (n->count && imap_is_inbox(n->nodes[0].name)) {
		if (str_eq(n->nodes[0].name, name))
			return 0;
		low = 1;
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(n->nodes[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n->count && str_eq(n->nodes[low].name, name) ? low : n->count;
}

bool names_is_below(const struct names *n, size_t index, size_t candidate)
{
	const struct node *above = &n->nodes[index];
	struct str name = n->nodes[candidate].name;

	return above->separator && name.len > above->name.len &&
	       str_starts(name, above->name) &&
	       name.ptr[above->name.len] == above->separator;
}

size_t names_first_below(const struct names *n, size_t index)
{
	size_t low = 0, high = n->count;
	struct str name = n->nodes[index].name;

	/* INBOX lies at the front and not in order */
	if (n->count && imap_is_inbox(n->nodes[0].name))
		low = 1;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(n->nodes[middle].name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < n->count && str_starts(n->nodes[low].name, name) &&
		!names_is_below(n, index, low))
		low++;
	return low;
}

bool names_has_children(const struct names *n, size_t index)
{
	for (size_t i = names_first_below(n, index);
		i < n->count && names_is_below(n, index, i); i++)
		if (n->nodes[i].mailbox)
			return true;
	return false;
}
