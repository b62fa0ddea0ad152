/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/changes.h"

#include "base/hash.h"
#include "transfer/copy/namespaces.h"

#include <errno.h>
#include <stdlib.h>

/* UIDs of so many ranges come in one answer: 176 KB at the most, below what a line may
   have. Twice as many may have come since. */
#define RANGES_AT_ONCE 4000

static int no_memory(struct sync *s)
{
	return error_set(s->err, -ENOMEM, "no memory");
}

/* ---- asking ---- */

/* So that no answer becomes longer than a line may be. */
static int cut(struct folder *f, const struct uid_set *uids)
{
	size_t n = uids->count / RANGES_AT_ONCE;

	free(f->cuts);
	f->cuts = n ? reallocarray(NULL, n, sizeof(*f->cuts)) : NULL;
	if (n && !f->cuts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		f->cuts[i] = uids->at[(i + 1) * RANGES_AT_ONCE - 1].first;
	f->known.cuts = f->cuts;
	f->known.n_cuts = n;
	return 0;
}

static bool is_enough(const struct sync *s, const struct folder *f,
	const struct folder *before, uint64_t session)
{
	return session && session == s->session && before && before->is_known &&
	       before->id == f->id && before->status.uidvalidity == f->here_uidvalidity &&
	       namespaces_has_own(str_from(s->namespaces), folder_name(f));
}

int changes_ask(struct sync *s, struct folder *f, bool *ret_asked)
{
	const struct source_ops *from = s->source.ops;
	const struct folder *before = folders_find(&s->before, folder_name(f));
	uint64_t session =
		from->changes_session ? from->changes_session(s->source.self) : 0;

	*ret_asked = is_enough(s, f, before, session);
	if (!*ret_asked)
		return 0;
	f->before = before;
	f->known.modseq = before->status.highestmodseq;
	if (cut(f, &before->uids) < 0)
		return no_memory(s);
	return from->list_changed(s->source.self, (size_t)(f - s->folders.at),
		folder_name(f), &f->known, s->err);
}

/* ---- what came ---- */

static bool is_plausible(const struct sync *s, const struct folder *f)
{
	uint64_t now = f->status.highestmodseq, then = f->before->status.highestmodseq;
	const struct uid_set *had = &f->before->uids;
	uint32_t new = uid_set_next_missing(&f->uids, had, 1), uid = new;

	if (f->status.uidvalidity != f->before->status.uidvalidity || now < then ||
		(new &&now == then))
		return false;
	if (now > then && !s->listing.count && uid_set_is_equal(&f->uids, had))
		return false;
	while (uid && listing_find(&s->listing, uid) != LISTING_NONE)
		uid = uid == UINT32_MAX ? 0
		                        : uid_set_next_missing(&f->uids, had, uid + 1);
	return !uid;
}

struct change {
	struct sync *s;
	struct folder *f;
	const struct mail *now; /* NULL: it is gone */
	bool is_found;
};

/* The row of the destination as it is; it does not count any more. */
static int each_row(void *context, const struct mail *row)
{
	struct change *c = context;
	const struct destination *to = &c->s->to;

	c->is_found = true;
	c->f->copied--;
	c->f->copied_bytes -= row->body_len;
	c->f->odd_sizes -= row->body_len != row->size;
	if (c->now)
		return compare_message(c->s, c->f, c->now, row, false);
	sync_note(c->s, c->f, "UID %u is gone", row->uid);
	return to->ops->expunge(to->self, c->f->id, row->uid, c->s->err);
}

static int change(struct sync *s, struct folder *f, uint32_t uid, const struct mail *now)
{
	struct change c = { .s = s, .f = f, .now = now };
	int r = s->to.ops->each_mail(s->to.self, f->id, uid, uid, each_row, &c, s->err);

	if (r == 0 && !c.is_found)
		r = error_set(s->err, -EUCLEAN,
			"\"%.*s\": UID %u was copied, and is not there",
			STR_ARG(folder_name(f)), uid);
	return r;
}

static int apply_gone(struct sync *s, struct folder *f)
{
	const struct uid_set *had = &f->before->uids;
	uint32_t uid = uid_set_next_missing(had, &f->uids, 1);
	int r = 0;

	while (r == 0 && uid) {
		r = change(s, f, uid, NULL);
		uid = uid == UINT32_MAX ? 0
		                        : uid_set_next_missing(had, &f->uids, uid + 1);
	}
	return r;
}

/* A row whose UID is not listed is one that went in between. */
static int apply_rows(struct sync *s, struct folder *f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->listing.count; i++) {
		struct mail m = listing_at(&s->listing, i);

		if (!uid_set_has(&f->uids, m.uid))
			continue;
		r = uid_set_has(&f->before->uids, m.uid) ? change(s, f, m.uid, &m)
		                                         : compare_want(s, f, &m, false);
	}
	return r;
}

int changes_compare(struct sync *s, struct folder *f, bool *ret_whole)
{
	const struct folder *before = f->before;
	int r;

	*ret_whole = !is_plausible(s, f);
	if (*ret_whole)
		return 0;
	f->is_listed = true;
	f->since = before->status.highestmodseq;
	f->listed_at = before->listed_at;
	f->messages = f->uids.n;
	f->copied = before->copied;
	f->copied_bytes = before->copied_bytes;
	f->odd_sizes = before->odd_sizes;
	r = apply_gone(s, f);
	return r ? r : apply_rows(s, f);
}

/* ---- what is known then ---- */

int changes_keep_listing(struct sync *s, struct folder *f)
{
	int r = 0;

	uid_set_fini(&f->uids);
	if (!s->source.ops->changes_session)
		return 0;
	for (size_t i = 0; r == 0 && i < s->listing.count; i++)
		r = uid_set_add(&f->uids, s->listing.rows[i].uid, s->listing.rows[i].uid);
	return r < 0 ? no_memory(s) : 0;
}

/* It has to tell mistakes, not malice. */
uint64_t changes_of_row(const struct mail *m)
{
	const uint64_t numbers[] = { m->flags & ~(unsigned)MAIL_RECENT, (uint64_t)m->date,
		(uint64_t)(int64_t)m->zone, m->size };
	uint64_t sum =
		hash_bytes(HASH_FIRST, str_of((const char *)numbers, sizeof(numbers)));

	return hash_bytes(sum, m->keywords);
}

static bool is_known(const struct folder *f)
{
	return f->is_listed && !f->is_unlike && f->status.highestmodseq &&
	       f->copied == f->messages && !f->unlisted && !f->unknown_sizes &&
	       f->uids.n == f->messages;
}

void changes_settle(struct sync *s)
{
	const struct source_ops *from = s->source.ops;

	s->session = from->changes_session ? from->changes_session(s->source.self) : 0;
	for (size_t i = 0; i < s->folders.count; i++)
		s->folders.at[i].is_known = is_known(&s->folders.at[i]);
}
