/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/back/carry.h"

#include "transfer/back/carry_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define INBOX STR_LIT("INBOX")

void carry_init(struct carry *c, struct store *store, const struct source *source,
	const struct writer *writer)
{
	*c = (struct carry){ .store = store, .source = *source };
	if (writer)
		c->writer = *writer;
	arena_init(&c->names);
	arena_init(&c->arena);
	listing_init(&c->listing);
}

void carry_fini(struct carry *c)
{
	folders_fini(&c->folders);
	listing_fini(&c->listing);
	free(c->boxes);
	free(c->tried);
	arena_fini(&c->arena);
	arena_fini(&c->names);
	c->boxes = NULL;
	c->tried = NULL;
}

int carry_no_memory(struct carry *c)
{
	return error_set(c->err, -ENOMEM, "no memory");
}

void carry_name(struct carry *c, struct carry_names *names, struct str name)
{
	for (size_t i = 0; i < names->n && i < CARRY_NAMES_MAX; i++)
		if (str_eq(names->at[i], name))
			return;
	if (names->n < CARRY_NAMES_MAX) {
		name = arena_str(&c->names, name);
		names->at[names->n] = name.ptr ? name : STR_LIT("");
	}
	names->n++;
}

static bool is_named(struct str a, struct str b)
{
	return str_eq(a, b) || (str_ieq(a, INBOX) && str_ieq(b, INBOX));
}

/* ---- what is here ---- */

