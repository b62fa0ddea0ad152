/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/back/carry_world.h"

#include "transfer/copy/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct shared *shared;

void world_share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		abort();
}

char *world_keep(struct str bytes)
{
	char *at = shared->room + shared->used;

	assert_true(shared->used + bytes.len + 1 <= ROOM);
	if (bytes.len)
		memcpy(at, bytes.ptr, bytes.len);
	at[bytes.len] = '\0';
	shared->used += bytes.len + 1;
	return at;
}

/* ---- the beginning: equal on both sides ---- */

static void fill(const char *name, uint32_t n)
{
	struct memory_folder *f = memory_add_folder(&shared->source, name);

	for (uint32_t uid = 1; uid <= n; uid++)
		memory_add(f, uid, 20 + uid)->keywords = uid == 1 ? "Old" : "";
}

static void move_here(struct world *w)
{
	struct source from = memory_source(&shared->source);
	struct error err = { 0 };
	struct sync sync;

	end_take_again(&w->end);
	sync_init(&sync, &from, &w->end.to, NULL, NULL);
	OK(sync_pass(&sync, &err));
	OK(sync_pass(&sync, &err));
	assert_int_equal(sync.differences, 0);
	sync_fini(&sync);
	OK(w->end.to.ops->note_switch(w->end.to.self, STR_LIT(""), &err));
	OK(w->end.to.ops->commit(w->end.to.self, &err));
	end_let_go(&w->end);
}

struct store *world_store(struct world *w)
{
	struct error err = { 0 };
	struct store *s;

	OK(store_open(w->end.folder, false, &s, &err));
	return s;
}

static void set_service(struct world *w, enum store_service service)
{
	struct store *s = world_store(w);
	struct error err = { 0 };

	OK(store_set_service(s, service, 1, &err));
	store_close(s);
}

void world_begin(struct world *w)
{
	*w = (struct world){ .writer = {
				     .source = &shared->source, .keep = world_keep } };
	memset(shared, 0, sizeof(*shared));
	fill("INBOX", 6);
	fill("Work", 3);
	fill("Old", 4);
	fill("Gone", 2);
	shared->source.subscriptions[shared->source.n_subscriptions++] = "Work";
	end_open(&w->end, END_STORE);
	end_let_go(&w->end);
	move_here(w);
	set_service(w, STORE_SERVED);
}

void world_end(struct world *w)
{
	set_service(w, STORE_COPYING);
	end_take_again(&w->end);
	end_close(&w->end);
}

/* ---- what its user does here ---- */

int64_t world_mailbox(struct store *s, const char *name)
{
	struct mailbox m = { 0 };
	struct error err = { 0 };
	struct arena arena;

	arena_init(&arena);
	OK(store_find_mailbox(s, str_from(name), &arena, &m, &err));
	arena_fini(&arena);
	return m.id;
}

static uint32_t add(struct store *s, const char *name, const char *body, int64_t date)
{
	struct store_message m = { .flags = FLAG_SEEN,
		.keywords = STR_LIT("$Junk Old"),
		.uidl = STR_LIT(""),
		.date = date,
		.zone = 60,
		.size = strlen(body) };
	struct body_place place = store_body_inline(str_from(body));
	struct error err = { 0 };
	uint32_t uid;

	OK(store_add(s, world_mailbox(s, name), &m, &place, &uid, &err));
	return uid;
}

void world_gets(struct world *w, const char *name, const char *body)
{
	struct store *s = world_store(w);
	struct error err = { 0 };

	OK(store_begin(s, &err));
	(void)add(s, name, body, 300);
	OK(store_commit(s, &err));
	store_close(s);
}

void world_renames(struct world *w, const char *from, const char *to)
{
	struct store *s = world_store(w);
	struct error err = { 0 };

	OK(store_begin(s, &err));
	OK(store_rename_mailbox(s, world_mailbox(s, from), str_from(to), &err));
	OK(store_commit(s, &err));
	store_close(s);
}

static void create(struct store *s, const char *name)
{
	struct mailbox m = {
		.name = str_from(name), .separator = '/', .special_use = STR("")
	};
	struct error err = { 0 };

	OK(store_create_mailbox(s, &m, NULL, &err));
	OK(store_subscribe(s, m.name, true, &err));
}

