/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/write/merge_destination.h"

#include "mailstore/store/digest.h"
#include "transfer/write/merge_pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- folders ---- */

enum manner {
	AS_BEFORE,  /* it has the source's UIDVALIDITY: UIDs mean the same */
	AS_SOURCE,  /* it was empty or is new: its UIDs are the source's */
	AS_NEW_MAIL /* it has another UIDVALIDITY */
};

struct merge_folder {
	int64_t id;
	enum manner manner;
	bool is_fresh;       /* no message was ever in it */
	bool is_proven;      /* AS_SOURCE: the UIDVALIDITY is the source's */
	bool is_settled;     /* pairs and candidates are those of the beginning */
	uint32_t next;       /* the UID of new mail; 0: none is left */
	uint32_t first;      /* UIDs from here on are of mail that was added */
	unsigned attributes; /* here */
	struct str special_use;
	struct pairs pairs;
	struct candidates candidates;
};

struct merge {
	struct destination to; /* the caller's */
	bool resets;
	struct merge_folder *folders; /* owned */
	size_t n_folders, cap_folders;
	struct merge_counts counts;
	struct arena arena;
	struct merge_incoming {
		struct body_digest digest;
		uint64_t len;
	} incoming[SOURCE_CONNECTIONS_MAX];
};

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "no memory");
}

static struct merge_folder *find(const struct merge *d, int64_t id)
{
	for (size_t i = 0; i < d->n_folders; i++)
		if (d->folders[i].id == id)
			return &d->folders[i];
	return NULL;
}

static struct merge_folder *add_folder(struct merge *d, int64_t id)
{
	struct merge_folder *f = find(d, id);

	if (f)
		return f;
	if (d->n_folders == d->cap_folders) {
		size_t cap = d->cap_folders ? d->cap_folders * 2 : 32;
		struct merge_folder *at = reallocarray(d->folders, cap, sizeof(*at));

		if (!at)
			return NULL;
		d->folders = at;
		d->cap_folders = cap;
	}
	f = &d->folders[d->n_folders++];
	*f = (struct merge_folder){ .id = id };
	return f;
}

struct folder_walk {
	struct merge *merge;
	destination_folder_fn *each;
	void *context;
};

static int see_folder(void *context, const struct destination_folder *f)
{
	struct folder_walk *w = context;
	bool is_known = find(w->merge, f->id) != NULL;
	struct merge_folder *mine = add_folder(w->merge, f->id);

	if (!mine)
		return -ENOMEM;
	if (!is_known) {
		mine->is_fresh = f->uidnext == 1;
		mine->next = mine->first = f->uidnext;
		mine->manner = AS_BEFORE; /* else it is reset */
		mine->attributes = f->is.attributes;
		mine->special_use = arena_str(&w->merge->arena, f->is.special_use);
	}
	return mine->special_use.ptr ? w->each(w->context, f) : -ENOMEM;
}

static int each_folder(
	void *self, destination_folder_fn *each, void *context, struct error *err)
{
	struct merge *d = self;
	struct folder_walk w = { d, each, context };

	return d->to.ops->each_folder(d->to.self, see_folder, &w, err);
}

/* ---- a folder as it was ---- */

static int settle(struct merge *d, struct merge_folder *f, struct error *err)
{
	const struct destination_ops *to = d->to.ops;
	int r = 0;

	if (f->is_settled)
		return 0;
	if (!f->is_fresh && f->manner == AS_BEFORE)
		r = to->each_mail(
			d->to.self, f->id, 1, UINT32_MAX, pairs_add, &f->pairs, err);
	if (r == 0 && !f->is_fresh)
		r = to->each_mail(d->to.self, f->id, 1, UINT32_MAX, candidates_add,
			&f->candidates, err);
	candidates_sort(&f->candidates);
	f->is_settled = r == 0;
	return r == -ENOMEM ? no_memory(err) : r;
}

struct mail_walk {
	destination_mail_fn *each;
	void *context;
	const struct pair *pair;
};

/* As the source's message, which has no zone of its own where it comes from files. */
static int show(void *context, const struct mail *m)
{
	const struct mail_walk *w = context;
	struct mail shown = *m;

	shown.uid = w->pair->from;
	shown.zone = w->pair->zone;
	return w->each(w->context, &shown);
}

