/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/write/store_destination.h"

#include "base/clock.h"
#include "mailstore/store/source_side.h"
#include "transfer/write/store_claim.h"

#include <errno.h>
#include <stdlib.h>

_Static_assert(
	(int)FOLDER_NOSELECT == MAILBOX_NOSELECT &&
		(int)FOLDER_NOINFERIORS == MAILBOX_NOINFERIORS &&
		(int)FOLDER_NONEXISTENT == MAILBOX_NONEXISTENT &&
		(int)MAIL_SEEN == FLAG_SEEN && (int)MAIL_ANSWERED == FLAG_ANSWERED &&
		(int)MAIL_FLAGGED == FLAG_FLAGGED && (int)MAIL_DELETED == FLAG_DELETED &&
		(int)MAIL_DRAFT == FLAG_DRAFT && (int)MAIL_RECENT == FLAG_RECENT &&
		MAIL_POP3_HIDDEN == STORE_POP3_HIDDEN,
	"the same bits");

struct incoming { /* a body on its way */
	struct body_writer writer;
	bool is_open;
};

struct store_destination {
	struct store *store;
	bool adds; /* to what an account has that lives here: all of it or nothing */
	struct store_identity
		becomes; /* with the first change; owner "": stays as it is */
	bool in_transaction;
	bool has_failed;   /* a change in it: the others are not to be trusted */
	unsigned messages; /* of this batch */
	uint64_t bytes;
	struct incoming incoming[SOURCE_CONNECTIONS_MAX];
	struct arena arena;
};

/* ---- the transaction ---- */

static int begin(struct store_destination *d, struct error *err)
{
	int r;

	if (d->in_transaction)
		return 0;
	r = store_begin(d->store, err);
	d->in_transaction = r == 0;
	if (r == 0 && d->becomes.owner.len)
		r = store_set_identity(d->store, &d->becomes, err);
	return r;
}

static int changed(struct store_destination *d, int r)
{
	d->has_failed = d->has_failed || r < 0;
	return r;
}

static void end_batch(struct store_destination *d)
{
	d->in_transaction = d->has_failed = false;
	d->messages = 0;
	d->bytes = 0;
}

static int commit_batch(struct store_destination *d, struct error *err)
{
	bool has_any = d->in_transaction;

	end_batch(d);
	return has_any ? store_commit(d->store, err) : 0;
}

static void give_up(struct store_destination *d, struct incoming *in)
{
	if (in->is_open)
		store_body_abort(d->store, &in->writer);
	in->is_open = false;
}

static void give_up_all(struct store_destination *d)
{
	for (unsigned i = 0; i < SOURCE_CONNECTIONS_MAX; i++)
		give_up(d, &d->incoming[i]);
}

static void store_rollback_all(void *self)
{
	struct store_destination *d = self;

	give_up_all(d);
	if (d->in_transaction)
		store_rollback(d->store);
	end_batch(d);
}

static int store_commit_all(void *self, struct error *err)
{
	struct store_destination *d = self;

	if (d->has_failed) {
		store_rollback_all(d);
		return 0;
	}
	give_up_all(d);
	return commit_batch(d, err);
}

static void store_free(void *self)
{
	struct store_destination *d = self;

	if (!d)
		return;
	store_rollback_all(d);
	store_close(d->store);
	arena_fini(&d->arena);
	free(d);
}

/* ---- what is there ---- */

struct folder_walk {
	destination_folder_fn *each;
	void *context;
};

static int each_mailbox(void *context, const struct mailbox *m)
{
	const struct folder_walk *w = context;
	struct destination_folder f = { .id = m->id,
		.is = { .name = m->name,
			.separator = m->separator,
			.attributes = m->attributes,
			.special_use = m->special_use },
		.uidvalidity = m->uidvalidity,
		.uidnext = m->uidnext };

	return w->each(w->context, &f);
}

static int each_folder(
	void *self, destination_folder_fn *each, void *context, struct error *err)
{
	struct store_destination *d = self;
	struct folder_walk w = { each, context };

	return store_each_mailbox(d->store, each_mailbox, &w, err);
}

