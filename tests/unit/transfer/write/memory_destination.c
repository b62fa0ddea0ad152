/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/write/memory_destination.h"

#undef NDEBUG /* what is asserted here is part of the tests */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BODY_MAX (1u << 30)

/* Before each change. */
static int change(struct memory_destination *d, struct error *err)
{
	if (++d->changes != d->fail_at)
		return 0;
	d->has_failed = true;
	return error_set(err, -ENOSPC, "the disk is full");
}

static struct memory_kept_folder *by_id(struct memory_destination *d, int64_t id)
{
	for (size_t i = 0; i < d->now.n_folders; i++)
		if (d->now.folders[i].is.id == id)
			return &d->now.folders[i];
	abort(); /* the copy asks for what there is */
}

/* Where UID `uid` is, or would be. */
static size_t place_of(const struct memory_kept_folder *f, uint32_t uid)
{
	size_t i = 0;

	while (i < f->count && f->mail[i].is.uid < uid)
		i++;
	return i;
}

static struct memory_mail *by_uid(struct memory_kept_folder *f, uint32_t uid)
{
	size_t i = place_of(f, uid);

	return i < f->count && f->mail[i].is.uid == uid ? &f->mail[i] : NULL;
}

/* ---- what is there ---- */

static int each_folder(
	void *self, destination_folder_fn *each, void *context, struct error *err)
{
	struct memory_destination *d = self;
	int r = 0;

	(void)err;
	for (size_t i = 0; r == 0 && i < d->now.n_folders; i++)
		r = each(context, &d->now.folders[i].is);
	return r;
}

static int each_subscription(
	void *self, destination_name_fn *each, void *context, struct error *err)
{
	struct memory_destination *d = self;
	int r = 0;

	(void)err;
	for (size_t i = 0; r == 0 && i < d->now.n_subscriptions; i++)
		r = each(context, d->now.subscriptions[i]);
	return r;
}

static int find_folder(
	void *self, struct str name, struct destination_folder *ret, struct error *err)
{
	struct memory_destination *d = self;

	for (size_t i = 0; i < d->now.n_folders; i++) {
		if (!str_eq(d->now.folders[i].is.is.name, name))
			continue;
		*ret = d->now.folders[i].is;
		return 0;
	}
	return error_set(err, -ENOENT, "no such folder");
}

static int each_mail(void *self, int64_t folder, uint32_t from, uint32_t to,
	destination_mail_fn *each, void *context, struct error *err)
{
	struct memory_kept_folder *f = by_id(self, folder);
	uint32_t next = from;
	int r = 0;

	(void)err;
	/* the callback may expunge what it is shown */
	while (r == 0 && place_of(f, next) < f->count) {
		struct mail m = f->mail[place_of(f, next)].is;

		if (m.uid > to)
			break;
		r = each(context, &m);
		if (m.uid == UINT32_MAX)
			break;
		next = m.uid + 1;
	}
	return r;
}

static int read_body(void *self, int64_t folder, uint32_t uid, destination_name_fn *take,
	void *context, struct error *err)
{
	const struct memory_mail *m = by_uid(by_id(self, folder), uid);

	return m ? take(context, m->body) : error_set(err, -ENOENT, "no such message");
}

static uint64_t modseq(void *self)
{
	return ((struct memory_destination *)self)->now.modseq;
}

static int note(void *self, struct str name, struct arena *arena, struct str *ret_value,
	struct error *err)
{
	struct memory_destination *d = self;

	if (!d->now.note_name.len || !str_eq(d->now.note_name, name))
		return error_set(err, -ENOENT, "no such note");
	*ret_value = arena_str(arena, d->now.note_value);
	return 0;
}

/* ---- changes ---- */

static void set_folder(struct memory_destination *d, struct memory_kept_folder *f,
	const struct mail_folder *is)
{
	f->is.is = (struct mail_folder){ .name = arena_str(&d->arena, is->name),
		.separator = is->separator,
		.attributes = is->attributes,
		.special_use = arena_str(&d->arena, is->special_use) };
}

