/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/job/onward_proof.h"

#include "transfer/copy/folders.h"
#include "transfer/copy/listing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SHOWN 100 /* of what the server says */
#define COMPARED_FLAGS                                                                   \
	(FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT)

_Static_assert((unsigned)FLAG_SEEN == MAIL_SEEN && (unsigned)FLAG_DRAFT == MAIL_DRAFT &&
		       (unsigned)FLAG_DELETED == MAIL_DELETED &&
		       (unsigned)FLAG_FLAGGED == MAIL_FLAGGED &&
		       (unsigned)FLAG_ANSWERED == MAIL_ANSWERED,
	"the same bits");

struct proof {
	struct store *store;
	struct source there;
	int (*tick)(void *context);
	void *context;
	struct onward_proof *count;
	struct error *err;

	struct arena arena;
	struct folders folders; /* there */
	struct mailbox *boxes;  /* here; owned */
	size_t n_boxes;
	/* of the one that is listed: */
	struct source_status looks;
	struct listing listing;
	bool is_listed;
	char refused[SHOWN + 1];
	size_t next; /* row that is compared */
};

static int no_memory(struct proof *p)
{
	return error_set(p->err, -ENOMEM, "no memory");
}

/* ---- what the server says ---- */

static int on_folder(void *context, const struct mail_folder *f)
{
	struct proof *p = context;

	return folders_add(&p->folders, f) < 0 ? no_memory(p) : 0;
}

static int on_subscription(void *context, struct str name)
{
	struct proof *p = context;

	return folders_subscribe(&p->folders, name, true, false) < 0 ? no_memory(p) : 0;
}

static int on_opened(void *context, size_t folder, const struct source_status *looks)
{
	struct proof *p = context;

	(void)folder;
	p->looks = *looks;
	listing_fini(&p->listing); /* it begins anew */
	return 0;
}

static int on_row(void *context, size_t folder, const struct mail *m)
{
	struct proof *p = context;

	(void)folder;
	return listing_add(&p->listing, m) < 0 ? no_memory(p) : 0;
}

static int on_unreadable(void *context, size_t folder, uint32_t uid, struct str text)
{
	struct proof *p = context;

	return error_set(p->err, -EREMOTEIO,
		"the destination says of \"%.*s\", UID %u what cannot be understood: %.*s",
		STR_ARG(p->boxes[folder].name), uid, STR_ARG(text));
}

static int on_listed(void *context, size_t folder, enum source_end end, struct str text)
{
	struct proof *p = context;

	(void)folder;
	p->is_listed = end == SOURCE_DONE;
	(void)snprintf(
		p->refused, sizeof(p->refused), "%.*s", STR_ARG(str_take(text, SHOWN)));
	return 0;
}

/* What such names and words mean is seen in the mailboxes and messages. */
static int on_namespaces(void *context, struct str text)
{
	(void)context;
	(void)text;
	return 0;
}

static int on_keywords(void *context, size_t folder, struct str words)
{
	(void)context;
	(void)folder;
	(void)words;
	return 0;
}

static int on_tick(void *context)
{
	struct proof *p = context;

	return p->tick ? p->tick(p->context) : 0;
}

static int run(struct proof *p)
{
	const struct source_events events = { .context = p,
		.folder = on_folder,
		.subscription = on_subscription,
		.namespaces = on_namespaces,
		.opened = on_opened,
		.keywords = on_keywords,
		.row = on_row,
		.unreadable = on_unreadable,
		.listed = on_listed,
		.tick = on_tick };

	return p->there.ops->run(p->there.self, &events, p->err);
}

/* ---- mailboxes ---- */

static bool has_mail(const struct mailbox *m)
{
	return !(m->attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT));
}

static int add_box(void *context, const struct mailbox *m)
{
	struct proof *p = context;
	struct mailbox *more;

	if (!has_mail(m))
		return 0;
	more = reallocarray(p->boxes, p->n_boxes + 1, sizeof(*more));
	if (!more)
		return no_memory(p);
	p->boxes = more;
	more[p->n_boxes] = *m;
	more[p->n_boxes].name = arena_str(&p->arena, m->name);
	return more[p->n_boxes++].name.ptr ? 0 : no_memory(p);
}

static int check_name(struct proof *p, const struct mailbox *m)
{
	const struct folder *there = folders_find(&p->folders, m->name);
	char separator = m->separator ? m->separator : '/';

	if (!there || !folder_is_selectable(there))
		return error_set(p->err, -EREMOTEIO,
			"the destination does not show the mailbox \"%.*s\": its "
			"mail_location has to be that Maildir, its namespace needs "
			"separator = %c and an empty prefix (and the plugin listescape, "
			"for names with dots or backslashes in them)",
			STR_ARG(m->name), separator);
	if (m->separator && there->separator != m->separator)
		return error_set(p->err, -EREMOTEIO,
			"the destination separates names by \"%c\", and the old server by "
			"\"%c\": set separator = %c in its namespace",
			there->separator ? there->separator : ' ', separator, separator);
	return 0;
}