int carry_add_box(struct carry *c, const struct carry_box *b)
{
	size_t cap = c->cap_boxes ? c->cap_boxes * 2 : 64;
	struct carry_box *more;

	if (c->n_boxes == c->cap_boxes) {
		more = reallocarray(c->boxes, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->boxes = more;
		c->cap_boxes = cap;
	}
	c->boxes[c->n_boxes++] = *b;
	return 0;
}

static int add_box(void *context, const struct mailbox *m)
{
	struct carry *c = context;
	const struct carry_box b = { .id = m->id,
		.name = arena_str(&c->arena, m->name),
		.separator = m->separator,
		.attributes = m->attributes,
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext,
		.messages = m->messages,
		.modseq = m->highestmodseq };

	return b.name.ptr && carry_add_box(c, &b) == 0 ? 0 : carry_no_memory(c);
}

static struct carry_box *box_named(struct carry *c, struct str name)
{
	for (size_t i = 0; i < c->n_boxes; i++)
		if (is_named(c->boxes[i].name, name))
			return &c->boxes[i];
	return NULL;
}

/* It was removed here, or cannot follow; what it holds there stays. */
static int stays_there(struct carry *c, struct str name)
{
	if (folders_find(&c->folders, name) && !box_named(c, name))
		carry_name(c, &c->lost.folders, name);
	return 0;
}

struct base_walk {
	struct carry *c;
	size_t n;
};

static int add_base(void *context, const struct store_base *base)
{
	struct base_walk *w = context;
	struct carry *c = w->c;

	w->n++;
	for (size_t i = 0; i < c->n_boxes; i++) {
		struct carry_box *b = &c->boxes[i];

		if (b->id != base->mailbox)
			continue;
		b->has_base = true;
		b->base = *base;
		b->base.name = arena_str(&c->arena, base->name);
		if (!b->base.name.ptr)
			return carry_no_memory(c);
		/* where it goes there is something already */
		return b->there ? stays_there(c, base->name) : 0;
	}
	return stays_there(c, base->name);
}

static int read_bases(struct carry *c)
{
	struct base_walk w = { .c = c };
	int r = store_switch_modseq(c->store, &c->since, c->err);

	if (r == 0)
		r = store_each_base(c->store, add_base, &w, c->err);
	if (r == 0 && !w.n)
		r = error_set(c->err, -ENODATA,
			"an older version moved it and did not note what its folders held "
			"then, so it cannot be told what is new since; the account stays "
			"here");
	return r;
}

static int read_here(struct carry *c)
{
	int r = store_each_mailbox(c->store, add_box, c, c->err);

	if (r == 0)
		r = carry_names_there(c);
	return r || carry_side(c) == SIDE_DESTINATION ? r : read_bases(c);
}

static bool is_open(const struct carry_box *b)
{
	return b->there && folder_is_selectable(b->there) && carry_may_hold_mail(b);
}

/* ---- folders ---- */

/* Known by the mailbox's number here: its name is the only thing that changed. */
static bool is_renamed(const struct carry *c, const struct carry_box *b)
{
	return b->has_base && !b->there && carry_may_hold_mail(b) &&
	       !is_named(b->base.name, b->name) && !is_named(b->base.name, INBOX) &&
	       folders_find(&c->folders, b->base.name) != NULL;
}

/* "Old/x" for the child of Old that is New/x here; the rest behind the names is equal. */
static bool is_child_of(const struct carry_box *child, const struct carry_box *b)
{
	struct str there = child->base.name, here = child->name;

	if (!child->has_base || !b->separator || there.len <= b->base.name.len ||
		here.len <= b->name.len)
		return false;
	if (!str_starts(there, b->base.name) || !str_starts(here, b->name))
		return false;
	there = str_skip(there, b->base.name.len);
	here = str_skip(here, b->name.len);
	return there.ptr[0] == b->separator && str_eq(there, here);
}

/* Refusals name the folder. */
int carry_refused(struct carry *c, int code, struct str name)
{
	struct error why = *c->err;

	return code == -EREMOTEIO
	               ? error_set(c->err, code, "\"%.*s\": %s", STR_ARG(name), why.text)
	               : code;
}

static int note_rename(struct carry *c, const struct carry_box *b)
{
	int r = store_begin(c->store, c->err);

	if (r < 0)
		return r;
	r = store_rename_base(c->store, b->id, b->name, c->err);
	/* a server renames those below it, too (RFC 3501, 6.3.5) */
	for (size_t i = 0; r == 0 && i < c->n_boxes; i++)
		if (is_child_of(&c->boxes[i], b))
			r = store_rename_base(
				c->store, c->boxes[i].id, c->boxes[i].name, c->err);
	if (r == 0)
		return store_commit(c->store, c->err);
	store_rollback(c->store);
	return r;
}

/* One at a time: the next look sees what it did to the others. */
static int rename_one(struct carry *c)
{
	const struct carry_box *first = NULL;
	int r;

	for (size_t i = 0; i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i];

		if (!is_renamed(c, b))
			continue;
		if (!c->writer.ops)
			c->sums.renamed++;
		else if (!first || b->base.name.len < first->base.name.len)
			first = b;
	}
	if (!first)
		return 0;
	r = carry_refused(c,
		c->writer.ops->rename(
			c->writer.self, first->base.name, first->name, c->err),
		first->name);
	if (r == 0)
		r = note_rename(c, first);
	if (r == 0)
		c->sums.renamed++;
	return r ? r : 1;
}

/* A name that only has others below it can become a folder. */
static bool is_missing(const struct carry *c, const struct carry_box *b)
{
	return carry_may_hold_mail(b) &&
	       (!b->there || (c->way == CARRY_ON && !folder_is_selectable(b->there)));
}

static int create_all(struct carry *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i];

		if (!is_missing(c, b) || (!c->writer.ops && is_renamed(c, b)))
			continue;
		if (c->writer.ops) {
			r = carry_refused(c,
				c->writer.ops->create(
					c->writer.self, b->name_there, c->err),
				b->name_there);
			c->again = true;
		}
		if (r == 0)
			c->sums.folders++;
	}
	return r;
}

/* ---- subscriptions ---- */

static int subscribe(struct carry *c, struct str name, bool subscribed)
{
	int r = 0;

	if (c->has_tried_subscriptions) {
		carry_name(c, &c->lost.unsubscribed, name);
		return 0;
	}
	if (c->writer.ops)
		r = c->writer.ops->subscribe(c->writer.self, name, subscribed, c->err);
	if (r == -EREMOTEIO) {
		carry_name(c, &c->lost.unsubscribed, name);
		return 0;
	}
	if (r == 0)
		c->sums.subscriptions++;
	return r;
}

