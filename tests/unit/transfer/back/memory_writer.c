/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/back/memory_writer.h"

#include "base/arena.h"
#include "wire/imap/flags.h"

#undef NDEBUG /* what is asserted here is part of the tests */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- at each step ---- */

static int lost(struct memory_writer *w, struct error *err)
{
	if (w->die)
		w->die();
	return error_set(err, -ECONNRESET, "the connection is lost");
}

static int before(struct memory_writer *w, struct error *err)
{
	return ++w->steps == w->end_at && w->end == END_BEFORE ? lost(w, err) : 0;
}

static int after(struct memory_writer *w, struct error *err)
{
	return w->steps == w->end_at && w->end == END_AFTER ? lost(w, err) : 0;
}

static struct memory_folder *named(struct memory_writer *w, struct str name)
{
	for (size_t i = 0; i < w->source->n_folders; i++)
		if (str_eq(str_from(w->source->folders[i].name), name))
			return &w->source->folders[i];
	return NULL;
}

/* ---- folders ---- */

static int writer_connect(void *self, struct error *err)
{
	(void)self;
	(void)err;
	return 0;
}

static int writer_create(void *self, struct str name, struct error *err)
{
	struct memory_writer *w = self;
	int r = before(w, err);

	if (r == 0 && named(w, name))
		return error_set(err, -EREMOTEIO, "it exists");
	if (r == 0)
		memory_add_folder(w->source, w->keep(name))->uidvalidity =
			9000 + w->steps;
	return r ? r : after(w, err);
}

static int writer_rename(void *self, struct str from, struct str to, struct error *err)
{
	struct memory_writer *w = self;
	struct memory_folder *f = named(w, from);
	int r = before(w, err);

	if (r == 0 && (!f || named(w, to)))
		return error_set(err, -EREMOTEIO, "it cannot be");
	if (r == 0)
		f->name = w->keep(to);
	return r ? r : after(w, err);
}

static int writer_subscribe(
	void *self, struct str name, bool subscribed, struct error *err)
{
	struct memory_writer *w = self;
	struct memory_source *m = w->source;
	size_t at = 0;
	int r = before(w, err);

	if (r)
		return r;
	while (at < m->n_subscriptions && !str_eq(str_from(m->subscriptions[at]), name))
		at++;
	if (at < m->n_subscriptions && !subscribed)
		m->subscriptions[at] = m->subscriptions[--m->n_subscriptions];
	else if (at == m->n_subscriptions && subscribed)
		m->subscriptions[m->n_subscriptions++] = w->keep(name);
	return after(w, err);
}

static int writer_open(
	void *self, struct str name, struct writer_folder *ret, struct error *err)
{
	struct memory_writer *w = self;
	int r = before(w, err);

	w->open = named(w, name);
	if (r == 0 && !w->open)
		return error_set(err, -EREMOTEIO, "there is none");
	if (r == 0)
		*ret = (struct writer_folder){ .uidvalidity = w->open->uidvalidity,
			.flags = MAIL_SEEN | MAIL_ANSWERED | MAIL_FLAGGED | MAIL_DELETED |
			         MAIL_DRAFT,
			.keywords = STR(""),
			.any_keyword = !w->no_keyword };
	return r ? r : after(w, err);
}

/* ---- messages ---- */

static struct str altered(struct memory_writer *w, struct str body, char *room)
{
	size_t len = body.len;

	memcpy(room, body.ptr, len);
	if (w->alters)
		room[0] = '?';
	if (w->adds_line_end) {
		memcpy(room + len, "\r\n", 2);
		len += 2;
	}
	return str_of(room, len);
}

static void take(struct memory_writer *w, struct memory_folder *f,
	struct writer_message *is, bool is_heard)
{
	char *room = malloc(is->body.len + 2);
	struct memory_message *new;
	struct str body;