static int each_subscription(
	void *self, destination_name_fn *each, void *context, struct error *err)
{
	struct store_destination *d = self;

	return store_each_subscription(d->store, each, context, err);
}

static int find_folder(
	void *self, struct str name, struct destination_folder *ret, struct error *err)
{
	struct store_destination *d = self;
	struct mailbox m;
	struct arena arena;
	int r;

	arena_init(&arena);
	r = store_find_mailbox(d->store, name, &arena, &m, err);
	if (r == 0)
		*ret = (struct destination_folder){ .id = m.id,
			.is = { .name = STR(""),
				.separator = m.separator,
				.attributes = m.attributes,
				.special_use = STR("") },
			.uidvalidity = m.uidvalidity,
			.uidnext = m.uidnext,
			.messages = m.messages,
			.deleted = m.deleted };
	arena_fini(&arena);
	return r;
}

struct mail_walk {
	destination_mail_fn *each;
	void *context;
};

static int each_message(void *context, const struct store_message *row)
{
	const struct mail_walk *w = context;
	struct mail m = { .uid = row->uid,
		.flags = row->flags,
		.keywords = row->keywords,
		.date = row->date,
		.zone = row->zone,
		.size = row->size,
		.body_len = row->body_len,
		.uidl = row->uidl,
		.pop3_order = row->pop3_order };

	return w->each(w->context, &m);
}

static int each_mail(void *self, int64_t folder, uint32_t from, uint32_t to,
	destination_mail_fn *each, void *context, struct error *err)
{
	struct store_destination *d = self;
	struct mail_walk w = { each, context };

	return store_each_message(d->store, folder, from, to, each_message, &w, err);
}

static int read_body(void *self, int64_t folder, uint32_t uid, destination_name_fn *take,
	void *context, struct error *err)
{
	struct store_destination *d = self;
	struct body body;
	int r = store_body(d->store, folder, uid, &body, err);

	if (r < 0)
		return r;
	r = take(context, body.bytes.len ? body.bytes : STR_LIT(""));
	store_body_release(&body);
	return r;
}

static uint64_t modseq(void *self)
{
	const struct store_destination *d = self;

	return store_modseq(d->store);
}

static int note(void *self, struct str name, struct arena *arena, struct str *ret_value,
	struct error *err)
{
	struct store_destination *d = self;

	return store_checkpoint(d->store, name, arena, ret_value, err);
}

/* ---- changes ---- */

static struct mailbox mailbox_of(int64_t id, const struct mail_folder *f)
{
	return (struct mailbox){ .id = id,
		.name = f->name,
		.separator = f->separator,
		.attributes = f->attributes,
		.special_use = f->special_use };
}

/* A copy is made equal to its source. Where clients have been served, a UIDVALIDITY that
   another mailbox of that name had would give old UIDs a second meaning. */
static int settle_uidvalidity(struct store_destination *d, const struct mailbox *m,
	uint32_t *uidvalidity, struct error *err)
{
	int r = d->adds && *uidvalidity
	                ? store_uidvalidity_was_used(d->store, m, *uidvalidity, err)
	                : 0;

	if (r > 0)
		*uidvalidity = 0;
	return r < 0 ? r : 0;
}

static int create_folder(void *self, const struct mail_folder *f,
	const struct source_status *status, int64_t *ret_id, struct error *err)
{
	struct store_destination *d = self;
	struct mailbox m = mailbox_of(0, f);
	int r = begin(d, err);

	m.uidvalidity = status->uidvalidity;
	m.highestmodseq = status->highestmodseq;
	if (r == 0)
		r = settle_uidvalidity(d, &m, &m.uidvalidity, err);
	return changed(d, r ? r : store_create_mailbox(d->store, &m, ret_id, err));
}

static int update_folder(
	void *self, int64_t folder, const struct mail_folder *f, struct error *err)
{
	struct store_destination *d = self;
	struct mailbox m = mailbox_of(folder, f);
	int r = begin(d, err);

	return changed(d, r ? r : store_update_mailbox(d->store, &m, err));
}

