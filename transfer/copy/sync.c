/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/sync.h"

#include "base/clock.h"
#include "transfer/copy/changes.h"
#include "transfer/copy/namespaces.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE_NOTE "namespace" /* what the IMAP server here shows as its own */

void sync_init(struct sync *s, const struct source *source, const struct destination *to,
	int (*tick)(void *context), void *context)
{
	*s = (struct sync){
		.source = *source, .to = *to, .tick = tick, .context = context
	};
	listing_init(&s->listing);
}

void sync_fini(struct sync *s)
{
	folders_fini(&s->folders);
	folders_fini(&s->before);
	listing_fini(&s->listing);
	free(s->namespaces);
	free(s->whole);
	s->namespaces = NULL;
	s->whole = NULL;
	s->n_whole = 0;
}

int sync_was_whole(struct sync *s, int64_t folder, uint32_t uidnext)
{
	struct sync_whole *more =
		reallocarray(s->whole, s->n_whole + 1, sizeof(*s->whole));

	if (!more)
		return -ENOMEM;
	s->whole = more;
	s->whole[s->n_whole++] =
		(struct sync_whole){ .folder = folder, .uidnext = uidnext };
	return 0;
}

/* ---- noting differences ---- */

void sync_note(struct sync *s, const struct folder *f, const char *format, ...)
{
	size_t used = strlen(s->first);
	va_list args;
	char text[160];

	if (s->differences++ >= SYNC_FIRST_MAX)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)snprintf(s->first + used, sizeof(s->first) - used, "%s%.*s%s%s",
		used ? "; " : "", f ? (int)f->name_len : 0, f ? f->name : "",
		f ? ": " : "", text);
}

void sync_note_unreadable(
	struct sync *s, const struct folder *f, uint32_t uid, struct str text)
{
	struct unreadable *u;

	if (s->n_unreadable++ >= SYNC_UNREADABLE_MAX)
		return;
	u = &s->unreadable[s->n_unreadable - 1];
	u->folder = (size_t)(f - s->folders.at);
	u->uid = uid;
	(void)snprintf(u->text, sizeof(u->text), "%.*s", STR_ARG(text));
}

bool sync_is_unreadable(const struct sync *s, const struct folder *f, uint32_t uid)
{
	size_t folder = (size_t)(f - s->folders.at);

	for (size_t i = 0; i < s->n_unreadable && i < SYNC_UNREADABLE_MAX; i++)
		if (s->unreadable[i].folder == folder && s->unreadable[i].uid == uid)
			return true;
	return false;
}

bool sync_has_only_news(const struct sync *s)
{
	return s->arrivals && s->differences == s->arrivals;
}

bool sync_is_equal_but_unreadable(const struct sync *s)
{
	return s->differences == s->n_unreadable;
}

/* ---- events of the reader ---- */

static int no_memory(struct sync *s)
{
	return error_set(s->err, -ENOMEM, "no memory");
}

static int on_folder(void *context, const struct mail_folder *folder)
{
	struct sync *s = context;

	return folders_add(&s->folders, folder) < 0 ? no_memory(s) : 0;
}

static int on_subscription(void *context, struct str name)
{
	struct sync *s = context;

	return folders_subscribe(&s->folders, name, true, false) < 0 ? no_memory(s) : 0;
}

static int on_namespaces(void *context, struct str text)
{
	struct sync *s = context;
	struct arena arena;
	struct str have;
	int r;

	free(s->namespaces);
	s->namespaces =
		str_dup_c(text); /* without it, no folder is known to be their own */
	arena_init(&arena);
	r = s->to.ops->note(s->to.self, STR_LIT(NAMESPACE_NOTE), &arena, &have, s->err);
	if (r == -ENOENT || (r == 0 && !str_eq(have, text)))
		r = s->to.ops->set_note(
			s->to.self, STR_LIT(NAMESPACE_NOTE), text, s->err);
	arena_fini(&arena);
	return r;
}

