/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/sweep.h"

#include "base/clock.h"
#include "base/fd.h"
#include "transfer/copy/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void sweep_init(struct sweep *s, const struct source *source)
{
	*s = (struct sweep){ .source = *source, .namespaces = STR(""), .file = -1 };
	arena_init(&s->arena);
}

void sweep_fini(struct sweep *s)
{
	fd_closep(&s->file);
	free(s->at);
	free(s->uids);
	arena_fini(&s->arena);
	s->at = NULL;
	s->uids = NULL;
	s->count = s->cap = s->n_uids = s->cap_uids = 0;
}

static bool is_named(const struct sweep_folder *f, struct str name)
{
	struct str inbox = STR_LIT("INBOX");

	return str_eq(f->name, name) || (str_ieq(f->name, inbox) && str_ieq(name, inbox));
}

struct sweep_folder *sweep_folder(struct sweep *s, struct str name)
{
	struct sweep_folder *f;

	for (size_t i = 0; i < s->count; i++)
		if (is_named(&s->at[i], name))
			return &s->at[i];
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;

		f = reallocarray(s->at, cap, sizeof(*f));
		if (!f)
			return NULL;
		s->at = f;
		s->cap = cap;
	}
	f = &s->at[s->count];
	*f = (struct sweep_folder){ .name = arena_str(&s->arena, name) };
	if (!f->name.ptr)
		return NULL;
	s->count++;
	return f;
}

static int no_memory(struct sweep *s)
{
	return error_set(s->err, -ENOMEM, "no memory");
}

static void note(struct sweep_folder *f, const char *what, struct str text)
{
	(void)snprintf(f->note, sizeof(f->note), "%s%.*s", what,
		STR_ARG(str_take(text, sizeof(f->note) / 2)));
}

/* ---- what the source says ---- */

static int on_folder(void *context, const struct mail_folder *is)
{
	struct sweep *s = context;
	struct sweep_folder *f = sweep_folder(s, is->name);

	if (!f)
		return no_memory(s);
	f->is_there = true;
	f->is_open = !(is->attributes & (FOLDER_NOSELECT | FOLDER_NONEXISTENT));
	f->expires = f->expires || sweep_expires(is->name, is->special_use);
	return 0;
}

static int on_name(void *context, struct str name)
{
	(void)context;
	(void)name;
	return 0;
}

static int on_namespaces(void *context, struct str text)
{
	struct sweep *s = context;

	s->namespaces = arena_str(&s->arena, text);
	return s->namespaces.ptr ? 0 : no_memory(s);
}

static int on_opened(void *context, size_t folder, const struct source_status *looks)
{
	struct sweep *s = context;

	s->at[folder].looks = *looks;
	return 0;
}

static int on_keywords(void *context, size_t folder, struct str words)
{
	(void)context;
	(void)folder;
	(void)words;
	return 0;
}

static int on_row(void *context, size_t folder, const struct mail *m)
{
	struct sweep *s = context;

	if (m->uid < s->at[folder].next)
		return 0;
	if (s->n_uids == s->cap_uids) {
		size_t cap = s->cap_uids ? s->cap_uids * 2 : 64;
		uint32_t *more = reallocarray(s->uids, cap, sizeof(*more));

		if (!more)
			return no_memory(s);
		s->uids = more;
		s->cap_uids = cap;
	}
	s->uids[s->n_uids++] = m->uid;
	return 0;
}

/* One whose UID is not known may be any of them. */
static int on_unreadable(void *context, size_t folder, uint32_t uid, struct str text)
{
	struct sweep *s = context;

	if (uid && uid < s->at[folder].next)
		return 0;
	if (uid < s->unreadable)
		s->unreadable = uid;
	note(&s->at[folder], "a message cannot be understood: ", text);
	return 0;
}

static int on_listed(void *context, size_t folder, enum source_end end, struct str text)
{
	struct sweep *s = context;
	struct sweep_folder *f = &s->at[folder];

	if (end == SOURCE_DONE)
		return 0;
	s->is_refused = true;
	f->is_barred = end == SOURCE_NO_RIGHT && !f->uidvalidity &&
	               namespaces_is_of_others(s->namespaces, f->name);
	if (!f->is_barred)
		note(f, "the source does not open it: ", text);
	return 0;
}

static int on_body(void *context, unsigned connection, uint64_t len)
{
	struct sweep *s = context;

	(void)connection;
	s->body_len = len;
	s->written = 0;
	if (ftruncate(s->file, 0) < 0 || lseek(s->file, 0, SEEK_SET) < 0)
		return error_errno(s->err, -errno, "cannot write the message down");
	return 0;
}

static int on_bytes(void *context, unsigned connection, struct str bytes)
{
	struct sweep *s = context;
	int r = fd_write_all(s->file, bytes.ptr, bytes.len);

	(void)connection;
	if (r < 0)
		return error_errno(s->err, r, "cannot write the message down");
	s->written += bytes.len;
	return 0;
}

/* A message that has a size and comes without a byte was not given. */
static bool is_whole(const struct sweep *s, const struct mail *m)
{
	return s->written == s->body_len && (s->written || !m->size);
}

static int on_message(
	void *context, unsigned connection, size_t folder, const struct mail *m)
{
	struct sweep *s = context;
	struct sweep_folder *f = &s->at[folder];
	int r;

	(void)connection;
	if (!s->n_uids || m->uid != s->wanted || s->came)
		return 0;
	if (!is_whole(s, m))
		return 0;
	r = s->hand_on(s->context, f, m, s->file, s->err);
	if (r < 0)
		return r;
	s->came = true;
	if (f->is_drop)
		f->last = arena_str(&s->arena, m->uidl);
	if (f->is_drop && !f->last.ptr)
		return no_memory(s);
	f->messages++;
	f->last_at = clock_wall_ms();
	f->next = m->uid + 1;
	return 0;
}

