/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What differs between source and destination, and the destination's side of mending it.
 */
#include "transfer/copy/changes.h"

#include <errno.h>

/* ---- folders and subscriptions ---- */

static struct mail_folder folder_of(const struct folder *f)
{
	return (struct mail_folder){ .name = folder_name(f),
		.separator = f->separator,
		.attributes = f->attributes,
		.special_use = str_from(f->special_use) };
}

static int create(struct sync *s, struct folder *f)
{
	struct mail_folder is = folder_of(f);

	sync_note(s, f, "is new");
	f->here_uidvalidity = f->status.uidvalidity;
	f->here_uidnext = 1;
	return s->to.ops->create_folder(s->to.self, &is, &f->status, &f->id, s->err);
}

static int update(struct sync *s, struct folder *f)
{
	struct mail_folder is = folder_of(f);

	if (f->attributes == f->here_attributes && f->separator == f->here_separator &&
		!f->here_special_differs)
		return 0;
	sync_note(s, f, "has other attributes");
	return s->to.ops->update_folder(s->to.self, f->id, &is, s->err);
}

static int remove_folder(struct sync *s, struct folder *f)
{
	int r = s->to.ops->delete_folder(s->to.self, f->id, s->err);

	sync_note(s, f, "is gone");
	f->id = 0;
	return r;
}

/* One that can be opened is made when its UIDVALIDITY is known. */
static int compare_folder(struct sync *s, struct folder *f)
{
	if (!f->at_source)
		return remove_folder(s, f);
	if (f->id)
		return update(s, f);
	return folder_is_selectable(f) ? 0 : create(s, f);
}

static int compare_subscription(struct sync *s, const struct subscription *sub)
{
	struct str name = str_of(sub->name, sub->name_len);

	if (sub->at_source == sub->here)
		return 0;
	sync_note(s, NULL, "subscription \"%.*s\" is %s", STR_ARG(name),
		sub->at_source ? "new" : "gone");
	return s->to.ops->subscribe(s->to.self, name, sub->at_source, s->err);
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
	size_t next;      /* of the listing */
	uint32_t uidnext; /* below it all of them had been copied; 0: not known */
};

int compare_want(struct sync *s, struct folder *f, const struct mail *m, bool joined)
{
	uint64_t size = m->size == MAIL_SIZE_UNKNOWN ? 0 : m->size;

	sync_note(s, f, "UID %u is new", m->uid);
	s->arrivals++;
	if (folder_want(f, m->uid, size, joined) < 0)
		return error_set(s->err, -ENOMEM, "no memory");
	f->wanted[f->n_wanted - 1].listed = changes_of_row(m);
	return 0;
}

/* The row before it in the listing is wanted as well. */
static bool is_joined(const struct walk *w)
{
	const struct folder *f = w->f;

	return w->next > 0 && f->n_wanted > 0 &&
	       f->wanted[f->n_wanted - 1].uid == w->s->listing.rows[w->next - 1].uid;
}

static int contradiction(
	struct sync *s, const struct folder *f, uint32_t uid, const char *what)
{
	return error_set(s->err, -ESTALE, "\"%.*s\", UID %u: %s", STR_ARG(folder_name(f)),
		uid, what);
}

static int want(struct walk *w, const struct mail *m)
{
	if (m->uid < w->uidnext)
		return contradiction(
			w->s, w->f, m->uid, "it was there, and was not copied");
	return compare_want(w->s, w->f, m, is_joined(w));
}

static int expunge(struct sync *s, struct folder *f, uint32_t uid)
{
	return s->to.ops->expunge(s->to.self, f->id, uid, s->err);
}

/* Others were removed before it: no difference that anybody sees. */
static int set_order(
	struct sync *s, struct folder *f, const struct mail *m, const struct mail *row)
{
	struct mail moved = *row;

	moved.pop3_order = m->pop3_order;
	return s->to.ops->set_uidl(s->to.self, f->id, &moved, s->err);
}

static bool same_flags(const struct mail *m, const struct mail *row)
{
	return !((m->flags ^ row->flags) & ~(unsigned)MAIL_RECENT) &&
	       str_eq(m->keywords, row->keywords);
}

static bool same_size(const struct mail *m, const struct mail *row)
{
	return m->size == MAIL_SIZE_UNKNOWN || m->size == row->size;
}