/* One that is opened again is listed anew. */
static int on_opened(void *context, size_t folder, const struct source_status *status)
{
	struct sync *s = context;
	struct folder *f = &s->folders.at[folder];

	if (f->is_listed)
		return 0;
	f->status = *status;
	uid_set_fini(&f->uids);
	if (s->listing_folder == folder)
		listing_fini(&s->listing);
	return 0;
}

static int on_keywords(void *context, size_t folder, struct str words)
{
	struct sync *s = context;
	struct folder *f = &s->folders.at[folder];

	if (f->is_listed)
		return 0;
	free(f->keywords);
	f->keywords = str_dup_c(words); /* without them it goes as well */
	return 0;
}

static int on_row(void *context, size_t folder, const struct mail *m)
{
	struct sync *s = context;
	int r = listing_add(&s->listing, m);

	s->listing_folder = folder;
	return r < 0 ? error_set(s->err, r, "cannot keep the list of a folder") : 0;
}

static int on_uids(void *context, size_t folder, uint32_t first, uint32_t last)
{
	struct sync *s = context;
	struct folder *f = &s->folders.at[folder];

	if (!f->before || uid_set_add(&f->uids, first, last) != -ENOMEM)
		return 0; /* what is no set has too few of them */
	return no_memory(s);
}

/* It is there, so it is a difference. */
static int on_unreadable(void *context, size_t folder, uint32_t uid, struct str text)
{
	struct sync *s = context;
	struct folder *f = &s->folders.at[folder];

	sync_note(s, f, "UID %u cannot be understood", uid);
	sync_note_unreadable(s, f, uid, text);
	f->unlisted++;
	return 0;
}

static void count_listing(struct sync *s, struct folder *f)
{
	f->messages = s->listing.count + f->unlisted;
	for (size_t i = 0; i < s->listing.count; i++)
		f->unknown_sizes += s->listing.rows[i].size == MAIL_SIZE_UNKNOWN;
}

static int whole_listing(struct sync *s, struct folder *f)
{
	int r;

	f->is_listed = true;
	f->listed_at = clock_wall_ms();
	count_listing(s, f);
	r = changes_keep_listing(s, f);
	return r ? r : compare_messages(s, f);
}

/* What has changed; or the folder is asked for as a whole. */
static int changes_listed(struct sync *s, struct folder *f, enum source_end end)
{
	bool whole = true;
	int r = end == SOURCE_DONE ? changes_compare(s, f, &whole) : 0;

	if (r || !whole)
		return r;
	f->before = NULL;
	return s->source.ops->list(
		s->source.self, (size_t)(f - s->folders.at), folder_name(f), s->err);
}

/* A folder that LIST shows and nobody but others may read: never the user's own, none
   that was here, and not by one refusal alone. */
static bool is_barred(const struct sync *s, const struct folder *f)
{
	const struct folder *before = folders_find(&s->before, folder_name(f));

	return before && before->has_no_right && !f->id && s->namespaces &&
	       namespaces_is_of_others(str_from(s->namespaces), folder_name(f));
}

static void not_listed(
	struct sync *s, struct folder *f, enum source_end end, struct str text)
{
	f->has_no_right = end == SOURCE_NO_RIGHT;
	f->is_barred = f->has_no_right && is_barred(s, f);
	if (f->is_barred)
		return;
	sync_note(s, f, "cannot be listed: %.*s", STR_ARG(str_take(text, 100)));
	sync_note_unreadable(s, f, 0, text);
}

static int on_listed(void *context, size_t folder, enum source_end end, struct str text)
{
	struct sync *s = context;
	struct folder *f = &s->folders.at[folder];
	int r = 0;

	if (end == SOURCE_DONE)
		r = listing_finish(&s->listing) < 0 ? no_memory(s) : 0;
	if (r == 0 && f->before) {
		r = changes_listed(s, f, end);
	} else if (end != SOURCE_DONE) {
		not_listed(s, f, end, text);
	} else if (r == 0) {
		r = whole_listing(s, f);
	}
	listing_fini(&s->listing);
	if (r == 0 && f->n_wanted)
		r = s->source.ops->fetch(s->source.self, folder, folder_name(f),
			f->status.uidvalidity, f->wanted, f->n_wanted, s->err);
	return r;
}