	assert(room);
	body = altered(w, is->body, room);
	new = memory_add(f, f->uidnext, (unsigned)body.len);
	new->body = w->keep(body);
	new->flags = is->mail.flags;
	new->keywords = w->keep(is->mail.keywords);
	new->date = w->forgets_dates ? 1 : is->mail.date;
	new->zone = is->mail.zone;
	free(room);
	if (!is_heard)
		return;
	is->end = APPEND_TAKEN;
	is->uidvalidity = w->no_uids ? 0 : f->uidvalidity;
	is->uid = w->no_uids ? 0 : w->says_uid ? w->says_uid : new->uid;
}

static bool refuses(const struct memory_writer *w, const struct writer_message *is)
{
	return w->refuses && str_starts(is->body, str_from(w->refuses));
}

static void append_one(struct memory_writer *w, struct memory_folder *f,
	struct writer_message *is, bool is_heard)
{
	if (!refuses(w, is)) {
		take(w, f, is, is_heard);
	} else if (is_heard) {
		is->end = APPEND_REFUSED;
		(void)snprintf(is->why, sizeof(is->why), "such mail is not taken");
	}
}

/* Of the messages of a call, one ends a step each. */
static int writer_append(void *self, struct str name, struct writer_message *messages,
	size_t n, struct error *err)
{
	struct memory_writer *w = self;
	struct memory_folder *f = named(w, name);
	size_t bytes = 0, i;

	assert(n && n <= WRITER_APPEND_MAX);
	for (i = 0; i < n; i++)
		bytes += messages[i].body.len;
	assert(n == 1 || bytes <= WRITER_APPEND_BYTES);
	if (n > w->most_at_once)
		w->most_at_once = n;
	for (i = 0; i < n; i++) {
		bool is_last = ++w->steps == w->end_at;

		if (!is_last || w->end == END_AFTER)
			append_one(w, f, &messages[i], !is_last);
		if (is_last)
			break;
	}
	if (i == n)
		return 0;
	for (size_t k = i + 1; w->goes_on && k < n; k++)
		append_one(w, f, &messages[k], false);
	return lost(w, err);
}

static void change(struct memory_writer *w, struct memory_message *m, bool add,
	unsigned flags, struct str keywords)
{
	struct arena arena;
	struct str have = str_from(m->keywords);

	arena_init(&arena);
	m->flags = add ? m->flags | flags : m->flags & ~flags;
	have = add ? imap_keywords_add(&arena, have, keywords)
	           : imap_keywords_remove(&arena, have, keywords);
	m->keywords = w->keep(have);
	arena_fini(&arena);
}

static int writer_flag(void *self, const uint32_t *uids, size_t n, bool add,
	unsigned flags, struct str keywords, struct error *err)
{
	struct memory_writer *w = self;
	int r = before(w, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (memory_find(w->open, uids[i]))
			change(w, memory_find(w->open, uids[i]), add, flags, keywords);
	return r ? r : after(w, err);
}

static bool is_among(uint32_t uid, const uint32_t *uids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (uids[i] == uid)
			return true;
	return false;
}

static int writer_expunge(void *self, const uint32_t *uids, size_t n, struct error *err)
{
	struct memory_writer *w = self;
	int r = before(w, err);

	for (size_t i = 0; r == 0 && w->no_uids && i < w->open->count; i++)
		if ((w->open->messages[i].flags & MAIL_DELETED) &&
			!is_among(w->open->messages[i].uid, uids, n))
			return error_set(err, -EBUSY, "others are marked");
	for (size_t i = 0; r == 0 && i < n; i++)
		if (memory_find(w->open, uids[i]))
			memory_remove(w->open, uids[i]);
	return r ? r : after(w, err);
}

static void writer_close(void *self)
{
	(void)self;
}

static const struct writer_ops memory_ops = {
	.connect = writer_connect,
	.create = writer_create,
	.rename = writer_rename,
	.subscribe = writer_subscribe,
	.open = writer_open,
	.append = writer_append,
	.flag = writer_flag,
	.expunge = writer_expunge,
	.close = writer_close,
	.free = writer_close,
};

struct writer memory_writer(struct memory_writer *w)
{
	return (struct writer){ .ops = &memory_ops, .self = w };
}