/* The same UID on both sides. A date or a size never changes; if it does, it is another
   message after all, and is fetched anew. */
static bool is_another(const struct mail *m, const struct mail *row)
{
	return m->date != row->date || m->zone != row->zone || !same_size(m, row);
}

static int compare_same(
	struct sync *s, struct folder *f, const struct mail *m, const struct mail *row)
{
	f->copied++;
	f->copied_bytes += row->body_len;
	f->odd_sizes += row->body_len != row->size;
	if (m->pop3_order && m->pop3_order != row->pop3_order)
		return set_order(s, f, m, row);
	s->keyword_changes += !str_eq(m->keywords, row->keywords);
	if (!same_flags(m, row))
		sync_note(s, f, "UID %u has other flags", m->uid);
	else if (m->flags == row->flags)
		return 0;
	return s->to.ops->set_flags(s->to.self, f->id, m, s->err);
}

int compare_message(struct sync *s, struct folder *f, const struct mail *m,
	const struct mail *row, bool joined)
{
	int r;

	if (!is_another(m, row))
		return compare_same(s, f, m, row);
	if (s->doubts)
		return contradiction(s, f, m->uid, "it is another message");
	r = compare_want(s, f, m, joined);
	return r < 0 ? r : expunge(s, f, m->uid);
}

/* A row of the destination; those of the listing that lie before it are wanted. */
static int each_row(void *context, const struct mail *row)
{
	struct walk *w = context;
	struct listing *l = &w->s->listing;
	int r = 0;

	for (; r == 0 && w->next < l->count && l->rows[w->next].uid < row->uid;
		w->next++) {
		struct mail m = listing_at(l, w->next);

		r = want(w, &m);
	}
	if (r == 0 && w->next < l->count && l->rows[w->next].uid == row->uid) {
		struct mail m = listing_at(l, w->next);

		r = compare_message(w->s, w->f, &m, row, is_joined(w));
		w->next++;
		return r;
	}
	/* not understood this time is not gone */
	if (r == 0 && !(w->f->unlisted && sync_is_unreadable(w->s, w->f, row->uid))) {
		sync_note(w->s, w->f, "UID %u is gone", row->uid);
		r = expunge(w->s, w->f, row->uid);
	}
	return r;
}

static int want_the_rest(struct walk *w)
{
	struct listing *l = &w->s->listing;
	int r = 0;

	for (; r == 0 && w->next < l->count; w->next++) {
		struct mail m = listing_at(l, w->next);

		r = want(w, &m);
	}
	return r;
}

static int make_anew(struct sync *s, struct folder *f)
{
	sync_note(s, f, "has another UIDVALIDITY");
	f->here_uidvalidity = f->status.uidvalidity;
	f->here_uidnext = 1;
	return s->to.ops->reset_folder(s->to.self, f->id, f->status.uidvalidity, s->err);
}

/* A UIDVALIDITY of 0 is one that was dropped here. */
static int check_doubts(struct sync *s, const struct folder *f)
{
	if (!s->doubts || !f->id || !f->here_uidvalidity)
		return 0;
	if (f->here_uidvalidity != f->status.uidvalidity)
		return str_ieq(folder_name(f), STR_LIT("INBOX"))
		               ? contradiction(s, f, 0, "it has another UIDVALIDITY")
		               : 0;
	return f->status.uidnext && f->status.uidnext < f->here_uidnext
	               ? contradiction(s, f, f->status.uidnext, "it was given already")
	               : 0;
}

static uint32_t whole_below(const struct sync *s, const struct folder *f)
{
	for (size_t i = 0; s->doubts && i < s->n_whole; i++)
		if (s->whole[i].folder == f->id)
			return f->here_uidvalidity == f->status.uidvalidity
			               ? s->whole[i].uidnext
			               : 0;
	return 0;
}

int compare_messages(struct sync *s, struct folder *f)
{
	struct walk w = { .s = s, .f = f, .uidnext = whole_below(s, f) };
	int r = check_doubts(s, f);

	if (r)
		return r;
	if (!f->id)
		r = create(s, f);
	else if (f->here_uidvalidity != f->status.uidvalidity)
		r = make_anew(s, f);
	if (r == 0)
		r = s->to.ops->each_mail(
			s->to.self, f->id, 1, UINT32_MAX, each_row, &w, s->err);
	return r ? r : want_the_rest(&w);
}