static int on_body(void *context, unsigned connection, uint64_t len)
{
	struct sync *s = context;

	s->body_len[connection] = len;
	return s->to.ops->body(s->to.self, connection, len, s->err);
}

static int on_bytes(void *context, unsigned connection, struct str bytes)
{
	struct sync *s = context;

	return s->to.ops->bytes(s->to.self, connection, bytes, s->err);
}

static int on_message(
	void *context, unsigned connection, size_t folder, const struct mail *m)
{
	struct sync *s = context;
	struct folder *f = &s->folders.at[folder];
	struct wanted *w = folder_wanted(f, m->uid);
	struct mail mail = *m;
	uint64_t bytes;
	int r;

	if (w && !w->came)
		w->empty = !s->body_len[connection] && m->size;
	if (!w || w->came || w->empty) {
		s->to.ops->give_up(s->to.self, connection);
		return 0;
	}
	if (m->size == MAIL_SIZE_UNKNOWN)
		mail.size = s->body_len[connection];
	r = s->to.ops->add(s->to.self, connection, f->id, &mail, &bytes, s->err);
	if (r < 0)
		return r;
	w->came = true;
	f->is_unlike = f->is_unlike || changes_of_row(m) != w->listed;
	f->copied++;
	f->copied_bytes += bytes;
	f->odd_sizes += bytes != mail.size;
	return 0;
}

/* What did not come is asked for once more, by itself: in a chunk one bad message takes
   the others with it. */
static int did_not_come(struct sync *s, struct folder *f, struct wanted *w,
	enum source_end end, struct str text)
{
	if (w->empty)
		text = STR_LIT("its body is empty, and the source says it has a size");
	else if (end == SOURCE_DONE && !text.len)
		text = STR_LIT("the source gives nothing");
	if (w->alone) {
		sync_note_unreadable(s, f, w->uid, text);
		return 0;
	}
	w->alone = true;
	return s->source.ops->fetch(s->source.self, (size_t)(f - s->folders.at),
		folder_name(f), f->status.uidvalidity, w, 1, s->err);
}

static int on_fetched(void *context, size_t folder, const struct wanted *first, size_t n,
	enum source_end end, struct str text)
{
	struct sync *s = context;
	struct folder *f = &s->folders.at[folder];
	size_t from = (size_t)(first - f->wanted);
	int r = 0;

	/* another folder of that name by now: the next pass looks at it */
	if (end == SOURCE_CHANGED)
		return 0;
	for (size_t i = from; r == 0 && i < from + n; i++)
		if (!f->wanted[i].came)
			r = did_not_come(s, f, &f->wanted[i], end, text);
	return r;
}

static int on_tick(void *context)
{
	struct sync *s = context;

	return s->tick ? s->tick(s->context) : 0;
}

/* ---- the pass ---- */

/* The one that takes longest to be opened; NULL: none was listed. */
static const struct folder *largest(const struct folders *all)
{
	const struct folder *f = NULL;

	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].is_listed && (!f || all->at[i].messages > f->messages))
			f = &all->at[i];
	return f;
}

static int list(struct sync *s, struct folder *f)
{
	bool asked = false;
	int r = changes_ask(s, f, &asked);

	if (r == 0 && !asked)
		r = s->source.ops->list(s->source.self, (size_t)(f - s->folders.at),
			folder_name(f), s->err);
	return r;
}

/* The largest first: the source may have it open (sync_prepare()). */
static int list_all(struct sync *s)
{
	const struct folder *before = largest(&s->before);
	const struct folder *first =
		before ? folders_find(&s->folders, folder_name(before)) : NULL;
	size_t i = first ? (size_t)(first - s->folders.at) : 0;
	int r = 0;

	for (size_t n = 0; r == 0 && n < s->folders.count; n++, i++)
		if (folder_is_selectable(&s->folders.at[i % s->folders.count]))
			r = list(s, &s->folders.at[i % s->folders.count]);
	return r;
}