/* The callback may say that a UID is not here, which takes its pair away. */
static int each_mail(void *self, int64_t folder, uint32_t from, uint32_t to,
	destination_mail_fn *each, void *context, struct error *err)
{
	struct merge *d = self;
	struct merge_folder *f = find(d, folder);
	struct mail_walk w = { .each = each, .context = context };
	int r = f ? settle(d, f, err) : 0;

	while (r == 0 && f && from <= to) {
		size_t place = pairs_place(&f->pairs, from);
		struct pair pair;

		if (place == f->pairs.count || f->pairs.at[place].from > to)
			break;
		pair = f->pairs.at[place];
		w.pair = &pair;
		r = d->to.ops->each_mail(
			d->to.self, folder, pair.to, pair.to, show, &w, err);
		if (pair.from == UINT32_MAX)
			break;
		from = pair.from + 1;
	}
	return r;
}

/* ---- what passes through ---- */

static int each_subscription(
	void *self, destination_name_fn *each, void *context, struct error *err)
{
	struct merge *d = self;

	return d->to.ops->each_subscription(d->to.self, each, context, err);
}

static int find_folder(
	void *self, struct str name, struct destination_folder *ret, struct error *err)
{
	struct merge *d = self;

	return d->to.ops->find_folder(d->to.self, name, ret, err);
}

static int read_body(void *self, int64_t folder, uint32_t uid, destination_name_fn *take,
	void *context, struct error *err)
{
	struct merge *d = self;
	const struct merge_folder *f = find(d, folder);
	const struct pair *pair = f ? pairs_find(&f->pairs, uid) : NULL;

	if (!pair)
		return error_set(err, -ENOENT, "UID %u is not here", uid);
	return d->to.ops->read_body(d->to.self, folder, pair->to, take, context, err);
}

static uint64_t modseq(void *self)
{
	struct merge *d = self;

	return d->to.ops->modseq(d->to.self);
}

static int note(void *self, struct str name, struct arena *arena, struct str *ret_value,
	struct error *err)
{
	struct merge *d = self;

	return d->to.ops->note(d->to.self, name, arena, ret_value, err);
}

static int add_keywords(void *self, int64_t folder, struct str words, struct error *err)
{
	struct merge *d = self;

	return d->to.ops->add_keywords(d->to.self, folder, words, err);
}

static int subscribe(void *self, struct str name, bool subscribed, struct error *err)
{
	struct merge *d = self;

	return subscribed ? d->to.ops->subscribe(d->to.self, name, true, err) : 0;
}

/* ---- changes ---- */

static int create_folder(void *self, const struct mail_folder *is,
	const struct source_status *status, int64_t *ret_id, struct error *err)
{
	struct merge *d = self;
	struct destination_folder here = { 0 };
	struct merge_folder *f;
	int r = d->to.ops->create_folder(d->to.self, is, status, ret_id, err);

	if (r == 0)
		r = d->to.ops->find_folder(d->to.self, is->name, &here, err);
	if (r < 0)
		return r;
	f = add_folder(d, *ret_id);
	if (!f)
		return no_memory(err);
	d->counts.changes++;
	f->is_fresh = true;
	f->first = 1;
	f->manner = AS_SOURCE;
	f->attributes = is->attributes;
	f->special_use = STR_LIT("");
	f->is_proven = status->uidvalidity && here.uidvalidity == status->uidvalidity;
	return 0;
}

struct search {
	int64_t id;
	uint32_t uidvalidity;
};

static int see_uidvalidity(void *context, const struct destination_folder *f)
{
	struct search *s = context;

	if (f->id == s->id)
		s->uidvalidity = f->uidvalidity;
	return 0;
}

/* The source has another UIDVALIDITY, or none. */
static int reset_folder(
	void *self, int64_t folder, uint32_t uidvalidity, struct error *err)
{
	struct merge *d = self;
	struct merge_folder *f = find(d, folder);
	struct search s = { .id = folder };
	int r = 0;

	if (!f || f->is_settled || f->manner != AS_BEFORE)
		return 0; /* what it is was decided at the first look */
	f->manner = f->is_fresh ? AS_SOURCE : AS_NEW_MAIL;
	if (!f->is_fresh || !d->resets || !uidvalidity)
		return 0;
	d->counts.changes++;
	r = d->to.ops->reset_folder(d->to.self, folder, uidvalidity, err);
	if (r == 0)
		r = d->to.ops->each_folder(d->to.self, see_uidvalidity, &s, err);
	f->is_proven = s.uidvalidity == uidvalidity;
	return r;
}

/* A fresh folder of that UIDVALIDITY is one of the source's, too. */
static bool keeps_uids(const struct merge_folder *f)
{
	return f->is_fresh && (f->is_proven || f->manner == AS_BEFORE);
}

