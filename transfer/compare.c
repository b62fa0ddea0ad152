/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What differs between source and store, and the store's side of mending it. */
#include "transfer/sync.h"

#include <errno.h>

/* ---- folders and subscriptions ---- */

static struct mailbox mailbox_of(const struct folder *f)
{
	return (struct mailbox){ .id = f->mailbox,
		.name = folder_name(f),
		.separator = f->separator,
		.attributes = f->attributes,
		.special_use = str_from(f->special_use),
		.uidvalidity = f->status.uidvalidity,
		.highestmodseq = f->status.highestmodseq };
}

static int create(struct sync *s, struct folder *f)
{
	struct mailbox m = mailbox_of(f);
	int r = sink_begin(&s->sink, s->err);

	sync_note(s, f, "is new");
	if (r == 0)
		r = store_create_mailbox(s->sink.store, &m, &f->mailbox, s->err);
	f->here_uidvalidity = f->status.uidvalidity;
	f->here_uidnext = 1;
	return r;
}

static int update(struct sync *s, struct folder *f)
{
	struct mailbox m = mailbox_of(f);
	int r;

	if (f->attributes == f->here_attributes && f->separator == f->here_separator &&
		!f->here_special_differs)
		return 0;
	sync_note(s, f, "has other attributes");
	r = sink_begin(&s->sink, s->err);
	return r < 0 ? r : store_update_mailbox(s->sink.store, &m, s->err);
}

static int remove_folder(struct sync *s, struct folder *f)
{
	int r = sink_begin(&s->sink, s->err);

	sync_note(s, f, "is gone");
	if (r == 0)
		r = store_delete_mailbox(s->sink.store, f->mailbox, s->err);
	f->mailbox = 0;
	return r;
}

/* One that can be opened is made when its UIDVALIDITY is known. */
static int compare_folder(struct sync *s, struct folder *f)
{
	if (!f->at_source)
		return remove_folder(s, f);
	if (f->mailbox)
		return update(s, f);
	return folder_is_selectable(f) ? 0 : create(s, f);
}

static int compare_subscription(struct sync *s, const struct subscription *sub)
{
	struct str name = str_of(sub->name, sub->name_len);
	int r;

	if (sub->at_source == sub->here)
		return 0;
	sync_note(s, NULL, "subscription \"%.*s\" is %s", STR_ARG(name),
		sub->at_source ? "new" : "gone");
	r = sink_begin(&s->sink, s->err);
	return r < 0 ? r : store_subscribe(s->sink.store, name, sub->at_source, s->err);
}

int compare_folders(struct sync *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->folders.count; i++)
		r = compare_folder(s, &s->folders.at[i]);
	for (size_t i = 0; r == 0 && i < s->folders.n_subscriptions; i++)
		r = compare_subscription(s, &s->folders.subscriptions[i]);
	return r;
}

/* ---- messages ---- */

struct walk {
	struct sync *s;
	struct folder *f;
	size_t next; /* of the listing */
};

static int want(struct walk *w, const struct source_message *m)
{
	struct folder *f = w->f;
	/* the row before it in the listing is wanted as well */
	bool joined =
		w->next > 0 && f->n_wanted > 0 &&
		f->wanted[f->n_wanted - 1].uid == w->s->listing.rows[w->next - 1].uid;

	sync_note(w->s, f, "UID %u is new", m->uid);
	return folder_want(f, m->uid, m->size, joined) < 0
	               ? error_set(w->s->err, -ENOMEM, "no memory")
	               : 0;
}

static int expunge(struct walk *w, uint32_t uid)
{
	int r = sink_begin(&w->s->sink, w->s->err);

	return r < 0 ? r : store_expunge(w->s->sink.store, w->f->mailbox, uid, w->s->err);
}

