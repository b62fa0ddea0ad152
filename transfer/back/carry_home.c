/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the destination into the store: what its user has done there since the switch.
   Each message there that is the counterpart of none here is fetched, one whose
   counterpart is not there any more is expunged here, flags follow, folders and
   subscriptions, too. */
#include "transfer/back/carry_parts.h"

#include "wire/imap/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INBOX STR_LIT("INBOX")
#define COMMIT_EVERY 200 /* messages; what is lost is fetched again */

struct carry_home { /* bodies that come */
	struct carry_match *m;
	struct body_writer bodies[SOURCE_CONNECTIONS_MAX];
	struct body_digest digests[SOURCE_CONNECTIONS_MAX];
	bool is_open[SOURCE_CONNECTIONS_MAX];
	size_t n;
};

/* ---- folders ---- */

static bool is_known(const struct carry *c, struct str name)
{
	for (size_t i = 0; i < c->n_boxes; i++)
		if (str_eq(c->boxes[i].name_there, name))
			return true;
	return str_ieq(name, INBOX);
}

/* Where nothing of name spaces is known, all are. */
static bool is_own(const struct carry *c, struct str name)
{
	return !namespaces_has_own(c->namespaces, INBOX) ||
	       namespaces_has_own(c->namespaces, name);
}

/* Those of its user that are in no way here: as boxes without a number. */
int carry_home_strangers(struct carry *c)
{
	for (size_t i = 0; i < c->folders.count; i++) {
		const struct folder *f = &c->folders.at[i];
		struct carry_box b = { .there = f };

		if (!folder_is_selectable(f) || is_known(c, folder_name(f)) ||
			!is_own(c, folder_name(f)))
			continue;
		b.name = b.name_there = arena_str(&c->arena, folder_name(f));
		if (!b.name.ptr || carry_add_box(c, &b) < 0)
			return carry_no_memory(c);
	}
	return 0;
}

struct noted {
	int64_t mailbox;
	uint32_t uidvalidity; /* 0: nothing of it was ever there */
};

static int see_noted(void *context, const struct store_counterpart *n)
{
	struct noted *noted = context;

	if (n->mailbox == noted->mailbox)
		noted->uidvalidity = n->uidvalidity;
	return n->mailbox == noted->mailbox;
}

static bool has_gone(const struct carry_box *b)
{
	return b->id && !b->there && carry_may_hold_mail(b);
}

/* No other folder there has its UIDVALIDITY, by which a rename is known. */
static bool is_alone(const struct carry *c, const struct carry_box *b)
{
	for (size_t i = 0; i < c->n_boxes; i++)
		if (&c->boxes[i] != b &&
			c->boxes[i].looks.uidvalidity == b->looks.uidvalidity)
			return false;
	return b->looks.uidvalidity != 0;
}

/* The one here that was renamed there to this. 1: it is in *ret. */
static int find_former(
	struct carry *c, const struct carry_box *stranger, const struct carry_box **ret)
{
	for (size_t i = 0; is_alone(c, stranger) && i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i];
		struct noted noted = { .mailbox = b->id };
		int r = has_gone(b) ? store_each_counterpart(c->store, SIDE_DESTINATION,
					      b->name_there, see_noted, &noted, c->err)
		                    : 0;

		if (r < 0)
			return r;
		*ret = b;
		if (r && noted.uidvalidity == stranger->looks.uidvalidity)
			return 1;
	}
	return 0;
}

/* "" cannot be: the source has no such name. */
static int name_here(struct carry *c, struct str there, struct str *ret, char *separator)
{
	struct str name = carry_name_here(c, there, separator), again;

	if (!name.ptr)
		return carry_no_memory(c);
	again = carry_name_there(c, name, *separator);
	if (!again.ptr)
		return carry_no_memory(c);
	if (!str_eq(again, there) || str_ieq(name, INBOX))
		return error_set(c->err, -EREMOTEIO,
			"\"%.*s\" cannot have that name at the old server: rename it "
			"there first",
			STR_ARG(there));
	*ret = name;
	return 0;
}

static int rename_here(
	struct carry *c, const struct carry_box *b, const struct carry_box *stranger)
{
	char separator;
	struct str name;
	int r = name_here(c, stranger->name_there, &name, &separator);

	if (r == 0)
		r = store_rename_mailbox(c->store, b->id, name, c->err);
	if (r == 0)
		r = store_rename_destination(
			c->store, b->name_there, stranger->name_there, c->err);
	return r;
}

static int create_here(struct carry *c, const struct carry_box *stranger)
{
	struct mailbox m = { .special_use = STR("") };
	int64_t id;
	int r = name_here(c, stranger->name_there, &m.name, &m.separator);

	return r ? r : store_create_mailbox(c->store, &m, &id, c->err);
}

/* What it holds here that was never there stays. */
static int remove_here(struct carry *c, const struct carry_box *b)
{
	int r = carry_has_late(c, b);

	if (r)
		return r < 0 ? r : 0;
	r = store_delete_mailbox(c->store, b->id, c->err);
	return r < 0 ? r : 1;
}