void world_lives_here(struct world *w)
{
	struct store *s = world_store(w);
	struct error err = { 0 };
	int64_t inbox = world_mailbox(s, "INBOX");

	OK(store_begin(s, &err));
	(void)add(s, "INBOX", "one that is new\r\n", 100);
	(void)add(s, "INBOX", "the same twice", 101);
	(void)add(s, "INBOX", "the same twice", 101);
	OK(store_expunge(s, inbox, add(s, "INBOX", "here for a moment", 102), &err));
	OK(store_expunge(s, inbox, 2, &err));
	OK(store_set_flags(s, inbox, 1, FLAG_DELETED, STR_LIT("Mine"), NULL, &err));
	OK(store_set_flags(s, inbox, 3, FLAG_FLAGGED, STR_LIT(""), NULL, &err));
	OK(store_copy(s, inbox, 5, world_mailbox(s, "Work"), NULL, &err)); /* MOVE */
	OK(store_expunge(s, inbox, 5, &err));
	create(s, "New");
	(void)add(s, "New", "first of a new folder", 103);
	(void)add(s, "New", "second of a new folder", 104);
	OK(store_rename_mailbox(s, world_mailbox(s, "Old"), STR_LIT("Older"), &err));
	(void)add(s, "Older", "in a renamed folder", 105);
	OK(store_delete_mailbox(s, world_mailbox(s, "Gone"), &err));
	OK(store_subscribe(s, STR_LIT("Work"), false, &err));
	OK(store_commit(s, &err));
	store_close(s);
}

/* ---- what the source does meanwhile ---- */

int world_sweep(struct world *w, uint32_t uid, struct str body, int64_t date)
{
	struct store *s = world_store(w);
	unsigned char digest[BODY_DIGEST_SIZE];
	struct swept m = { .folder = STR("INBOX"),
		.uidvalidity = memory_folder(&shared->source, "INBOX")->uidvalidity,
		.uid = uid,
		.keywords = STR(""),
		.date = date,
		.digest = str_of(digest, sizeof(digest)) };
	struct body_place place = store_body_inline(body);
	struct error err = { 0 };
	struct body_digest d;
	int r;

	body_digest_begin(&d);
	body_digest_add(&d, body);
	body_digest_end(&d, digest);
	OK(store_begin(s, &err));
	r = swept_put(s, &m, body.len, &place, world_mailbox(s, "INBOX"), &err);
	OK(store_commit(s, &err));
	store_close(s);
	return r;
}

static void arrives_there(uint32_t uid, const char *body, int64_t date)
{
	struct memory_message *m = memory_add(
		memory_folder(&shared->source, "INBOX"), uid, (unsigned)strlen(body));

	m->body = body;
	m->date = date;
}

void world_lives_there(struct world *w)
{
	struct memory_folder *inbox = memory_folder(&shared->source, "INBOX");

	arrives_there(7, "swept", 106);
	assert_int_equal(world_sweep(w, 7, STR_LIT("swept"), 106), 0);
	arrives_there(8, "not seen yet", OF_THE_SOURCE);
	memory_find(inbox, 4)->flags = MAIL_ANSWERED;
	memory_remove(inbox, 6);
}

/* ---- carrying ---- */

int world_carry(struct world *w, struct error *err)
{
	struct store *s = world_store(w);
	struct source from = memory_source(&shared->source);
	struct writer to = memory_writer(&w->writer);
	struct carry c;
	int r;

	w->writer.steps = 0;
	carry_init(&c, s, &from, &to);
	r = carry_all(&c, err);
	w->sums = c.sums;
	w->lost = c.lost;
	w->names[0] = '\0';
	for (size_t i = 0; i < c.lost.keywords.n; i++)
		(void)snprintf(w->names + strlen(w->names),
			sizeof(w->names) - strlen(w->names), "%.*s ",
			STR_ARG(c.lost.keywords.at[i]));
	for (size_t i = 0; i < c.lost.folders.n; i++)
		(void)snprintf(w->names + strlen(w->names),
			sizeof(w->names) - strlen(w->names), "%.*s ",
			STR_ARG(c.lost.folders.at[i]));
	carry_fini(&c);
	store_close(s);
	return r;
}

/* ---- equal again ---- */

