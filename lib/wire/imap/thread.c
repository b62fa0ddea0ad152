/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A message, or a place for one that is only referred to. */
struct node {
	const struct imap_thread_message *message; /* NULL: a dummy */
	struct str id;
	struct node *parent, *child, *next;
	int64_t date; /* what siblings are sorted by; then by their rank in the mailbox */
	size_t rank;
	size_t slot; /* of a thread: its place in the list of them */
};

struct threads {
	enum imap_thread algorithm;
	struct arena *arena;
	struct node **table; /* by id; open addressing */
	size_t size;         /* a power of two */
	struct node root;    /* its children are the threads */
	struct node **nodes; /* of the messages */
	size_t n;
};

/* ── nodes by their ids ────────────────────────────────────────────────────────────── */

static uint64_t hash_of(struct str s)
{
	uint64_t hash = 1469598103934665603u;

	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
	return hash;
}

static int make_table(struct threads *t, const struct imap_thread_message *m, size_t n)
{
	size_t ids = n;

	for (size_t i = 0; i < n; i++)
		ids += m[i].n_references;
	for (t->size = 16; t->size < ids * 2;)
		t->size *= 2;
	t->table = arena_alloc(t->arena, t->size * sizeof(struct node *));
	return t->table ? 0 : -ENOMEM;
}

static struct node *new_node(struct threads *t, struct str id)
{
	struct node *node = arena_alloc(t->arena, sizeof(*node));

	if (node)
		node->id = id;
	return node;
}

/* The node of that id, made when there is none. NULL: no memory. */
static struct node *node_of(struct threads *t, struct str id)
{
	size_t at = (size_t)hash_of(id) & (t->size - 1);

	while (t->table[at] && !str_eq(t->table[at]->id, id))
		at = (at + 1) & (t->size - 1);
	if (!t->table[at])
		t->table[at] = new_node(t, id);
	return t->table[at];
}

/* ── links ─────────────────────────────────────────────────────────────────────────── */

static bool is_above(const struct node *above, const struct node *node)
{
	while (node && node != above)
		node = node->parent;
	return node != NULL;
}

/* Only parents are noted until all are known; children are gathered in the end. */
static void link_to(struct node *child, struct node *parent, bool replace)
{
	if (child->parent && !replace)
		return;
	child->parent = NULL; /* also when the new one would make a loop */
	if (!is_above(child, parent))
		child->parent = parent;
}

/* Step 1 of REFERENCES for one message. */
static int link_message(
	struct threads *t, const struct imap_thread_message *m, struct node **ret_node)
{
	struct node *node = m->id.len ? node_of(t, m->id) : NULL, *above = NULL;
	size_t first = m->n_references > IMAP_THREAD_REFERENCES_MAX
	                       ? m->n_references - IMAP_THREAD_REFERENCES_MAX
	                       : 0;

	if (!node || node->message) /* none, or taken: it has one of its own */
		node = new_node(t, STR_LIT(""));
	if (!node)
		return -ENOMEM;
	node->message = m;
	for (size_t i = first; i < m->n_references; i++) {
		struct node *next = node_of(t, m->references[i]);

		if (!next)
			return -ENOMEM;
		if (above)
			link_to(next, above, false);
		above = next;
	}
	if (above)
		link_to(node, above, true);
	else
		node->parent = NULL;
	*ret_node = node;
	return 0;
}

static void add_child(struct node *parent, struct node *child)
{
	child->parent = parent;
	child->next = parent->child;
	parent->child = child;
}

/* Step 3: dummies go; only one with several children stays, as a thread's root. A
   message's parent is then the next message above it, or the topmost dummy. */
static struct node *parent_that_stays(struct threads *t, struct node *node)
{
	struct node *top = NULL;

	for (node = node->parent; node; node = node->parent) {
		if (node->message)
			return node;
		top = node;
	}
	return top ? top : &t->root;
}

static int gather(struct threads *t)
{
	struct node **parents = arena_alloc(t->arena, (t->n + 1) * sizeof(*parents));

	if (!parents)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		parents[i] = parent_that_stays(t, t->nodes[i]);
	for (size_t i = 0; i < t->n; i++) {
		struct node *parent = parents[i];

		/* a dummy that gets its first child becomes a thread itself */
		if (parent != &t->root && !parent->message && !parent->child)
			add_child(&t->root, parent);
		add_child(parent, t->nodes[i]);
	}
	return 0;
}