/* 1: something here has another name now. */
static int settle_strangers(struct carry *c, bool *ret_changed)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i], *former;

		if (b->id)
			continue;
		r = find_former(c, b, &former);
		if (r == 1)
			r = rename_here(c, former, b);
		else if (r == 0)
			r = create_here(c, b);
		*ret_changed = true;
	}
	return r;
}

static int settle_gone(struct carry *c, bool *ret_changed)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i];

		if (!has_gone(b))
			continue;
		if (str_ieq(b->name, INBOX))
			return error_set(c->err, -EPROTO, "the source lists no INBOX");
		r = remove_here(c, b);
		*ret_changed = *ret_changed || r == 1;
		r = r < 0 ? r : 0;
	}
	return r;
}

static int check_selectable(struct carry *c)
{
	for (size_t i = 0; i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i];

		if (b->id && b->there && !carry_may_hold_mail(b) &&
			folder_is_selectable(b->there))
			return error_set(c->err, -EREMOTEIO,
				"\"%.*s\" cannot hold messages at the old server: rename "
				"it there first",
				STR_ARG(b->name_there));
	}
	return 0;
}

/* Strangers first: with the next pass nothing that was renamed has gone. */
int carry_home_folders(struct carry *c)
{
	bool changed = false;
	int r = check_selectable(c);

	if (r == 0)
		r = store_begin(c->store, c->err);
	if (r < 0)
		return r;
	r = settle_strangers(c, &changed);
	if (r == 0 && !changed && !c->shows_nothing)
		r = settle_gone(c, &changed);
	if (r < 0) {
		store_rollback(c->store);
		return r;
	}
	r = store_commit(c->store, c->err);
	return r < 0 ? r : changed;
}

static int subscribe_here(struct carry *c, struct str name, bool subscribed)
{
	int r = store_begin(c->store, c->err);

	if (r < 0)
		return r;
	r = store_subscribe(c->store, name, subscribed, c->err);
	if (r == 0)
		return store_commit(c->store, c->err);
	store_rollback(c->store);
	return r;
}

/* Of folders: names of others were not taken by every destination. */
int carry_home_subscriptions(struct carry *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_boxes; i++) {
		const struct carry_box *b = &c->boxes[i];
		bool there = b->there && carry_is_subscribed_there(c, b->name_there);

		if (b->there && there != store_is_subscribed(c->store, b->name))
			r = subscribe_here(c, b->name, there);
	}
	return r;
}

/* ---- bodies ---- */

int carry_home_body(struct carry *c, unsigned connection, uint64_t len)
{
	struct carry_home *h = c->home;

	if (h->is_open[connection])
		store_body_abort(c->store, &h->bodies[connection]);
	h->is_open[connection] = false;
	body_digest_begin(&h->digests[connection]);
	if (store_body_begin(c->store, len, &h->bodies[connection], c->err) < 0)
		return c->err->code ? c->err->code : -EIO;
	h->is_open[connection] = true;
	return 0;
}

int carry_home_bytes(struct carry *c, unsigned connection, struct str bytes)
{
	struct carry_home *h = c->home;

	body_digest_add(&h->digests[connection], bytes);
	return h->is_open[connection]
	               ? store_body_write(c->store, &h->bodies[connection], bytes, c->err)
	               : 0;
}

static int commit_some(struct carry *c)
{
	int r = 0;

	if (++c->home->n % COMMIT_EVERY == 0) {
		r = store_commit(c->store, c->err);
		if (r == 0)
			r = store_begin(c->store, c->err);
	}
	return r;
}

static int add(struct carry *c, const struct mail *m, const struct body_place *place,
	const unsigned char *digest)
{
	const struct carry_box *b = c->home->m->box;
	const struct store_message is = { .flags = m->flags & KEPT_FLAGS,
		.keywords = m->keywords,
		.date = m->date,
		.zone = m->zone,
		.size = m->size == MAIL_SIZE_UNKNOWN ? place->len : m->size,
		.uidl = STR("") };
	struct carry_note note = {
		.mailbox = b->id, .other_uid = m->uid, .digest = digest, .is_proven = true
	};
	int r = store_add(c->store, b->id, &is, place, &note.uid, c->err);

	if (r == 0)
		r = carry_note_pair(c, c->home->m, &note, c->err);
	c->sums.messages += r == 0;
	c->sums.bytes += r == 0 ? place->len : 0;
	return r ? r : commit_some(c);
}

/* What has a size and comes without a byte was not given. */
int carry_home_message(struct carry *c, unsigned connection, uint32_t uid)
{
	struct carry_home *h = c->home;
	struct wanted *w = carry_wanted(h->m, uid);
	size_t k = listing_find(&c->listing, uid);
	unsigned char digest[BODY_DIGEST_SIZE];
	struct body_writer *body = &h->bodies[connection];
	struct body_place place;
	struct mail m;
	int r;

	if (!h->is_open[connection] || !w || w->came || k == LISTING_NONE)
		return 0;
	h->is_open[connection] = false;
	m = listing_at(&c->listing, k);
	if (body->written != body->len || (!body->len && m.size)) {
		store_body_abort(c->store, body);
		return 0;
	}
	r = store_body_end(c->store, body, &place, c->err);
	if (r < 0)
		return r;
	w->came = true;
	body_digest_end(&h->digests[connection], digest);
	return add(c, &m, &place, digest);
}