bool carry_is_subscribed_there(const struct carry *c, struct str name)
{
	for (size_t i = 0; i < c->folders.n_subscriptions; i++) {
		const struct subscription *s = &c->folders.subscriptions[i];

		if (is_named(str_of(s->name, s->name_len), name))
			return true;
	}
	return false;
}

static char separator_of(struct carry *c, struct str name)
{
	const struct carry_box *b = box_named(c, name);

	return b ? b->separator : c->n_boxes ? c->boxes[0].separator : '\0';
}

static int each_subscription(void *context, struct str name)
{
	struct carry *c = context;
	struct str there = carry_name_there(c, name, separator_of(c, name));

	if (!there.ptr)
		return carry_no_memory(c);
	return carry_is_subscribed_there(c, there) ? 0 : subscribe(c, there, true);
}

/* Some servers subscribe by themselves what is made. */
static int unsubscribe_others(struct carry *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i];

		if (carry_is_subscribed_there(c, b->name_there) &&
			!store_is_subscribed(c->store, b->name))
			r = subscribe(c, b->name_there, false);
	}
	return r;
}

/* Only one that was there at the switch was taken away here. */
static int each_base_subscription(void *context, struct str name)
{
	struct carry *c = context;

	return carry_is_subscribed_there(c, name) && !store_is_subscribed(c->store, name)
	               ? subscribe(c, name, false)
	               : 0;
}

static int carry_subscriptions(struct carry *c)
{
	int r = store_each_subscription(c->store, each_subscription, c, c->err);

	if (r == 0 && c->way == CARRY_ON)
		r = unsubscribe_others(c);
	else if (r == 0)
		r = store_each_base_subscription(
			c->store, each_base_subscription, c, c->err);
	c->has_tried_subscriptions = c->has_tried_subscriptions || r == 0;
	return r;
}

/* ---- which folders have to be looked at ---- */

static int see_any(void *context, const struct store_counterpart *n)
{
	(void)context;
	(void)n;
	return 1;
}

/* Nothing was changed here since the switch, and the source has what it had then: nothing
   came, so that as many are the same ones. */
static int is_quiet(struct carry *c, const struct carry_box *b)
{
	if (!b->has_base || !is_named(b->base.name, b->name) || b->modseq > c->since ||
		b->looks.uidvalidity != b->base.uidvalidity ||
		b->looks.uidnext != b->base.uidnext || b->looks.messages < b->messages)
		return 0;
	return !store_each_counterpart(
		c->store, carry_side(c), b->name_there, see_any, NULL, c->err);
}

static int look(struct carry *c)
{
	int r = 0;

	if (!c->source.ops->status)
		return 0;
	for (size_t i = 0; r == 0 && i < c->n_boxes; i++)
		if (is_open(&c->boxes[i]))
			r = c->source.ops->status(
				c->source.self, i, c->boxes[i].name_there, c->err);
	return r ? r : carry_run(c);
}

static int count_new(void *context, const struct store_message *m)
{
	struct carry *c = context;

	c->sums.messages++;
	c->sums.bytes += m->body_len;
	c->lost.uids++;
	return 0;
}

/* Of a folder that the source does not have yet, or has under another name. */
static int foretell(struct carry *c, const struct carry_box *b)
{
	if (carry_may_change(c) || b->there || !carry_may_hold_mail(b))
		return 0;
	return store_each_message(c->store, b->id, is_renamed(c, b) ? b->base.uidnext : 1,
		UINT32_MAX, count_new, c, c->err);
}

static int see_uid(void *context, uint32_t uid)
{
	(void)context;
	(void)uid;
	return 1;
}

int carry_has_late(struct carry *c, const struct carry_box *b)
{
	return store_each_late(c->store, b->id, see_uid, NULL, c->err);
}