static int raise_uidnext(void *self, int64_t folder, uint32_t uidnext, struct error *err)
{
	struct merge *d = self;
	const struct merge_folder *f = find(d, folder);

	return f && f->is_fresh
	               ? d->to.ops->raise_uidnext(d->to.self, folder, uidnext, err)
	               : 0;
}

#define CANNOT_BE_OPENED ((unsigned)(FOLDER_NOSELECT | FOLDER_NONEXISTENT))

/* Of a folder in use its attributes and its modseqs are its own. Of one where no message
   ever was the separator follows the others, and it can be opened when it could be on
   either side. */
static int update_folder(
	void *self, int64_t folder, const struct mail_folder *is, struct error *err)
{
	struct merge *d = self;
	const struct merge_folder *f = find(d, folder);
	struct mail_folder new = *is;

	if (!f || !f->is_fresh)
		return 0;
	if (!new.special_use.len)
		new.special_use = f->special_use;
	new.attributes &= f->attributes | ~CANNOT_BE_OPENED;
	return d->to.ops->update_folder(d->to.self, folder, &new, err);
}

static int delete_folder(void *self, int64_t folder, struct error *err)
{
	(void)self;
	(void)folder;
	(void)err;
	return 0;
}

static int base_modseq(void *self, int64_t folder, uint64_t value, struct error *err)
{
	(void)self;
	(void)folder;
	(void)value;
	(void)err;
	return 0;
}

/* Flags, unique-ids: what is here keeps them. */
static int leave_mail(void *self, int64_t folder, const struct mail *m, struct error *err)
{
	(void)self;
	(void)folder;
	(void)m;
	(void)err;
	return 0;
}

/* The source has no such message, or another one under that UID. One that was here stays;
   one that was added goes again: its file may have had another name for a moment, and is
   added when it is seen again. */
static int expunge(void *self, int64_t folder, uint32_t uid, struct error *err)
{
	struct merge *d = self;
	struct merge_folder *f = find(d, folder);
	const struct pair *pair = f ? pairs_find(&f->pairs, uid) : NULL;
	int r = 0;

	if (!pair)
		return 0;
	if (pair->to >= f->first) {
		r = d->to.ops->expunge(d->to.self, folder, pair->to, err);
		*(keeps_uids(f) ? &d->counts.kept : &d->counts.added) -= 1;
		d->counts.changes++;
	}
	pairs_remove(&f->pairs, uid);
	return r;
}

static int set_note(void *self, struct str name, struct str value, struct error *err)
{
	struct merge *d = self;

	return d->to.ops->set_note(d->to.self, name, value, err);
}

/* ---- messages ---- */

static int body(void *self, unsigned connection, uint64_t len, struct error *err)
{
	struct merge *d = self;

	d->incoming[connection].len = len;
	body_digest_begin(&d->incoming[connection].digest);
	return d->to.ops->body(d->to.self, connection, len, err);
}

static int bytes(void *self, unsigned connection, struct str piece, struct error *err)
{
	struct merge *d = self;

	body_digest_add(&d->incoming[connection].digest, piece);
	return d->to.ops->bytes(d->to.self, connection, piece, err);
}

static void give_up(void *self, unsigned connection)
{
	struct merge *d = self;

	d->to.ops->give_up(d->to.self, connection);
}

/* 1: it is. Where bodies cannot be read (a look alone) date and size say so. */
static int is_that(struct merge *d, const struct merge_folder *f,
	const struct candidate *c, const unsigned char digest[static BODY_DIGEST_SIZE],
	struct error *err)
{
	unsigned char here[BODY_DIGEST_SIZE];
	int r = d->to.ops->read_body(
		d->to.self, f->id, c->uid, candidates_digest, here, err);

	if (r == -EOPNOTSUPP)
		return 1;
	if (r == -EIO) /* it is damaged here: the source's is no second one */
		return 0;
	return r < 0 ? r : memcmp(here, digest, sizeof(here)) == 0;
}

/* A message that the source has, too, under its own UID. */
static bool is_paired(const struct merge_folder *f, uint32_t uid)
{
	const struct pair *pair = pairs_find(&f->pairs, uid);

	return pair && pair->to == uid;
}

/* Which of those that were here it is; NULL: none. */
static int find_here(struct merge *d, struct merge_folder *f, const struct mail *m,
	struct merge_incoming *in, struct candidate **ret, struct error *err)
{
	struct candidates *all = &f->candidates;
	unsigned char digest[BODY_DIGEST_SIZE];
	size_t low = candidates_place(all, m->date, in->len);

