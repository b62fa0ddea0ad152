/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store_work.h"
#include "steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACK_SIZE ((uint64_t)1 << 30)
#define MANY 300 /* more than one change of flags rewrites at once */

/* ── bodies ────────────────────────────────────────────────────────────────────────── */

struct text {
	char *bytes;
	size_t len;
	char hash[20];
};

static void hash_of(struct str bytes, char ret[static 20])
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < bytes.len; i++)
		h = (h ^ (unsigned char)bytes.ptr[i]) * 1099511628211u;
	(void)snprintf(ret, 20, "%016llx", (unsigned long long)h);
}

static struct text make_text(size_t len, unsigned seed)
{
	struct text t = { .bytes = malloc(len + 1), .len = len };

	if (!t.bytes)
		fail("no memory");
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		t.bytes[i] = (char)(seed >> 16);
	}
	hash_of(str_of(t.bytes, len), t.hash);
	return t;
}

static struct body_place put(struct store *s, const struct text *t, size_t piece)
{
	struct error err = { 0 };
	struct body_writer w;
	struct body_place place;

	MUST(store_body_begin(s, t->len, &w, &err));
	for (size_t at = 0; at < t->len; at += piece)
		MUST(store_body_write(s, &w,
			str_take(str_of(t->bytes + at, t->len - at), piece), &err));
	MUST(store_body_end(s, &w, &place, &err));
	return place;
}

static void add(struct store *s, int64_t mailbox, const struct text *t,
	const struct body_place *place)
{
	struct error err = { 0 };
	struct store_message m = { .flags = FLAG_RECENT,
		.keywords = str_from(t->hash),
		.date = 1700000000,
		.size = t->len };

	MUST(store_add(s, mailbox, &m, place, NULL, &err));
}

/* ── batches ───────────────────────────────────────────────────────────────────────── */

static int64_t find(struct store *s, const char *name)
{
	struct error err = { 0 };
	struct mailbox m = { 0 };
	struct arena arena;

	arena_init(&arena);
	MUST(store_find_mailbox(s, str_from(name), &arena, &m, &err));
	arena_fini(&arena);
	return m.id;
}

static void create(struct store *s, const char *name, uint32_t uidvalidity)
{
	struct error err = { 0 };
	struct mailbox m = { .name = str_from(name), .uidvalidity = uidvalidity };

	MUST(store_create_mailbox(s, &m, NULL, &err));
	MUST(store_subscribe(s, str_from(name), true, &err));
}

static int expunge_each(void *context, const struct store_message *m)
{
	struct error err = { 0 };

	MUST(store_expunge(context, find(context, "INBOX"), m->uid, &err));
	return 0;
}

/* The rest of the pack is reserved and given up: the next body opens another one. */
static void fill_pack(struct store *s)
{
	struct error err = { 0 };
	struct body_writer probe, rest;

	MUST(store_body_begin(s, 1, &probe, &err));
	store_body_abort(s, &probe);
	MUST(store_body_begin(s, 1, &probe, &err));
	MUST(store_body_begin(s, PACK_SIZE - probe.offset - 1, &rest, &err));
	MUST(store_body_write(s, &probe, STR_LIT("x"), &err));
}

static void abort_one(struct store *s, const struct text *t)
{
	struct error err = { 0 };
	struct body_writer w;

	MUST(store_body_begin(s, t->len, &w, &err));
	MUST(store_body_write(s, &w, str_of(t->bytes, t->len / 2), &err));
	store_body_abort(s, &w);
}

static void add_batch(struct store *s, unsigned batch, int64_t inbox)
{
	struct text gathered = make_text(batch == 1 ? 270000 : 9000, batch * 10);
	struct text small = make_text((size_t)batch * 100, batch * 10 + 1);
	struct body_place place;

	abort_one(s, &gathered);
	place = put(s, &gathered, 4096);
	add(s, inbox, &gathered, &place);
	place = store_body_inline(str_of(small.bytes, small.len));
	add(s, inbox, &small, &place);
	free(gathered.bytes);
	free(small.bytes);
}