struct seen { /* of a folder: lines that say all of a message */
	char *lines[64];
	size_t n;
	struct store *store;
	int64_t id;
	bool ignores_flags;
};

static void see(struct seen *x, struct str body, unsigned flags, struct str keywords,
	int64_t date)
{
	char line[300];

	while (body.len &&
		(body.ptr[body.len - 1] == '\n' || body.ptr[body.len - 1] == '\r'))
		body.len--;
	if (x->ignores_flags)
		flags = 0, keywords = STR_LIT("");
	(void)snprintf(line, sizeof(line), "%lld %.*s (%x %.*s)", (long long)date,
		STR_ARG(body), flags & 0x1f, STR_ARG(keywords));
	assert_true(x->n < 64);
	x->lines[x->n] = strdup(line);
	assert_non_null(x->lines[x->n]);
	x->n++;
}

static int see_here(void *context, const struct store_message *m)
{
	struct seen *x = context;
	struct error err = { 0 };
	struct body body;

	OK(store_body(x->store, x->id, m->uid, &body, &err));
	see(x, body.bytes, m->flags, m->keywords, m->date);
	store_body_release(&body);
	return 0;
}

/* What only the source has is not looked for here; what its webmail answered, is. */
static void see_there(struct seen *x, const struct memory_folder *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct memory_message *m = &f->messages[i];
		char body[100];

		if (m->date == OF_THE_SOURCE)
			continue;
		for (size_t k = 0; k < m->body_len; k++)
			body[k] = m->body ? m->body[k] : memory_byte(m->uid, k);
		see(x, str_of(body, m->body_len), m->flags & ~(unsigned)MAIL_ANSWERED,
			str_from(m->keywords), m->date);
	}
}

static int by_line(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void forget(struct seen *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->lines[i]);
}

static int check_mailbox(void *context, const struct mailbox *m)
{
	struct seen *model = context, here = *model, there = *model;
	struct error err = { 0 };
	char name[64];

	(void)snprintf(name, sizeof(name), "%.*s", STR_ARG(m->name));
	if (!memory_folder(&shared->source, name))
		fail_msg("%s is not at the source", name);
	here.id = m->id;
	OK(store_each_message(here.store, m->id, 1, UINT32_MAX, see_here, &here, &err));
	see_there(&there, memory_folder(&shared->source, name));
	qsort(here.lines, here.n, sizeof(here.lines[0]), by_line);
	qsort(there.lines, there.n, sizeof(there.lines[0]), by_line);
	for (size_t i = 0; i < here.n && i < there.n; i++)
		assert_string_equal(here.lines[i], there.lines[i]);
	assert_int_equal(here.n, there.n);
	forget(&here);
	forget(&there);
	return 0;
}

void world_check_equal(struct world *w, bool ignores_flags)
{
	struct seen model = { .store = world_store(w), .ignores_flags = ignores_flags };
	const struct memory_source *m = &shared->source;
	struct error err = { 0 };

	OK(store_each_mailbox(model.store, check_mailbox, &model, &err));
	OK(store_verify(model.store, &err));
	store_close(model.store);
	assert_int_equal(m->n_folders, 5); /* "Gone" is named and stays */
	assert_non_null(memory_folder(&shared->source, "Gone"));
	assert_int_equal(m->n_subscriptions, 1);
	assert_string_equal(m->subscriptions[0], "New");
}

void world_check_source(void)
{
	struct memory_folder *inbox = memory_folder(&shared->source, "INBOX");

	assert_int_equal(memory_find(inbox, 4)->flags, MAIL_ANSWERED);
	assert_non_null(memory_find(inbox, 8)); /* what nobody here has seen */
	assert_null(memory_find(inbox, 2));
	assert_null(memory_find(inbox, 5));
}

void world_check_round_trip(struct world *w)
{
	struct error err = { 0 };
	struct memory_folder *inbox = memory_folder(&shared->source, "INBOX");
	size_t n = inbox->count;

	set_service(w, STORE_LEFT);
	arrives_there(inbox->uidnext + 3, "between", 200);
	move_here(w);
	set_service(w, STORE_SERVED);
	OK(world_carry(w, &err));
	assert_int_equal(w->sums.messages + w->sums.flags + w->sums.expunged, 0);
	assert_int_equal(inbox->count, n + 1);
}