static int create_folder(void *self, const struct mail_folder *f,
	const struct source_status *status, int64_t *ret_id, struct error *err)
{
	struct memory_destination *d = self;
	struct memory_kept_folder *new = &d->now.folders[d->now.n_folders];
	int r = change(d, err);

	if (r < 0)
		return r;
	assert(d->now.n_folders < MEMORY_KEPT_FOLDERS_MAX);
	d->now.n_folders++;
	new->count = 0;
	new->is = (struct destination_folder){
		.id = ++d->last_id, .uidvalidity = status->uidvalidity, .uidnext = 1
	};
	set_folder(d, new, f);
	*ret_id = new->is.id;
	return 0;
}

static int update_folder(
	void *self, int64_t folder, const struct mail_folder *f, struct error *err)
{
	struct memory_destination *d = self;
	int r = change(d, err);

	if (r == 0)
		set_folder(d, by_id(d, folder), f);
	return r;
}

static int delete_folder(void *self, int64_t folder, struct error *err)
{
	struct memory_destination *d = self;
	struct memory_kept_folder *f = by_id(d, folder);
	size_t behind = d->now.n_folders - (size_t)(f - d->now.folders) - 1;
	int r = change(d, err);

	if (r < 0)
		return r;
	memmove(f, f + 1, behind * sizeof(*f));
	d->now.n_folders--;
	return 0;
}

static int reset_folder(
	void *self, int64_t folder, uint32_t uidvalidity, struct error *err)
{
	struct memory_kept_folder *f = by_id(self, folder);
	int r = change(self, err);

	if (r < 0)
		return r;
	f->count = 0;
	f->is.uidvalidity = uidvalidity;
	f->is.uidnext = 1;
	return 0;
}

static int raise_uidnext(void *self, int64_t folder, uint32_t uidnext, struct error *err)
{
	struct memory_kept_folder *f = by_id(self, folder);
	int r = change(self, err);

	if (r == 0 && uidnext > f->is.uidnext)
		f->is.uidnext = uidnext;
	return r;
}

static int add_keywords(void *self, int64_t folder, struct str words, struct error *err)
{
	(void)self;
	(void)folder;
	(void)words;
	(void)err;
	return 0;
}

static int base_modseq(void *self, int64_t folder, uint64_t to, struct error *err)
{
	struct memory_destination *d = self;
	int r;

	(void)folder;

	if (to <= d->now.modseq)
		return 0;
	r = change(d, err);
	if (r == 0)
		d->now.modseq = to;
	return r;
}

static int subscribe(void *self, struct str name, bool subscribed, struct error *err)
{
	struct memory_destination *d = self;
	struct memory_state *s = &d->now;
	size_t i = 0;
	int r = change(d, err);

	if (r < 0)
		return r;
	while (i < s->n_subscriptions && !str_eq(s->subscriptions[i], name))
		i++;
	if (subscribed) {
		assert(i < MEMORY_KEPT_FOLDERS_MAX);
		s->subscriptions[i] = arena_str(&d->arena, name);
		s->n_subscriptions += i == s->n_subscriptions;
	} else if (i < s->n_subscriptions) {
		s->subscriptions[i] = s->subscriptions[--s->n_subscriptions];
	}
	return 0;
}

static int set_flags(void *self, int64_t folder, const struct mail *m, struct error *err)
{
	struct memory_destination *d = self;
	struct memory_mail *row = by_uid(by_id(d, folder), m->uid);
	int r = change(d, err);

	if (r < 0)
		return r;
	row->is.flags = m->flags;
	row->is.keywords = arena_str(&d->arena, m->keywords);
	d->now.modseq++;
	return 0;
}

static int set_uidl(void *self, int64_t folder, const struct mail *m, struct error *err)
{
	struct memory_destination *d = self;
	struct memory_mail *row = by_uid(by_id(d, folder), m->uid);
	int r = change(d, err);

	if (r < 0)
		return r;
	row->is.uidl = arena_str(&d->arena, m->uidl);
	row->is.pop3_order = m->pop3_order;
	return 0;
}

static int expunge(void *self, int64_t folder, uint32_t uid, struct error *err)
{
	struct memory_destination *d = self;
	struct memory_kept_folder *f = by_id(d, folder);
	size_t i = place_of(f, uid);
	int r = change(d, err);

	if (r < 0)
		return r;
	memmove(&f->mail[i], &f->mail[i + 1], (f->count - i - 1) * sizeof(f->mail[0]));
	f->count--;
	d->now.modseq++;
	return 0;
}