	*ret = NULL;
	body_digest_end(&in->digest, digest);
	for (; low < all->count && all->at[low].date == m->date &&
		all->at[low].size == in->len;
		low++) {
		int r;

		if (all->at[low].is_taken || is_paired(f, all->at[low].uid))
			continue;
		r = is_that(d, f, &all->at[low], digest, err);
		if (r > 0)
			*ret = &all->at[low];
		if (r)
			return r < 0 ? r : 0;
	}
	return 0;
}

/* UIDs, unique-ids and the maildrop's order are the source's together, or none is. */
static int as_new(struct merge_folder *f, struct mail *m, struct error *err)
{
	if (!keeps_uids(f)) {
		m->uidl = STR_LIT("");
		m->pop3_order = 0;
	}
	if (f->is_fresh)
		return 0;
	if (!f->next)
		return error_set(err, -EOVERFLOW, "no UID is left in a folder");
	m->uid = f->next++;
	return 0;
}

static int add_new(struct merge *d, struct merge_folder *f, unsigned connection,
	const struct mail *m, uint64_t *ret_bytes, struct error *err)
{
	struct mail new = *m;
	struct pair pair;
	int r = as_new(f, &new, err);

	if (r == 0)
		r = d->to.ops->add(d->to.self, connection, f->id, &new, ret_bytes, err);
	if (r < 0)
		return r;
	d->counts.changes++;
	d->counts.bytes += *ret_bytes;
	*(keeps_uids(f) ? &d->counts.kept : &d->counts.added) += 1;
	pair = (struct pair){ m->uid, new.uid, m->zone };
	return pairs_set(&f->pairs, &pair) < 0 ? no_memory(err) : 0;
}

static int add(void *self, unsigned connection, int64_t folder, const struct mail *m,
	uint64_t *ret_bytes, struct error *err)
{
	struct merge *d = self;
	struct merge_folder *f = find(d, folder);
	struct merge_incoming *in = &d->incoming[connection];
	struct candidate *here = NULL;
	struct pair pair;
	int r = f ? settle(d, f, err)
	          : error_set(err, -ENOENT, "there is no such folder");

	if (r == 0)
		r = find_here(d, f, m, in, &here, err);
	if (r < 0 || !here)
		return r < 0 ? r : add_new(d, f, connection, m, ret_bytes, err);
	here->is_taken = true;
	*ret_bytes = in->len;
	d->to.ops->give_up(d->to.self, connection);
	pair = (struct pair){ m->uid, here->uid, m->zone };
	return pairs_set(&f->pairs, &pair) < 0 ? no_memory(err) : 0;
}

/* ---- the end ---- */

static int make_nothing_durable(void *self, struct error *err)
{
	(void)self;
	(void)err;
	return 0;
}

static void rollback(void *self)
{
	struct merge *d = self;

	d->to.ops->rollback(d->to.self);
}

static void merge_free(void *self)
{
	struct merge *d = self;

	if (!d)
		return;
	for (size_t i = 0; i < d->n_folders; i++) {
		pairs_fini(&d->folders[i].pairs);
		candidates_fini(&d->folders[i].candidates);
	}
	free(d->folders);
	arena_fini(&d->arena);
	free(d);
}

static const struct destination_ops merge_ops = {
	.name = "merge",
	.each_folder = each_folder,
	.each_subscription = each_subscription,
	.find_folder = find_folder,
	.each_mail = each_mail,
	.read_body = read_body,
	.modseq = modseq,
	.note = note,
	.create_folder = create_folder,
	.update_folder = update_folder,
	.delete_folder = delete_folder,
	.reset_folder = reset_folder,
	.raise_uidnext = raise_uidnext,
	.base_modseq = base_modseq,
	.add_keywords = add_keywords,
	.subscribe = subscribe,
	.set_flags = leave_mail,
	.set_uidl = leave_mail,
	.expunge = expunge,
	.set_note = set_note,
	.body = body,
	.bytes = bytes,
	.give_up = give_up,
	.add = add,
	.commit = make_nothing_durable,
	.rollback = rollback,
	.free = merge_free,
};

int merge_destination_new(const struct destination *to, bool resets,
	struct destination *ret, struct error *err)
{
	struct merge *d = calloc(1, sizeof(*d));

	if (!d)
		return no_memory(err);
	d->to = *to;
	d->resets = resets;
	arena_init(&d->arena);
	*ret = (struct destination){ .ops = &merge_ops, .self = d };
	return 0;
}

struct merge_counts merge_destination_counts(const struct destination *merge)
{
	const struct merge *d = merge->self;

	return d->counts;
}