static void promote_only_children(struct threads *t)
{
	for (struct node **at = &t->root.child; *at; at = &(*at)->next) {
		struct node *dummy = *at, *only = dummy->child;

		if (dummy->message || only->next)
			continue;
		only->parent = &t->root;
		only->next = dummy->next;
		*at = only;
	}
}

/* ── sorting ───────────────────────────────────────────────────────────────────────── */

static int by_date(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	if (x->date != y->date)
		return x->date < y->date ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int sort_children(struct threads *t, struct node *parent)
{
	struct node **list, **place = &parent->child;
	size_t n = 0, i = 0;

	for (struct node *c = parent->child; c; c = c->next)
		n++;
	if (n < 2)
		return 0;
	list = arena_alloc(t->arena, n * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (struct node *c = parent->child; c; c = c->next)
		list[i++] = c;
	qsort(list, n, sizeof(*list), by_date);
	for (i = 0; i < n; i++) {
		*place = list[i];
		place = &list[i]->next;
	}
	*place = NULL;
	return 0;
}

/* A dummy's date is its first child's. */
static void date_dummies(struct threads *t)
{
	for (struct node *n = t->root.child; n; n = n->next)
		if (!n->message) {
			n->date = n->child->date;
			n->rank = n->child->rank;
		}
}

static int sort_all(struct threads *t)
{
	int r = 0;

	for (size_t i = 0; i < t->n && r == 0; i++)
		r = sort_children(t, t->nodes[i]);
	for (struct node *d = t->root.child; d && r == 0; d = d->next)
		if (!d->message)
			r = sort_children(t, d);
	date_dummies(t);
	return r < 0 ? r : sort_children(t, &t->root);
}

/* REFS: threads by the message that came last. */
static int sort_by_last(struct threads *t)
{
	int r = sort_all(t);

	for (size_t i = 0; i < t->n; i++) {
		struct node *top = t->nodes[i];

		while (top->parent != &t->root)
			top = top->parent;
		if (t->nodes[i]->date > top->date)
			top->date = t->nodes[i]->date;
	}
	return r < 0 ? r : sort_children(t, &t->root);
}

/* ── joining by subject (step 5) ───────────────────────────────────────────────────── */

static const struct imap_thread_message *first_message(const struct node *n)
{
	return n->message ? n->message : n->child->message;
}

static bool is_better(const struct node *n, const struct node *than)
{
	if (!n->message || !than->message)
		return than->message != NULL;
	return than->message->is_reply && !n->message->is_reply;
}

/* The table is free again: now it finds threads by their subjects. */
static struct node **subject_place(struct threads *t, struct str subject)
{
	size_t at = (size_t)hash_of(subject) & (t->size - 1);

	while (t->table[at] && !str_eq(first_message(t->table[at])->subject, subject))
		at = (at + 1) & (t->size - 1);
	return &t->table[at];
}

static void fill_subjects(struct threads *t)
{
	memset(t->table, 0, t->size * sizeof(*t->table));
	for (struct node *n = t->root.child; n; n = n->next) {
		struct str subject = first_message(n)->subject;
		struct node **place = subject.len ? subject_place(t, subject) : NULL;

		if (place && (!*place || is_better(n, *place)))
			*place = n;
	}
}

static void move_children(struct node *to, struct node *from)
{
	struct node *next;

	for (struct node *c = from->child; c; c = next) {
		next = c->next;
		add_child(to, c);
	}
}

/* Both below a new dummy, which takes the place of the one in the table. */
static int join_below_dummy(
	struct threads *t, struct node **place, struct node *n, struct node **list)
{
	struct node *dummy = new_node(t, STR_LIT("")), *old = *place;

	if (!dummy)
		return -ENOMEM;
	dummy->slot = old->slot;
	list[dummy->slot] = dummy;
	add_child(dummy, old);
	add_child(dummy, n);
	*place = dummy;
	return 0;
}

static int join(
	struct threads *t, struct node **place, struct node *n, struct node **list)
{
	struct node *table = *place;

	list[n->slot] = NULL;
	if (!table->message && !n->message)
		move_children(table, n);
	else if (!table->message ||
		 (n->message && n->message->is_reply && !table->message->is_reply))
		add_child(table, n);
	else
		return join_below_dummy(t, place, n, list);
	return 0;
}

static struct node **list_threads(struct threads *t, size_t *ret_count)
{
	struct node **list = arena_alloc(t->arena, (t->n + 1) * sizeof(*list));
	size_t count = 0;

	for (struct node *n = t->root.child; n && list; n = n->next) {
		n->slot = count;
		list[count++] = n;
	}
	*ret_count = count;
	return list;
}

static int join_subjects(struct threads *t)
{
	size_t count;
	struct node **list = list_threads(t, &count);
	int r = list ? 0 : -ENOMEM;

	fill_subjects(t);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct node *n = list[i], **place;
		struct str subject = n ? first_message(n)->subject : STR_LIT("");

		if (!subject.len)
			continue;
		place = subject_place(t, subject);
		/* a dummy stands where one of its children stood */
		if (*place != n)
			r = join(t, place, n, list);
	}
	t->root.child = NULL;
	for (size_t i = 0; i < count && r == 0; i++)
		if (list[i])
			add_child(&t->root, list[i]);
	return r;
}

/* ── the algorithms ────────────────────────────────────────────────────────────────── */

static int make_references(struct threads *t, const struct imap_thread_message *m)
{
	int r = make_table(t, m, t->n);

	for (size_t i = 0; i < t->n && r == 0; i++) {
		r = link_message(t, &m[i], &t->nodes[i]);
		if (r < 0)
			break;
		t->nodes[i]->rank = i;
		t->nodes[i]->date =
			t->algorithm == IMAP_THREAD_REFS ? m[i].arrived : m[i].sent;
	}
	if (r == 0)
		r = gather(t);
	if (r < 0)
		return r;
	promote_only_children(t);
	if (t->algorithm == IMAP_THREAD_REFS)
		return sort_by_last(t);
	r = sort_all(t);
	if (r == 0)
		r = join_subjects(t);
	return r < 0 ? r : sort_all(t);
}

static int by_subject(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int order = str_cmp(x->message->subject, y->message->subject);

	return order ? order : by_date(a, b);
}

/* The first of a subject has all others below it. */
static int make_ordered(struct threads *t, const struct imap_thread_message *m)
{
	struct node *top = NULL;

	for (size_t i = 0; i < t->n; i++) {
		t->nodes[i] = new_node(t, STR_LIT(""));
		if (!t->nodes[i])
			return -ENOMEM;
		t->nodes[i]->message = &m[i];
		t->nodes[i]->date = m[i].sent;
		t->nodes[i]->rank = i;
	}
	qsort(t->nodes, t->n, sizeof(*t->nodes), by_subject);
	for (size_t i = 0; i < t->n; i++) {
		struct node *n = t->nodes[i];

		if (top && str_eq(top->message->subject, n->message->subject)) {
			add_child(top, n);
			continue;
		}
		top = n;
		add_child(&t->root, n);
	}
	return sort_all(t);
}

/* ── writing ───────────────────────────────────────────────────────────────────────── */

/* Up to where a sibling is left. Only those that have siblings have parentheses. */
static int put_ends(struct buf *out, const struct node **n, const struct node *top)
{
	int r = 0;

	while (r == 0 && *n != top) {
		if ((*n)->parent->child->next)
			r = buf_byte(out, ')');
		if ((*n)->next) {
			*n = (*n)->next;
			return r < 0 ? r : buf_byte(out, '(');
		}
		*n = (*n)->parent;
	}
	*n = NULL;
	return r;
}

static int put_thread(struct buf *out, const struct node *top)
{
	int r = buf_byte(out, '(');

	for (const struct node *n = top; n && r == 0;) {
		if (n->message)
			r = buf_printf(out, "%" PRIu32 "%s", n->message->number,
				n->child ? " " : "");
		if (r < 0)
			return r;
		if (!n->child) {
			r = put_ends(out, &n, top);
			continue;
		}
		n = n->child;
		if (n->next)
			r = buf_byte(out, '(');
	}
	return r < 0 ? r : buf_byte(out, ')');
}

int imap_put_threads(struct buf *out, enum imap_thread algorithm,
	const struct imap_thread_message *messages, size_t n, struct arena *arena)
{
	struct threads t = { .algorithm = algorithm, .arena = arena, .n = n };
	int r;

	if (!n)
		return 0;
	t.nodes = arena_alloc(arena, n * sizeof(*t.nodes));
	if (!t.nodes)
		return -ENOMEM;
	r = algorithm == IMAP_THREAD_ORDEREDSUBJECT ? make_ordered(&t, messages)
	                                            : make_references(&t, messages);
	for (const struct node *top = t.root.child; top && r == 0; top = top->next)
		r = put_thread(out, top);
	return r;
}