/* What else a batch does, by its number. */
static void nothing_more(struct store *s, int64_t inbox)
{
	(void)s;
	(void)inbox;
}

static void make_archive(struct store *s, int64_t inbox)
{
	(void)inbox;
	create(s, "Archive", 12);
}

static void copy_from_pack(struct store *s, int64_t inbox)
{
	struct error err = { 0 };

	MUST(store_copy(s, inbox, 1, find(s, "Archive"), NULL, &err));
}

static void copy_inline_and_expunge(struct store *s, int64_t inbox)
{
	struct error err = { 0 };

	MUST(store_copy(s, inbox, 6, find(s, "Archive"), NULL, &err));
	MUST(store_expunge(s, inbox, 2, &err));
	MUST(store_expunge(s, inbox, 6, &err));
	MUST(store_take_recent(s, inbox, NULL, &err));
}

static void change_pack(struct store *s, int64_t inbox)
{
	(void)inbox;
	fill_pack(s);
}

/* The first pack dies with them, and the bodies in the index. */
static void empty_pack(struct store *s, int64_t inbox)
{
	struct error err = { 0 };

	MUST(store_delete_mailbox(s, find(s, "Archive"), &err));
	MUST(store_each_message(s, inbox, 1, 13, expunge_each, s, &err));
}

static int64_t stage(
	struct store *s, const struct text *t, const struct body_place *place)
{
	struct error err = { 0 };
	struct store_message m = { .date = 1700000000, .size = t->len };
	int64_t id = 0;

	MUST(store_stage(s, &m, place, &id, &err));
	return id;
}

/* One in the index, one in a pack, one that is given up again. */
static void stage_some(struct store *s, int64_t inbox)
{
	struct error err = { 0 };
	struct text texts[] = { make_text(700, 1), make_text(90000, 2),
		make_text(800, 3) };
	struct body_place place = store_body_inline(str_of(texts[0].bytes, texts[0].len));

	(void)inbox;
	(void)stage(s, &texts[0], &place);
	place = put(s, &texts[1], 5000);
	(void)stage(s, &texts[1], &place);
	place = store_body_inline(str_of(texts[2].bytes, texts[2].len));
	MUST(store_discard(s, stage(s, &texts[2], &place), &err));
	for (size_t i = 0; i < 3; i++)
		free(texts[i].bytes);
}

/* Those of the batch before, unless an opener was faster. */
static void deliver_staged(struct store *s, int64_t inbox)
{
	struct error err = { 0 };

	for (int64_t id = 1; id <= 3; id++)
		if (store_deliver(s, id, inbox, NULL, &err) < 0 && err.code != -ENOENT)
			fail("staged %d: %s", (int)id, err.text);
}

static void make_many(struct store *s, int64_t inbox)
{
	struct text text = make_text(10, 1);
	struct body_place place = store_body_inline(str_of(text.bytes, text.len));

	(void)inbox;
	create(s, "Many", 13);
	for (int i = 0; i < MANY; i++)
		add(s, find(s, "Many"), &text, &place);
	free(text.bytes);
}

/* What is left of it to be rewritten is, after the commit, by pieces (work_run()). */
static void change_many(struct store *s, int64_t inbox)
{
	const struct store_range range = {
		.from = 1, .to = MANY, .add = FLAG_SEEN, .n_changed = MANY
	};
	struct error err = { 0 };
	uint64_t modseq;

	(void)inbox;
	if (store_change_range(s, find(s, "Many"), &range, &modseq, &err) != 1)
		fail("flags were not changed: %s", err.text);
}

static void (*const changes[WORK_BATCHES])(struct store *s, int64_t inbox) = {
	make_archive,
	copy_from_pack,
	copy_inline_and_expunge,
	change_pack,
	nothing_more,
	empty_pack,
	stage_some,
	make_many,
	change_many,
};