static int on_fetched(void *context, size_t folder, const struct wanted *first, size_t n,
	enum source_end end, struct str text)
{
	struct sweep *s = context;

	(void)first;
	(void)n;
	(void)end;
	/* one that has gone meanwhile is not listed the next time, and this note goes */
	if (s->came)
		return 0;
	s->is_refused = true;
	note(&s->at[folder], "the source does not give a message: ",
		text.len ? text : STR_LIT("it does not come, or not whole"));
	return 0;
}

static int on_tick(void *context)
{
	(void)context; /* a round has nobody who waits for it */
	return 0;
}

static int run(struct sweep *s)
{
	struct source_events events = { .context = s,
		.folder = on_folder,
		.subscription = on_name,
		.namespaces = on_namespaces,
		.opened = on_opened,
		.keywords = on_keywords,
		.row = on_row,
		.unreadable = on_unreadable,
		.listed = on_listed,
		.body = on_body,
		.bytes = on_bytes,
		.message = on_message,
		.fetched = on_fetched,
		.tick = on_tick };

	return s->source.ops->run(s->source.self, &events, s->err);
}

/* ---- one folder ---- */

static int compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* One at a time: no answer that comes out of order may pass another one over. */
static int take_one(struct sweep *s, size_t i, uint32_t uid)
{
	struct sweep_folder *f = &s->at[i];
	const struct wanted wanted = { .uid = uid };
	int r;

	s->wanted = uid;
	s->came = false;
	s->written = s->body_len = 0;
	r = s->source.ops->fetch(
		s->source.self, i, f->name, f->uidvalidity, &wanted, 1, s->err);
	return r ? r : run(s);
}

static int take_all(struct sweep *s, size_t i)
{
	size_t n = s->n_uids;
	int r = 0;

	qsort(s->uids, n, sizeof(*s->uids), compare_uids);
	for (size_t k = 0; r == 0 && !s->is_refused && k < n; k++) {
		uint32_t uid = s->uids[k];

		if (uid >= s->unreadable)
			break;
		if (uid >= s->at[i].next) /* a row may come twice */
			r = take_one(s, i, uid);
	}
	return r;
}

static int take_folder(struct sweep *s, size_t i)
{
	struct sweep_folder *f = &s->at[i];
	uint32_t uidnext = f->looks.uidnext;
	int r;

	s->n_uids = 0;
	s->unreadable = UINT32_MAX;
	s->is_refused = false;
	r = s->source.ops->list_from(s->source.self, i, f->name, f->next, s->err);
	if (r == 0)
		r = run(s);
	if (r == 0 && f->looks.uidvalidity != f->uidvalidity)
		return 0; /* made anew a moment ago: the next round says so */
	if (r == 0 && !s->is_refused && s->n_uids)
		r = take_all(s, i);
	/* what is not there any more need not be asked for again */
	if (r == 0 && !s->is_refused && s->unreadable == UINT32_MAX && uidnext > f->next)
		f->next = uidnext;
	return r;
}

/* Whether there is something to be taken; else why not. */
static bool has_news(struct sweep_folder *f)
{
	char count[32];

	if (!f->is_there || !f->looks.uidvalidity)
		return false;
	if (!f->uidvalidity) {
		(void)snprintf(count, sizeof(count), "%u message(s)", f->looks.messages);
		note(f, "it is new at the source and not brought: ", str_from(count));
		return false;
	}
	if (f->looks.uidvalidity != f->uidvalidity) {
		(void)snprintf(f->note, sizeof(f->note),
			"the source made it anew (UIDVALIDITY %u, was %u): not brought",
			f->looks.uidvalidity, f->uidvalidity);
		return false;
	}
	return f->looks.uidnext > f->next;
}

/* ---- a round ---- */

static int look(struct sweep *s)
{
	const struct source_ops *ops = s->source.ops;
	int r;

	for (size_t i = 0; i < s->count; i++) {
		s->at[i].is_there = s->at[i].is_open = s->at[i].is_barred = false;
		s->at[i].looks = (struct source_status){ 0 };
		s->at[i].note[0] = '\0';
	}
	r = ops->folders(s->source.self, s->err);
	if (r == 0)
		r = run(s);
	for (size_t i = 0; r == 0 && i < s->count; i++)
		if (s->at[i].is_open)
			r = ops->status(s->source.self, i, s->at[i].name, s->err);
	return r ? r : run(s);
}

/* Of a maildrop only its end is known; what a refused STATUS does not say is as it
   was. */
static void compare(struct sweep *s)
{
	uint64_t now = clock_wall_ms();

	for (size_t i = 0; i < s->count; i++) {
		struct sweep_folder *f = &s->at[i];

		if (!f->is_drop && !f->expires && (f->looks.uidvalidity || !f->is_there))
			sweep_compare(&f->was, &f->looks, now, &f->change);
	}
}

struct source_tail sweep_tail(const struct sweep_folder *f)
{
	return (struct source_tail){ .uidvalidity = f->uidvalidity,
		.uidnext = f->next,
		.count = f->base_count + (f->next - f->base),
		.last = f->last };
}

int sweep_round(struct sweep *s, struct error *err)
{
	int r;

	s->err = err;
	if (s->file < 0)
		s->file = open(s->spool_folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (s->file < 0)
		return error_errno(err, -errno, "no file in %s", s->spool_folder);
	r = look(s);
	if (r == 0)
		compare(s);
	for (size_t i = 0; r == 0 && i < s->count; i++)
		if (has_news(&s->at[i]))
			r = take_folder(s, i);
	return r;
}