/* 1: there is something to be done or to be proven in it. */
static int is_due(struct carry *c, const struct carry_box *b)
{
	if (c->way == CARRY_LATE)
		return carry_has_late(c, b);
	if (c->way == CARRY_BACK)
		return is_open(b) && !is_quiet(c, b);
	if (c->way == CARRY_HOME)
		return is_open(b);
	if (is_open(b) || !carry_may_hold_mail(b))
		return is_open(b);
	return error_set(c->err, -EREMOTEIO,
		"\"%.*s\" cannot hold messages at the destination",
		STR_ARG(b->name_there));
}

static int carry_folders(struct carry *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_boxes; i++) {
		r = foretell(c, &c->boxes[i]);
		if (r == 0)
			r = is_due(c, &c->boxes[i]);
		if (r == 1)
			r = carry_folder(c, &c->boxes[i]);
	}
	return r;
}

/* ---- what was carried on, and is in no folder here any more ---- */

static int see_orphans(void *context, struct str key)
{
	struct carry *c = context;
	const struct folder *there = folders_find(&c->folders, key);
	struct str name;

	for (size_t i = 0; i < c->n_boxes; i++)
		if (is_named(c->boxes[i].name_there, key))
			return 0;
	if (!there || !folder_is_selectable(there))
		return 0;
	name = arena_str(&c->arena, folder_name(there));
	if (!name.ptr || carry_add_box(c, &(struct carry_box){ .name = name,
						  .name_there = name,
						  .there = there }) < 0)
		return carry_no_memory(c);
	carry_name(c, &c->lost.folders, name);
	return 0;
}

/* ---- a pass ---- */

static bool shows_nothing(const struct carry *c)
{
	for (size_t i = 0; i < c->n_boxes; i++)
		if (c->boxes[i].looks.messages)
			return false;
	return true;
}

static int pass_home(struct carry *c)
{
	int r = carry_home_strangers(c);

	if (r == 0)
		r = look(c);
	c->shows_nothing = r == 0 && shows_nothing(c);
	if (r == 0)
		r = carry_home_folders(c);
	if (r == 0)
		r = carry_home_subscriptions(c);
	if (r == 0)
		r = carry_folders(c);
	return r ? r : c->again;
}

static int pass(struct carry *c)
{
	int r = carry_read_source(c);

	if (r == 0)
		r = read_here(c);
	if (c->way == CARRY_HOME)
		return r ? r : pass_home(c);
	if (r == 0 && c->way == CARRY_BACK)
		r = rename_one(c);
	if (r == 0 && c->way != CARRY_LATE)
		r = create_all(c);
	if (r == 0 && c->again)
		return 1; /* what they are is seen by the next one */
	if (r == 0 && c->way != CARRY_LATE)
		r = carry_subscriptions(c);
	if (r == 0 && c->way == CARRY_ON) /* they are boxes from here on */
		r = store_each_counterpart_folder(
			c->store, SIDE_DESTINATION, see_orphans, c, c->err);
	if (r == 0)
		r = look(c);
	if (r == 0)
		r = carry_folders(c);
	return r ? r : c->again && c->writer.ops;
}

int carry_pass(struct carry *c, struct error *err)
{
	int r;

	c->err = err;
	c->again = false;
	/* what was refused was asked once */
	c->lost = (struct carry_losses){ .unsubscribed = c->lost.unsubscribed,
		.keywords = c->lost.keywords };
	c->namespaces = STR_LIT(""); /* of this pass's arena */
	c->proof = (struct carry_proof){ 0 };
	c->n_boxes = 0;
	r = pass(c);
	listing_fini(&c->listing);
	folders_fini(&c->folders);
	arena_fini(&c->arena);
	return r;
}

int carry_all(struct carry *c, struct error *err)
{
	int r = 1;

	for (unsigned i = 0; r == 1 && i < CARRY_PASSES_MAX;) {
		uint64_t renamed = c->sums.renamed;

		r = carry_pass(c, err);
		i += renamed == c->sums.renamed;
	}
	return r == 1 ? error_set(err, -EREMOTEIO,
				c->way == CARRY_HOME
					? "the source changes while it is read"
					: "the source does not keep what is carried to it")
	              : r;
}