static int all_came(struct carry *c, const struct carry_match *m)
{
	for (size_t i = 0; i < m->n_wanted; i++)
		if (!m->wanted[i].came)
			return error_set(c->err, -EREMOTEIO,
				"UID %u of \"%.*s\" does not come, or not whole",
				m->wanted[i].uid, STR_ARG(m->box->name_there));
	return 0;
}

/* In a transaction; with an error what was committed stays. */
static int fetch_new(struct carry *c, struct carry_match *m)
{
	struct carry_home home = { .m = m };
	int r;

	r = carry_want_rest(c, m);
	if (r || !m->n_wanted)
		return r;
	c->home = &home;
	r = carry_fetch(c, m);
	c->home = NULL;
	for (size_t i = 0; i < SOURCE_CONNECTIONS_MAX; i++)
		if (home.is_open[i])
			store_body_abort(c->store, &home.bodies[i]);
	return r ? r : all_came(c, m);
}

/* ---- what is known ---- */

/* A word that no message may have there was not taken, and not removed by its user. */
static struct str words_now(
	struct carry *c, const struct carry_row *row, struct str there)
{
	struct str words = imap_keywords_remove(&c->arena, row->keywords, c->words);
	struct str all = there;

	while (all.ptr && words.len)
		all = imap_keywords_add(&c->arena, all, str_split(&words, ' '));
	return all;
}

static int follow(
	struct carry *c, const struct carry_match *m, const struct carry_row *row)
{
	struct mail there = listing_at(&c->listing, row->pair);
	unsigned flags = there.flags & KEPT_FLAGS;
	struct str words = words_now(c, row, there.keywords);
	uint64_t modseq;

	if (!words.ptr)
		return carry_no_memory(c);
	if (flags == row->flags && str_eq(words, row->keywords))
		return 0;
	c->sums.flags++;
	return store_set_flags(
		c->store, m->box->id, row->uid, flags, words, &modseq, c->err);
}

/* It stays, and from now on only its bytes are looked for. */
static int leave_it(struct carry *c, const struct carry_match *m, struct carry_row *row)
{
	if (!carry_digest(c, m, row))
		return c->err->code ? c->err->code : -EIO;
	c->lost.not_shown++;
	return carry_note_pair(c, m,
		&(struct carry_note){
			.mailbox = m->box->id, .uid = row->uid, .digest = row->digest },
		c->err);
}

static int take_row(struct carry *c, const struct carry_match *m, struct carry_row *row,
	bool is_doubtful)
{
	if (row->pair != CARRY_ALONE)
		return follow(c, m, row);
	if (!row->has_gone) { /* by leave_it(), now or by who was here before */
		c->lost.not_shown += row->is_planned && row->digest;
		return 0;
	}
	if (is_doubtful)
		return leave_it(c, m, row);
	c->sums.expunged++;
	return store_expunge(c->store, m->box->id, row->uid, c->err);
}

/* Another UIDVALIDITY, UIDs that are given a second time, no mail at all: a server that
   has lost its storage, or its index, looks like that. */
static bool is_doubtful(const struct carry *c, const struct carry_match *m)
{
	bool is = c->shows_nothing;

	for (size_t i = 0; !is && i < m->n_rows; i++)
		is = m->rows[i].pair == CARRY_ALONE && m->rows[i].has_gone &&
		     m->rows[i].is_unsure;
	return is;
}

/* Under the UIDs that are ours there are others, and not one of ours is there. */
static int refuse_another(struct carry *c, const struct carry_match *m)
{
	bool is_another = false;

	for (size_t i = 0; i < m->n_rows; i++) {
		if (m->rows[i].pair != CARRY_ALONE)
			return 0;
		is_another = is_another || m->rows[i].other != CARRY_ALONE;
	}
	return is_another ? error_set(c->err, -EREMOTEIO,
				    "\"%.*s\" has other messages at the source than it "
				    "was given, under their UIDs: it is another mailbox",
				    STR_ARG(m->box->name_there))
	                  : 0;
}

int carry_home_folder(struct carry *c, struct carry_match *m)
{
	bool doubtful = is_doubtful(c, m);
	int r = refuse_another(c, m), done;

	if (r == 0)
		r = store_begin(c->store, c->err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < m->n_rows; i++)
		r = take_row(c, m, &m->rows[i], doubtful);
	if (r == 0)
		r = fetch_new(c, m);
	if (r < 0) {
		store_rollback(c->store);
		return r;
	}
	done = store_commit(c->store, c->err);
	return done < 0 ? done : r;
}