/* What the source says of the folder itself: after the messages, since a UID below
   UIDNEXT costs a look at what was expunged, and all that was changed has its modseq by
   then. */
static int finish_folder(struct sync *s, struct folder *f)
{
	const struct destination_ops *to = s->to.ops;
	int r = 0;

	if (f->status.uidnext > f->here_uidnext)
		r = to->raise_uidnext(s->to.self, f->id, f->status.uidnext, s->err);
	if (r == 0 && f->keywords)
		r = to->add_keywords(s->to.self, f->id, str_from(f->keywords), s->err);
	if (r == 0 && f->status.highestmodseq)
		r = to->base_modseq(s->to.self, f->id, f->status.highestmodseq, s->err);
	return r;
}

static int finish(struct sync *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->folders.count; i++) {
		if (s->folders.at[i].is_listed)
			r = finish_folder(s, &s->folders.at[i]);
	}
	return r;
}

static const struct source_events events = {
	.folder = on_folder,
	.subscription = on_subscription,
	.namespaces = on_namespaces,
	.opened = on_opened,
	.keywords = on_keywords,
	.row = on_row,
	.uids = on_uids,
	.unreadable = on_unreadable,
	.listed = on_listed,
	.body = on_body,
	.bytes = on_bytes,
	.message = on_message,
	.fetched = on_fetched,
	.tick = on_tick,
};

static int run(struct sync *s)
{
	struct source_events e = events;

	e.context = s;
	return s->source.ops->run(s->source.self, &e, s->err);
}

static int pass(struct sync *s)
{
	int r = s->source.ops->folders(s->source.self, s->err);

	if (r == 0)
		r = run(s);
	folders_settle(&s->folders);
	if (r == 0 && !s->folders.count)
		r = error_set(s->err, -EPROTO, "the source lists no folder");
	if (r == 0)
		r = folders_read_destination(&s->folders, &s->to, s->err);
	if (r == 0)
		r = compare_folders(s);
	if (r == 0)
		r = list_all(s);
	if (r == 0)
		r = run(s);
	return r ? r : finish(s);
}

int sync_prepare(struct sync *s, struct error *err)
{
	const struct folder *f = largest(&s->folders);
	int r;

	if (!s->source.ops->open || !f)
		return 0;
	s->err = err;
	r = s->source.ops->open(
		s->source.self, (size_t)(f - s->folders.at), folder_name(f), err);
	return r ? r : run(s);
}

int sync_pass(struct sync *s, struct error *err)
{
	struct error ignored;
	int r;

	folders_fini(&s->before);
	s->before = s->folders;
	s->folders = (struct folders){ 0 };
	free(s->namespaces);
	s->namespaces = NULL;
	s->err = err;
	s->differences = s->arrivals = 0;
	s->n_unreadable = 0;
	s->first[0] = '\0';
	s->listing_folder = SIZE_MAX;
	r = pass(s);
	for (size_t i = 0; i < s->folders.count; i++) {
		folder_want_nothing(&s->folders.at[i]);
		s->folders.at[i].before = NULL;
	}
	listing_fini(&s->listing);
	folders_fini(&s->before);
	if (r == 0)
		r = s->to.ops->commit(s->to.self, err);
	else
		(void)s->to.ops->commit(s->to.self, &ignored);
	if (r == 0)
		changes_settle(s);
	return r;
}

struct sync_progress sync_progress(const struct sync *s)
{
	struct sync_progress p = { 0 };

	for (size_t i = 0; i < s->folders.count; i++) {
		const struct folder *f = &s->folders.at[i];

		p.folders += f->at_source;
		p.messages_total += f->messages;
		p.messages_copied += f->copied;
		p.bytes_copied += f->copied_bytes;
	}
	return p;
}