static int read_names(struct proof *p)
{
	int r = p->there.ops->folders(p->there.self, p->err);

	if (r == 0)
		r = run(p);
	folders_settle(&p->folders);
	if (r == 0)
		r = store_each_mailbox(p->store, add_box, p, p->err);
	for (size_t i = 0; r == 0 && i < p->n_boxes; i++)
		r = check_name(p, &p->boxes[i]);
	return r;
}

static void count_others(struct proof *p)
{
	size_t selectable = 0;

	for (size_t i = 0; i < p->folders.count; i++)
		selectable += folder_is_selectable(&p->folders.at[i]);
	p->count->others = selectable > p->n_boxes ? selectable - p->n_boxes : 0;
}

static int check_subscription(void *context, struct str name)
{
	struct proof *p = context;

	for (size_t i = 0; i < p->folders.n_subscriptions; i++) {
		const struct subscription *s = &p->folders.subscriptions[i];

		if (str_eq(str_of(s->name, s->name_len), name))
			return 0;
	}
	if (!folders_find(&p->folders, name)) /* of what is not there nobody misses it */
		return 0;
	return error_set(p->err, -EREMOTEIO,
		"the destination does not show that \"%.*s\" is subscribed",
		STR_ARG(name));
}

/* ---- messages ---- */

struct one {
	struct proof *p;
	const struct mailbox *box;
};

static int differs(const struct one *o, uint32_t uid, const char *what)
{
	return error_set(o->p->err, -EREMOTEIO,
		"the destination shows UID %u of \"%.*s\" %s", uid, STR_ARG(o->box->name),
		what);
}

static int compare(void *context, const struct store_message *is)
{
	struct one *o = context;
	struct proof *p = o->p;
	struct mail there;

	if (p->next >= p->listing.count)
		return differs(o, is->uid, "not at all");
	there = listing_at(&p->listing, p->next++);
	if (there.uid > is->uid)
		return differs(o, is->uid, "not at all");
	if (there.uid < is->uid)
		return differs(o, there.uid, "and the old server does not");
	if ((there.flags ^ is->flags) & COMPARED_FLAGS)
		return differs(o, is->uid, "with other flags");
	if (!str_eq(there.keywords, is->keywords))
		return differs(o, is->uid, "with other keywords");
	if (there.date != is->date)
		return differs(o, is->uid, "with another date");
	if (there.size != is->body_len)
		return differs(o, is->uid,
			"with another size: it has lines that do not end in CRLF");
	p->count->messages++;
	p->count->bytes += is->body_len;
	return 0;
}

static int compare_rows(struct one *o)
{
	struct proof *p = o->p;
	int r;

	p->next = 0;
	if (listing_finish(&p->listing) < 0)
		return no_memory(p);
	r = store_each_message(p->store, o->box->id, 1, UINT32_MAX, compare, o, p->err);
	if (r == 0 && p->next < p->listing.count)
		r = differs(
			o, p->listing.rows[p->next].uid, "and the old server does not");
	return r;
}

static int compare_box(struct proof *p, size_t index)
{
	struct one o = { p, &p->boxes[index] };
	int r;

	p->is_listed = false;
	r = p->there.ops->list(p->there.self, index, o.box->name, p->err);
	if (r == 0)
		r = run(p);
	if (r)
		return r;
	if (!p->is_listed)
		return error_set(p->err, -EREMOTEIO,
			"the destination does not open \"%.*s\": %s",
			STR_ARG(o.box->name), p->refused);
	if (p->looks.uidvalidity != o.box->uidvalidity ||
		p->looks.uidnext < o.box->uidnext)
		return error_set(p->err, -EREMOTEIO,
			"the destination shows \"%.*s\" with UIDVALIDITY %u, UIDNEXT %u "
			"instead of %u and %u",
			STR_ARG(o.box->name), p->looks.uidvalidity, p->looks.uidnext,
			o.box->uidvalidity, o.box->uidnext);
	p->count->folders++;
	return compare_rows(&o);
}

static int prove(struct proof *p)
{
	int r = read_names(p);

	count_others(p);
	if (r == 0)
		r = store_each_subscription(p->store, check_subscription, p, p->err);
	for (size_t i = 0; r == 0 && i < p->n_boxes; i++)
		r = compare_box(p, i);
	return r;
}

int onward_proof_run(struct store *s, const struct source *there,
	int (*tick)(void *context), void *context, struct onward_proof *ret,
	struct error *err)
{
	struct onward_proof count = { 0 };
	struct proof p = { .store = s,
		.there = *there,
		.tick = tick,
		.context = context,
		.count = &count,
		.err = err };
	int r;

	arena_init(&p.arena);
	listing_init(&p.listing);
	r = prove(&p);
	listing_fini(&p.listing);
	folders_fini(&p.folders);
	arena_fini(&p.arena);
	free(p.boxes);
	if (r == 0)
		*ret = count;
	return r;
}
