/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A message, or a place for one that is only referred to. */
struct node {
	const struct imap_thread_message *message; /* NULL: a dummy */
	struct node *parent, *child, *next;
	struct node *stays; /* of a dummy: the parent of messages below it, once known */
	int64_t date; /* what siblings are sorted by; then by their rank in the mailbox */
	size_t rank;
	size_t slot; /* of a thread: its place in the list of them */
};

struct place {
	uint64_t hash; /* of the text */
	struct str text;
	struct node *node;
};
_Static_assert(sizeof(struct place) <= 32, "more is sorted by pointers");

/* A mailbox of ordinary mail takes some; 20,000 messages in one chain 200 million. */
#define STEPS_MAX ((size_t)400 << 20)
#define STEPS_THEN 100 /* of each link: what is deeper begins a thread of its own */

struct threads {
	enum imap_thread algorithm;
	struct arena *arena;
	struct place *places; /* by id, later by subject */
	size_t n_places;
	size_t steps;        /* up from a node, to find loops */
	struct node root;    /* its children are the threads */
	struct node **nodes; /* of the messages */
	size_t n;
};

/* ── nodes by a text ───────────────────────────────────────────────────────────────── */

#define HASH_FACTOR 0x9e3779b97f4a7c15u /* odd, without a pattern: 2^64 / golden ratio */

static uint64_t hash_of(struct str text)
{
	uint64_t hash = text.len;

	while (text.len) {
		struct str word = str_take(text, sizeof(uint64_t));
		uint64_t n = 0;

		memcpy(&n, word.ptr, word.len);
		hash = (hash ^ n) * HASH_FACTOR;
		hash ^= hash >> 32;
		text = str_skip(text, word.len);
	}
	return hash;
}

/* Sorted, by hashes, and no table of hashes: what others send decides the texts, so they
   could all fall into one place of it. Here those of one hash are only slower. */
static int by_text(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return str_cmp(x->text, y->text);
}

static void sort_places(struct threads *t)
{
	size_t kept = 0;

	qsort(t->places, t->n_places, sizeof(*t->places), by_text);
	for (size_t i = 0; i < t->n_places; i++)
		if (!kept || !str_eq(t->places[kept - 1].text, t->places[i].text))
			t->places[kept++] = t->places[i];
	t->n_places = kept;
}

/* Of a text that is there. */
static struct node **place_of(struct threads *t, struct str text)
{
	const struct place wanted = { .hash = hash_of(text), .text = text };
	struct place *place =
		bsearch(&wanted, t->places, t->n_places, sizeof(*t->places), by_text);

	return &place->node;
}

static void add_place(struct threads *t, struct str text)
{
	t->places[t->n_places++] = (struct place){ .hash = hash_of(text), .text = text };
}

static size_t first_reference(const struct imap_thread_message *m)
{
	return m->n_references > IMAP_THREAD_REFERENCES_MAX
	               ? m->n_references - IMAP_THREAD_REFERENCES_MAX
	               : 0;
}

static int make_places(struct threads *t, const struct imap_thread_message *m)
{
	size_t most = t->n; /* of ids, and later of subjects */

	for (size_t i = 0; i < t->n; i++)
		most += m[i].n_references;
	t->places = arena_alloc(t->arena, most * sizeof(*t->places));
	if (!t->places)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		if (m[i].id.len)
			add_place(t, m[i].id);
		for (size_t k = first_reference(&m[i]); k < m[i].n_references; k++)
			add_place(t, m[i].references[k]);
	}
	sort_places(t);
	return 0;
}

static struct node *new_node(struct threads *t)
{
	return arena_alloc(t->arena, sizeof(struct node));
}

/* The node of that id, made when there is none. NULL: no memory. */
static struct node *node_of(struct threads *t, struct str id)
{
	struct node **place = place_of(t, id);

	if (!*place)
		*place = new_node(t);
	return *place;
}

/* ── links ─────────────────────────────────────────────────────────────────────────── */

/* Or perhaps, when it costs too much to say. */
static bool is_above(struct threads *t, const struct node *above, const struct node *node)
{
	size_t most = t->steps < STEPS_MAX ? SIZE_MAX : STEPS_THEN, steps = 0;

	for (; node && node != above && steps < most; steps++)
		node = node->parent;
	t->steps += steps;
	return node != NULL;
}

/* Only parents are noted until all are known; children are gathered in the end. */
static void link_to(
	struct threads *t, struct node *child, struct node *parent, bool replace)
{
	if (child->parent && !replace)
		return;
	child->parent = NULL; /* also when the new one would make a loop */
	if (!is_above(t, child, parent))
		child->parent = parent;
}

/* Step 1 of REFERENCES for one message. */
static int link_message(
	struct threads *t, const struct imap_thread_message *m, struct node **ret_node)
{
	struct node *node = m->id.len ? node_of(t, m->id) : NULL, *above = NULL;

	if (!node || node->message) /* none, or taken: it has one of its own */
		node = new_node(t);
	if (!node)
		return -ENOMEM;
	node->message = m;
	for (size_t i = first_reference(m); i < m->n_references; i++) {
		struct node *next = node_of(t, m->references[i]);

		if (!next)
			return -ENOMEM;
		if (above)
			link_to(t, next, above, false);
		above = next;
	}
	if (above)
		link_to(t, node, above, true);
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
	struct node *found = NULL, *top = node->parent;

	if (!top)
		return &t->root;
	for (struct node *up = top; up && !found; up = up->parent) {
		top = up;
		found = up->message ? up : up->stays;
	}
	if (!found)
		found = top;
	/* the way is long only once */
	for (struct node *up = node->parent; up && up != found && !up->stays;
		up = up->parent)
		up->stays = found;
	return found;
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

/* The next one of a tree, whose parents stand before their children; NULL: none. */
static struct node *next_below(struct node *n, const struct node *top)
{
	if (n->child)
		return n->child;
	while (n != top && !n->next)
		n = n->parent;
	return n == top ? NULL : n->next;
}

/* REFS: threads by the message that came last. */
static int sort_by_last(struct threads *t)
{
	int r = sort_all(t);

	for (struct node *top = t->root.child; top; top = top->next)
		for (struct node *n = top; n; n = next_below(n, top))
			if (n->date > top->date)
				top->date = n->date;
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

static void fill_subjects(struct threads *t)
{
	t->n_places = 0; /* they are free again; no more threads than messages */
	for (struct node *n = t->root.child; n; n = n->next)
		add_place(t, first_message(n)->subject);
	sort_places(t);
	for (struct node *n = t->root.child; n; n = n->next) {
		struct node **place = place_of(t, first_message(n)->subject);

		if (!*place || is_better(n, *place))
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
	struct node *dummy = new_node(t), *old = *place;

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
		place = place_of(t, subject);
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
	int r = make_places(t, m);

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
		t->nodes[i] = new_node(t);
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
			r = buf_number(out, n->message->number);
		if (r == 0 && n->message && n->child)
			r = buf_byte(out, ' ');
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