static int set_flags(struct walk *w, const struct source_message *m)
{
	int r = sink_begin(&w->s->sink, w->s->err);

	return r < 0 ? r
	             : store_set_flags(w->s->sink.store, w->f->mailbox, m->uid, m->flags,
			       m->keywords, NULL, w->s->err);
}

/* Others were removed before it: no difference that anybody sees. */
static int set_order(
	struct walk *w, const struct source_message *m, const struct store_message *row)
{
	struct arena arena;
	struct str uidl; /* the row's own dies with the first write */
	int r = sink_begin(&w->s->sink, w->s->err);

	arena_init(&arena);
	uidl = arena_str(&arena, row->uidl);
	if (r == 0 && !uidl.ptr)
		r = error_set(w->s->err, -ENOMEM, "no memory");
	if (r == 0)
		r = store_set_uidl(w->s->sink.store, w->f->mailbox, m->uid, uidl,
			m->pop3_order, w->s->err);
	arena_fini(&arena);
	return r;
}

static bool same_flags(const struct source_message *m, const struct store_message *row)
{
	return !((m->flags ^ row->flags) & ~(unsigned)FLAG_RECENT) &&
	       str_eq(m->keywords, row->keywords);
}

/* The same UID on both sides. A date or a size never changes; if it does, it is another
   message after all, and is fetched anew. */
static int compare_message(
	struct walk *w, const struct source_message *m, const struct store_message *row)
{
	if (m->date != row->date || m->zone != row->zone || m->size != row->size) {
		int r = want(w, m);

		return r < 0 ? r : expunge(w, m->uid);
	}
	w->f->copied++;
	w->f->copied_bytes += row->body_len;
	w->f->odd_sizes += row->body_len != row->size;
	if (m->pop3_order && m->pop3_order != row->pop3_order)
		return set_order(w, m, row);
	if (!same_flags(m, row))
		sync_note(w->s, w->f, "UID %u has other flags", m->uid);
	else if (m->flags == row->flags)
		return 0;
	return set_flags(w, m);
}

/* A row of the store; those of the listing that lie before it are wanted. */
static int each_row(void *context, const struct store_message *row)
{
	struct walk *w = context;
	struct listing *l = &w->s->listing;
	int r = 0;

	for (; r == 0 && w->next < l->count && l->rows[w->next].uid < row->uid;
		w->next++) {
		struct source_message m = listing_at(l, w->next);

		r = want(w, &m);
	}
	if (r == 0 && w->next < l->count && l->rows[w->next].uid == row->uid) {
		struct source_message m = listing_at(l, w->next);

		r = compare_message(w, &m, row);
		w->next++;
		return r;
	}
	if (r == 0) {
		sync_note(w->s, w->f, "UID %u is gone", row->uid);
		r = expunge(w, row->uid);
	}
	return r;
}

static int want_the_rest(struct walk *w)
{
	struct listing *l = &w->s->listing;
	int r = 0;

	for (; r == 0 && w->next < l->count; w->next++) {
		struct source_message m = listing_at(l, w->next);

		r = want(w, &m);
	}
	return r;
}

static int make_anew(struct sync *s, struct folder *f)
{
	int r = sink_begin(&s->sink, s->err);

	sync_note(s, f, "has another UIDVALIDITY");
	if (r == 0)
		r = store_reset_mailbox(
			s->sink.store, f->mailbox, f->status.uidvalidity, s->err);
	f->here_uidvalidity = f->status.uidvalidity;
	f->here_uidnext = 1;
	return r;
}

int compare_messages(struct sync *s, struct folder *f)
{
	struct walk w = { .s = s, .f = f };
	int r = 0;

	if (!f->mailbox)
		r = create(s, f);
	else if (f->here_uidvalidity != f->status.uidvalidity)
		r = make_anew(s, f);
	if (r == 0)
		r = store_each_message(
			s->sink.store, f->mailbox, 1, UINT32_MAX, each_row, &w, s->err);
	return r ? r : want_the_rest(&w);
}