static int delete_folder(void *self, int64_t folder, struct error *err)
{
	struct store_destination *d = self;
	int r = begin(d, err);

	return changed(d, r ? r : store_delete_mailbox(d->store, folder, err));
}

static int reset_folder(
	void *self, int64_t folder, uint32_t uidvalidity, struct error *err)
{
	struct store_destination *d = self;
	const struct mailbox m = { .id = folder };
	int r = begin(d, err);

	if (r == 0)
		r = settle_uidvalidity(d, &m, &uidvalidity, err);
	return changed(
		d, r ? r : store_reset_mailbox(d->store, folder, uidvalidity, err));
}

static int raise_uidnext(void *self, int64_t folder, uint32_t uidnext, struct error *err)
{
	struct store_destination *d = self;
	int r = begin(d, err);

	return changed(d, r ? r : store_raise_uidnext(d->store, folder, uidnext, err));
}

static int base_modseq(void *self, int64_t folder, uint64_t modseq, struct error *err)
{
	struct store_destination *d = self;
	int r;

	if (modseq >= STORE_MODSEQ_MAX)
		return 0;
	r = begin(d, err);
	return changed(d, r ? r : store_base_modseq(d->store, folder, modseq, err));
}

static int see_word(void *context, struct str word)
{
	return str_eq(word, *(const struct str *)context);
}

/* What is there already is no reason for a transaction. */
static int add_keywords(void *self, int64_t folder, struct str words, struct error *err)
{
	struct store_destination *d = self;
	int r = 0;

	while (words.len && r == 0) {
		struct str word = str_split(&words, ' ');

		r = store_each_keyword(d->store, folder, see_word, &word, err);
		if (r) {
			r = r < 0 ? r : 0;
			continue;
		}
		r = begin(d, err);
		r = changed(d, r ? r : store_add_keyword(d->store, folder, word, err));
	}
	return r;
}

static int subscribe(void *self, struct str name, bool subscribed, struct error *err)
{
	struct store_destination *d = self;
	int r = begin(d, err);

	return changed(d, r ? r : store_subscribe(d->store, name, subscribed, err));
}

static int set_flags(void *self, int64_t folder, const struct mail *m, struct error *err)
{
	struct store_destination *d = self;
	int r = begin(d, err);

	return changed(d, r ? r
			    : store_set_flags(d->store, folder, m->uid, m->flags,
				      m->keywords, NULL, err));
}

static int set_uidl(void *self, int64_t folder, const struct mail *m, struct error *err)
{
	struct store_destination *d = self;
	struct arena arena;
	struct str uidl; /* a row's own dies with the first change */
	int r;

	arena_init(&arena);
	uidl = arena_str(&arena, m->uidl);
	r = uidl.ptr ? begin(d, err) : error_set(err, -ENOMEM, "no memory");
	if (r == 0)
		r = store_set_uidl(d->store, folder, m->uid, uidl, m->pop3_order, err);
	arena_fini(&arena);
	return changed(d, r);
}

static int expunge(void *self, int64_t folder, uint32_t uid, struct error *err)
{
	struct store_destination *d = self;
	int r = begin(d, err);

	return changed(d, r ? r : store_expunge(d->store, folder, uid, err));
}

static int set_note(void *self, struct str name, struct str value, struct error *err)
{
	struct store_destination *d = self;
	int r = begin(d, err);

	return changed(d, r ? r : store_set_checkpoint(d->store, name, value, err));
}

static int note_switch(void *self, struct str residence, struct error *err)
{
	struct store_destination *d = self;
	int r = begin(d, err);

	if (r == 0)
		r = store_note_switch(d->store, err);
	return changed(d,
		r ? r
		  : store_take_into_service(d->store, residence, clock_wall_ms(), err));
}

/* ---- messages ---- */

static int body(void *self, unsigned connection, uint64_t len, struct error *err)
{
	struct store_destination *d = self;
	struct incoming *in = &d->incoming[connection];
	int r;

	give_up(d, in);
	r = store_body_begin(d->store, len, &in->writer, err);
	in->is_open = r == 0;
	return changed(d, r);
}