static int set_note(void *self, struct str name, struct str value, struct error *err)
{
	struct memory_destination *d = self;
	int r = change(d, err);

	if (r < 0)
		return r;
	d->now.note_name = arena_str(&d->arena, name);
	d->now.note_value = arena_str(&d->arena, value);
	return 0;
}

/* ---- messages ---- */

static void give_up(void *self, unsigned connection)
{
	((struct memory_destination *)self)->incoming[connection].is_open = false;
}

static int body(void *self, unsigned connection, uint64_t len, struct error *err)
{
	struct memory_destination *d = self;
	int r = change(d, err);

	if (len > MEMORY_BODY_MAX)
		return error_set(err, -ENOSPC, "the disk is full");
	d->incoming[connection].bytes = arena_alloc(&d->arena, len + 1);
	d->incoming[connection].len = len;
	d->incoming[connection].come = 0;
	d->incoming[connection].is_open = r == 0;
	return r;
}

static int bytes(void *self, unsigned connection, struct str piece, struct error *err)
{
	struct memory_destination *d = self;
	size_t come = d->incoming[connection].come;
	int r = change(d, err);

	if (r < 0)
		return r;
	assert(d->incoming[connection].is_open);
	assert(come + piece.len <= d->incoming[connection].len);
	memcpy(d->incoming[connection].bytes + come, piece.ptr, piece.len);
	d->incoming[connection].come += piece.len;
	return 0;
}

static int add(void *self, unsigned connection, int64_t folder, const struct mail *m,
	uint64_t *ret_bytes, struct error *err)
{
	struct memory_destination *d = self;
	struct memory_kept_folder *f = by_id(d, folder);
	size_t i = place_of(f, m->uid), len = d->incoming[connection].len;
	int r = change(d, err);

	if (r < 0)
		return r;
	assert(d->incoming[connection].is_open && d->incoming[connection].come == len);
	assert(f->count < MEMORY_KEPT_MAIL_MAX && !by_uid(f, m->uid));
	memmove(&f->mail[i + 1], &f->mail[i], (f->count - i) * sizeof(f->mail[0]));
	f->mail[i] = (struct memory_mail){ .is = *m,
		.body = str_of(d->incoming[connection].bytes, len) };
	f->mail[i].is.keywords = arena_str(&d->arena, m->keywords);
	f->mail[i].is.uidl = arena_str(&d->arena, m->uidl.ptr ? m->uidl : STR_LIT(""));
	f->mail[i].is.body_len = len;
	f->count++;
	if (m->uid >= f->is.uidnext)
		f->is.uidnext = m->uid + 1;
	d->now.modseq++;
	give_up(d, connection);
	*ret_bytes = len;
	return 0;
}

static int note_switch(void *self, struct str residence, struct error *err)
{
	(void)self;
	(void)residence;
	(void)err;
	return 0;
}

/* ---- the end ---- */

static void rollback(void *self)
{
	struct memory_destination *d = self;

	for (unsigned i = 0; i < SOURCE_CONNECTIONS_MAX; i++)
		give_up(d, i);
	d->now = d->durable;
	d->has_failed = false;
}

static int commit(void *self, struct error *err)
{
	struct memory_destination *d = self;

	(void)err;
	if (!d->has_failed)
		d->durable = d->now;
	rollback(d);
	return 0;
}

static void memory_free(void *self)
{
	struct memory_destination *d = self;

	if (!d)
		return;
	arena_fini(&d->arena);
	free(d);
}

static const struct destination_ops memory_ops = {
	.name = "memory",
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
	.set_flags = set_flags,
	.set_uidl = set_uidl,
	.expunge = expunge,
	.set_note = set_note,
	.note_switch = note_switch,
	.body = body,
	.bytes = bytes,
	.give_up = give_up,
	.add = add,
	.commit = commit,
	.rollback = rollback,
	.free = memory_free,
};

struct memory_destination *memory_destination_new(struct destination *ret)
{
	struct memory_destination *d = calloc(1, sizeof(*d));

	assert(d);
	arena_init(&d->arena);
	*ret = (struct destination){ .ops = &memory_ops, .self = d };
	return d;
}
