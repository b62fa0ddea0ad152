/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/write/dry_destination.h"

#include <errno.h>
#include <stdlib.h>

struct dry_folder { /* as it would be */
	int64_t id; /* below 0: it would be new */
	struct str name;
	uint32_t uidvalidity;
};

struct dry {
	struct destination to; /* the caller's */
	struct dry_folder *at; /* owned */
	size_t count, cap;
	struct arena arena;
	uint64_t len[SOURCE_CONNECTIONS_MAX];
};

static int no_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "no memory");
}

static int remember(struct dry *d, const struct dry_folder *f, struct error *err)
{
	if (d->count == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 32;
		struct dry_folder *at = reallocarray(d->at, cap, sizeof(*at));

		if (!at)
			return no_memory(err);
		d->at = at;
		d->cap = cap;
	}
	d->at[d->count++] = *f;
	return 0;
}

/* ---- what is there ---- */

struct walk {
	const struct dry *dry;
	destination_folder_fn *each;
	void *context;
};

static int see(void *context, const struct destination_folder *f)
{
	const struct walk *w = context;
	struct destination_folder shown = *f;

	for (size_t i = 0; i < w->dry->count; i++)
		if (w->dry->at[i].id == f->id)
			shown.uidvalidity = w->dry->at[i].uidvalidity;
	return w->each(w->context, &shown);
}

static int each_folder(
	void *self, destination_folder_fn *each, void *context, struct error *err)
{
	struct dry *d = self;
	struct walk w = { d, each, context };

	return d->to.ops->each_folder(d->to.self, see, &w, err);
}

static int each_subscription(
	void *self, destination_name_fn *each, void *context, struct error *err)
{
	struct dry *d = self;

	return d->to.ops->each_subscription(d->to.self, each, context, err);
}

static int find_folder(
	void *self, struct str name, struct destination_folder *ret, struct error *err)
{
	struct dry *d = self;

	for (size_t i = 0; i < d->count; i++)
		if (d->at[i].id < 0 && str_eq(d->at[i].name, name)) {
			*ret = (struct destination_folder){ .id = d->at[i].id,
				.uidvalidity = d->at[i].uidvalidity,
				.uidnext = 1 };
			return 0;
		}
	return d->to.ops->find_folder(d->to.self, name, ret, err);
}

static int each_mail(void *self, int64_t folder, uint32_t from, uint32_t to,
	destination_mail_fn *each, void *context, struct error *err)
{
	struct dry *d = self;

	return folder < 0 ? 0
	                  : d->to.ops->each_mail(
				    d->to.self, folder, from, to, each, context, err);
}

static int read_body(void *self, int64_t folder, uint32_t uid, destination_name_fn *take,
	void *context, struct error *err)
{
	(void)self;
	(void)folder;
	(void)take;
	(void)context;
	return error_set(err, -EOPNOTSUPP, "UID %u is not read", uid);
}

static uint64_t modseq(void *self)
{
	struct dry *d = self;

	return d->to.ops->modseq(d->to.self);
}

static int note(void *self, struct str name, struct arena *arena, struct str *ret_value,
	struct error *err)
{
	struct dry *d = self;

	return d->to.ops->note(d->to.self, name, arena, ret_value, err);
}

/* ---- what would be changed ---- */

static int create_folder(void *self, const struct mail_folder *f,
	const struct source_status *status, int64_t *ret_id, struct error *err)
{
	struct dry *d = self;
	struct dry_folder new = { .id = -(int64_t)d->count - 1,
		.name = arena_str(&d->arena, f->name),
		.uidvalidity = status->uidvalidity ? status->uidvalidity : 1 };

	*ret_id = new.id;
	return new.name.ptr ? remember(d, &new, err) : no_memory(err);
}

static int reset_folder(
	void *self, int64_t folder, uint32_t uidvalidity, struct error *err)
{
	const struct dry_folder f = { .id = folder, .uidvalidity = uidvalidity };

	return remember(self, &f, err);
}

static int change_folder(
	void *self, int64_t folder, const struct mail_folder *f, struct error *err)
{
	(void)self;
	(void)folder;
	(void)f;
	(void)err;
	return 0;
}

static int change(void *self, int64_t folder, struct error *err)
{
	(void)self;
	(void)folder;
	(void)err;
	return 0;
}

static int change_uid(void *self, int64_t folder, uint32_t uid, struct error *err)
{
	(void)uid;
	return change(self, folder, err);
}

static int change_modseq(void *self, int64_t folder, uint64_t value, struct error *err)
{
	(void)value;
	return change(self, folder, err);
}

static int change_keywords(
	void *self, int64_t folder, struct str words, struct error *err)
{
	(void)words;
	return change(self, folder, err);
}

static int change_mail(
	void *self, int64_t folder, const struct mail *m, struct error *err)
{
	(void)m;
	return change(self, folder, err);
}

static int change_subscription(
	void *self, struct str name, bool subscribed, struct error *err)
{
	(void)name;
	(void)subscribed;
	return change(self, 0, err);
}

static int change_note(void *self, struct str name, struct str value, struct error *err)
{
	(void)name;
	(void)value;
	return change(self, 0, err);
}

static int change_nothing(void *self, struct error *err)
{
	return change(self, 0, err);
}

static int body(void *self, unsigned connection, uint64_t len, struct error *err)
{
	struct dry *d = self;

	(void)err;
	d->len[connection] = len;
	return 0;
}

static int bytes(void *self, unsigned connection, struct str piece, struct error *err)
{
	(void)self;
	(void)connection;
	(void)piece;
	(void)err;
	return 0;
}

static void give_up(void *self, unsigned connection)
{
	(void)self;
	(void)connection;
}

static int add(void *self, unsigned connection, int64_t folder, const struct mail *m,
	uint64_t *ret_bytes, struct error *err)
{
	struct dry *d = self;

	(void)m;
	*ret_bytes = d->len[connection];
	return change(self, folder, err);
}

static void rollback(void *self)
{
	(void)self;
}

static void dry_free(void *self)
{
	struct dry *d = self;

	if (!d)
		return;
	free(d->at);
	arena_fini(&d->arena);
	free(d);
}

static const struct destination_ops dry_ops = {
	.name = "dry",
	.each_folder = each_folder,
	.each_subscription = each_subscription,
	.find_folder = find_folder,
	.each_mail = each_mail,
	.read_body = read_body,
	.modseq = modseq,
	.note = note,
	.create_folder = create_folder,
	.update_folder = change_folder,
	.delete_folder = change,
	.reset_folder = reset_folder,
	.raise_uidnext = change_uid,
	.base_modseq = change_modseq,
	.add_keywords = change_keywords,
	.subscribe = change_subscription,
	.set_flags = change_mail,
	.set_uidl = change_mail,
	.expunge = change_uid,
	.set_note = change_note,
	.body = body,
	.bytes = bytes,
	.give_up = give_up,
	.add = add,
	.commit = change_nothing,
	.rollback = rollback,
	.free = dry_free,
};

int dry_destination_new(
	const struct destination *to, struct destination *ret, struct error *err)
{
	struct dry *d = calloc(1, sizeof(*d));

	if (!d)
		return no_memory(err);
	d->to = *to;
	arena_init(&d->arena);
	*ret = (struct destination){ .ops = &dry_ops, .self = d };
	return 0;
}