static void run_batch(struct store *s, unsigned batch)
{
	struct error err = { 0 };
	struct text large = make_text(140000, batch * 10 + 2);
	struct body_place place = put(s, &large, large.len); /* before the transaction */
	char note[16];
	int64_t inbox;

	MUST(store_begin(s, &err));
	if (batch == 0)
		create(s, "INBOX", 11);
	inbox = find(s, "INBOX");
	deliver_staged(s, inbox);
	add(s, inbox, &large, &place);
	changes[batch](s, inbox);
	add_batch(s, batch, inbox);
	(void)snprintf(note, sizeof(note), "%u", batch + 1);
	MUST(store_set_checkpoint(s, STR_LIT("batch"), str_from(note), &err));
	MUST(store_commit(s, &err));
	free(large.bytes);
}

unsigned work_done(struct store *s)
{
	struct error err = { 0 };
	struct arena arena;
	struct str value;
	uint32_t done = 0;

	arena_init(&arena);
	if (store_checkpoint(s, STR_LIT("batch"), &arena, &value, &err) == 0)
		(void)str_to_u32(value, &done);
	arena_fini(&arena);
	return done;
}

void work_run(void *context)
{
	struct work *work = context;
	struct error err = { 0 };
	struct store *s;
	int code;

	MUST(store_open(work->folder, true, &s, &err));
	for (unsigned batch = work_done(s); batch < work->batches; batch++) {
		run_batch(s, batch);
		*work->committed = batch + 1;
		while ((code = store_rewrite_changed(s, MANY / 3, &err)) == 0)
			;
		MUST(code);
	}
	store_close(s);
}

/* ── what is there ─────────────────────────────────────────────────────────────────── */

struct dump {
	struct store *store;
	int64_t mailbox;
	struct buf *text;
};

static int dump_message(void *context, const struct store_message *m)
{
	struct dump *d = context;
	struct error err = { 0 };
	struct body body;
	char hash[20];

	MUST(store_body(d->store, d->mailbox, m->uid, &body, &err));
	hash_of(body.bytes, hash);
	if (body.bytes.len != m->size ||
		(m->keywords.len && !str_eq(m->keywords, str_from(hash))))
		fail("UID %u: %zu bytes with hash %s were to be %llu with %.*s", m->uid,
			body.bytes.len, hash, (unsigned long long)m->size,
			STR_ARG(m->keywords));
	store_body_release(&body);
	return buf_printf(d->text, "  %u %u %s %lld %llu %llu\n", m->uid, m->flags, hash,
		(long long)m->date, (unsigned long long)m->size,
		(unsigned long long)m->modseq);
}

static int dump_expunged(void *context, uint32_t uid)
{
	struct dump *d = context;

	return buf_printf(d->text, "  gone: %u\n", uid);
}

static int dump_subscription(void *context, struct str name)
{
	struct dump *d = context;

	return buf_printf(d->text, "subscribed: %.*s\n", STR_ARG(name));
}

static int dump_mailbox(void *context, const struct mailbox *m)
{
	struct dump *d = context;
	struct error err = { 0 };

	d->mailbox = m->id;
	MUST(buf_printf(d->text, "%.*s %u %u %llu %u %u %u %llu\n", STR_ARG(m->name),
		m->uidvalidity, m->uidnext, (unsigned long long)m->highestmodseq,
		m->messages, m->unseen, m->recent, (unsigned long long)m->bytes));
	MUST(store_each_message(d->store, m->id, 1, UINT32_MAX, dump_message, d, &err));
	MUST(store_each_expunged(d->store, m->id, 0, dump_expunged, d, &err));
	return 0;
}

void work_dump(struct store *s, struct buf *ret_text)
{
	struct error err = { 0 };
	struct dump d = { .store = s, .text = ret_text };

	MUST(store_each_mailbox(s, dump_mailbox, &d, &err));
	MUST(store_each_subscription(s, dump_subscription, &d, &err));
}