static int bytes(void *self, unsigned connection, struct str piece, struct error *err)
{
	struct store_destination *d = self;
	struct incoming *in = &d->incoming[connection];

	if (!in->is_open)
		return error_set(err, -EPROTO, "bytes of no body");
	return changed(d, store_body_write(d->store, &in->writer, piece, err));
}

static void give_up_body(void *self, unsigned connection)
{
	struct store_destination *d = self;

	give_up(d, &d->incoming[connection]);
}

static int add_row(struct store_destination *d, struct incoming *in, int64_t folder,
	const struct mail *m, struct error *err)
{
	struct store_message row = { .uid = m->uid,
		.flags = m->flags,
		.keywords = m->keywords,
		.date = m->date,
		.zone = m->zone,
		.saved = m->date, /* what is known of it */
		.size = m->size,
		.uidl = m->uidl.ptr ? m->uidl : STR_LIT(""),
		.pop3_order = m->pop3_order };
	struct body_place place;
	int r = store_body_end(d->store, &in->writer, &place, err);

	if (r == 0)
		r = begin(d, err);
	if (r == 0)
		r = store_add(d->store, folder, &row, &place, NULL, err);
	if (r == 0)
		in->is_open = false;
	return r;
}

static int add(void *self, unsigned connection, int64_t folder, const struct mail *m,
	uint64_t *ret_bytes, struct error *err)
{
	struct store_destination *d = self;
	struct incoming *in = &d->incoming[connection];
	uint64_t len = in->writer.len;
	int r;

	if (!in->is_open)
		return error_set(err, -EPROTO, "a message without a body");
	r = add_row(d, in, folder, m, err);
	if (r < 0) {
		give_up(d, in);
		return changed(d, r);
	}
	*ret_bytes = len;
	d->bytes += len;
	if (d->adds)
		return 0;
	if (++d->messages >= STORE_BATCH_MESSAGES || d->bytes >= STORE_BATCH_BYTES)
		r = commit_batch(d, err);
	return r;
}

static int settle(void *self, struct error *err)
{
	struct store_destination *d = self;

	return store_prepare_close(d->store, err);
}

static const struct destination_ops store_ops = {
	.name = "store",
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
	.give_up = give_up_body,
	.add = add,
	.commit = store_commit_all,
	.settle = settle,
	.rollback = store_rollback_all,
	.free = store_free,
};

static int open_it(const char *folder, struct str account, bool adds, bool is_local,
	uint64_t disk_reserve, struct destination *ret, struct error *err)
{
	struct store_destination *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set(err, -ENOMEM, "no memory");
	arena_init(&d->arena);
	d->adds = adds;
	r = store_open(folder, !adds, &d->store, err);
	if (r == 0)
		r = adds ? store_claim_served(d->store, account, is_local, &d->arena,
				   &d->becomes, err)
		         : store_claim_for_copy(d->store, account, &d->arena, err);
	if (r < 0) {
		store_free(d);
		return r;
	}
	store_set_reserve(d->store, disk_reserve);
	*ret = (struct destination){ .ops = &store_ops, .self = d };
	return 0;
}

struct store *store_destination_store(const struct destination *d)
{
	return ((const struct store_destination *)d->self)->store;
}

int store_destination_open(const char *folder, struct str account, uint64_t disk_reserve,
	struct destination *ret, struct error *err)
{
	return open_it(folder, account, false, false, disk_reserve, ret, err);
}

int store_destination_open_served(const char *folder, struct str account, bool is_local,
	uint64_t disk_reserve, struct destination *ret, struct error *err)
{
	return open_it(folder, account, true, is_local, disk_reserve, ret, err);
}

int store_destination_look(const char *folder, struct destination *ret, struct error *err)
{
	struct store_destination *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set(err, -ENOMEM, "no memory");
	arena_init(&d->arena);
	r = store_open_reading(folder, &d->store, err);
	if (r < 0) {
		store_free(d);
		return r;
	}
	*ret = (struct destination){ .ops = &store_ops, .self = d };
	return 0;
}
