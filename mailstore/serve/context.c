/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Searches whose result is kept up to date: RETURN (UPDATE) and CANCELUPDATE (RFC 5267,
   4.3). The result is kept in UIDs; a message is looked at again when it changes. */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/notify.h"
#include "wire/imap/encode.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What one look at all that changed may cost: a message that has to be read counts once,
   and with its bytes. It is done in one step, some 30 ms; who changes more has no updates
   any more, and knows it. */
#define COST_MAX 2000
#define BYTES_PER_COST 4096

struct search_context {
	struct arena arena;
	struct str tag;
	bool uid; /* its answers are UIDs */
	struct imap_search search;
	struct imap_fetch_item *items; /* of messages that are new in it; NULL: none */
	uint32_t *found, count, cap;   /* UIDs, sorted */
	uint64_t seen;                 /* modseq up to which it has looked */
	uint32_t last_uid;             /* messages above it are new */
	struct search_context *next;
};

/* ── the result ────────────────────────────────────────────────────────────────────── */

static uint32_t place_of(const struct search_context *x, uint32_t uid)
{
	uint32_t low = 0, high = x->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (x->found[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(const struct search_context *x, uint32_t uid)
{
	uint32_t at = place_of(x, uid);

	return at < x->count && x->found[at] == uid;
}

static int add(struct search_context *x, uint32_t uid)
{
	uint32_t at = place_of(x, uid);

	if (x->count == x->cap) {
		uint32_t cap = x->cap ? x->cap * 2 : 64;
		uint32_t *more = realloc(x->found, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		x->found = more;
		x->cap = cap;
	}
	memmove(&x->found[at + 1], &x->found[at], (x->count - at) * sizeof(*x->found));
	x->found[at] = uid;
	x->count++;
	return 0;
}

static void drop(struct search_context *x, uint32_t uid)
{
	uint32_t at = place_of(x, uid);

	x->count--;
	memmove(&x->found[at], &x->found[at + 1], (x->count - at) * sizeof(*x->found));
}

/* ── answers ───────────────────────────────────────────────────────────────────────── */

struct change {
	struct imap *s;
	struct search_context *x;
	struct buf added, removed; /* sets */
	size_t *cost;              /* of all contexts so far */
	struct imap_set_writer add, remove;
};

static void begin_change(
	struct change *c, struct imap *s, struct search_context *x, size_t *cost)
{
	*c = (struct change){ .s = s, .x = x, .cost = cost };
	buf_init(&c->added, 0);
	buf_init(&c->removed, 0);
	c->add.out = &c->added;
	c->remove.out = &c->removed;
}

static uint32_t number_of(const struct change *c, uint32_t uid)
{
	return c->x->uid ? uid : view_index(&c->s->view, uid) + 1;
}

static int put_change(struct change *c, const char *what, struct str set)
{
	struct buf *out = imap_out(c->s);
	int r;

	if (!set.len)
		return 0;
	r = buf_append_c(out, "* ESEARCH (TAG ");
	if (r == 0)
		r = imap_put_quoted(out, c->x->tag);
	return r < 0 ? r
	             : buf_printf(out, ")%s %s (0 %.*s)\r\n", c->x->uid ? " UID" : "",
			       what, STR_ARG(set));
}

static int end_change(struct change *c, int r)
{
	if (r == 0)
		r = imap_set_end(&c->remove);
	if (r == 0)
		r = imap_set_end(&c->add);
	if (r == 0)
		r = put_change(c, "REMOVEFROM", buf_view(&c->removed));
	if (r == 0)
		r = put_change(c, "ADDTO", buf_view(&c->added));
	buf_fini(&c->added);
	buf_fini(&c->removed);
	return r;
}

/* ── looking ───────────────────────────────────────────────────────────────────────── */

static int see_expunged(void *context, uint32_t uid)
{
	struct change *c = context;
	int r;

	if (!has(c->x, uid))
		return 0;
	r = imap_set_put(&c->remove, number_of(c, uid));
	drop(c->x, uid);
	return r;
}

/* RFC 5267, 4.3.4: while the numbers of what goes are still known. */
int contexts_before(struct imap *s, bool expunges, struct error *err)
{
	struct view *v = &s->view;
	int code = 0;

	if (!expunges || v->seen_expunges >= store_modseq(v->store))
		return 0;
	for (struct search_context *x = s->contexts; x && code == 0; x = x->next) {
		struct change c;

		begin_change(&c, s, x, NULL);
		code = store_each_expunged(
			v->store, v->mailbox, v->seen_expunges, see_expunged, &c, err);
		code = end_change(&c, code);
	}
	return code;
}

static int show_new(struct change *c, uint32_t index)
{
	size_t before = buf_len(imap_out(c->s));
	int r = fetch_now(c->s, c->x->items, index);

	*c->cost += 1 + (buf_len(imap_out(c->s)) - before) / BYTES_PER_COST;
	return r;
}

static int look(struct change *c, uint32_t index, struct error *err)
{
	struct view *v = &c->s->view;
	uint32_t uid = v->messages[index].uid;
	struct search_match match = { .program = c->x->search.program,
		.now = (int64_t)(clock_wall_ms() / 1000) };
	bool found = false, before = has(c->x, uid);
	size_t bytes;
	int code = search_match(&match, v, index, &found, &bytes, err);

	*c->cost += bytes ? 1 + bytes / BYTES_PER_COST : 0;
	if (code == -ENOENT || code == -EIO || found == before)
		return 0;
	if (code < 0)
		return code;
	if (!found) {
		drop(c->x, uid);
		return imap_set_put(&c->remove, number_of(c, uid));
	}
	code = add(c->x, uid);
	if (code == 0 && c->x->items && uid > c->x->last_uid)
		code = show_new(c, index);
	return code < 0 ? code : imap_set_put(&c->add, number_of(c, uid));
}

/* 1: it was too much. */
static int look_at_all(
	struct imap *s, struct search_context *x, size_t *cost, struct error *err)
{
	struct view *v = &s->view;
	struct change c;
	size_t before = *cost;
	bool over = false;
	int code = 0;

	if (x->seen >= v->seen)
		return 0;
	begin_change(&c, s, x, cost);
	for (uint32_t i = 0; i < v->count && code == 0 && !over; i++) {
		if (v->messages[i].modseq > x->seen)
			code = look(&c, i, err);
		over = *cost >= COST_MAX && *cost > before;
	}
	x->seen = v->seen;
	x->last_uid = view_last_uid(v);
	code = end_change(&c, code);
	return code == 0 && over ? 1 : code;
}

/* RFC 5267, 4.3: from now on what the client knows of it may be old. */
int context_refuse(struct imap *s, struct str tag)
{
	struct buf *out = imap_out(s);
	int r = buf_append_c(out, "* NO [NOUPDATE ");

	if (r == 0)
		r = imap_put_quoted(out, tag);
	return r < 0 ? r : buf_append_c(out, "] Not kept up to date.\r\n");
}

static void free_context(struct search_context *x)
{
	arena_fini(&x->arena);
	free(x->found);
	free(x);
}

int contexts_after(struct imap *s, struct error *err)
{
	struct search_context **at = &s->contexts, *x;
	size_t cost = 0;
	int code = 0;

	while ((x = *at) && code == 0) {
		code = look_at_all(s, x, &cost, err);
		if (code != 1) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		code = context_refuse(s, x->tag);
		free_context(x);
	}
	return code;
}

/* ── begin and end ─────────────────────────────────────────────────────────────────── */

bool context_has_tag(const struct imap *s, struct str tag)
{
	for (const struct search_context *x = s->contexts; x; x = x->next)
		if (str_eq(x->tag, tag))
			return true;
	return false;
}

void contexts_end(struct imap *s)
{
	while (s->contexts) {
		struct search_context *x = s->contexts;

		s->contexts = x->next;
		free_context(x);
	}
}

/* Sequence numbers mean the messages that had them when the search was made (4.3). */
static bool numbers_to_uids(struct imap *s, struct arena *arena, struct imap_set *set)
{
	struct imap_set_writer writer;
	struct imap_cursor c;
	struct str copy;
	struct buf text;
	int r = 0;

	imap_set_resolve(set, s->view.count, NULL);
	buf_init(&text, 0);
	writer = (struct imap_set_writer){ .out = &text };
	for (uint32_t i = 0; i < s->view.count && r == 0; i++)
		if (imap_set_has(set, i + 1))
			r = imap_set_put(&writer, s->view.messages[i].uid);
	if (r == 0)
		r = imap_set_end(&writer);
	copy = arena_str(arena, buf_view(&text));
	buf_fini(&text);
	c = imap_cursor(copy);
	*set = (struct imap_set){ .count = 0 };
	return r == 0 && copy.ptr && (!copy.len || imap_set(&c, arena, set));
}

static bool fix_numbers(struct imap *s, struct arena *arena, struct imap_search_key *key)
{
	for (; key; key = key->next) {
		if (!fix_numbers(s, arena, key->first))
			return false;
		if (key->kind != IMAP_SEARCH_SEQUENCE)
			continue;
		if (!numbers_to_uids(s, arena, &key->set))
			return false;
		key->kind = IMAP_SEARCH_UID;
	}
	return true;
}

static bool fill(struct imap *s, struct search_context *x, const struct searching *w,
	struct str keys)
{
	struct str text = arena_str(&x->arena, keys);
	struct str items = arena_str(&x->arena, w->returns.update_items);
	struct imap_cursor c = imap_lenient_cursor(text);

	x->tag = arena_str(&x->arena, s->tag);
	if (!text.ptr || !items.ptr || !x->tag.ptr ||
		!imap_search(&c, &x->arena, &x->search) ||
		!fix_numbers(s, &x->arena, x->search.program) ||
		!search_prepare(s, &x->arena, &x->search))
		return false;
	if (items.len && !fetch_now_items(items, &x->arena, &x->items))
		return false;
	for (uint32_t i = 0; i < w->count; i++)
		if (add(x, s->view.messages[w->found[i]].uid) < 0)
			return false;
	return true;
}

bool context_begin(struct imap *s, const struct searching *w, struct str keys)
{
	struct search_context *x;
	size_t count = 0;

	for (x = s->contexts; x; x = x->next)
		count++;
	x = count < CONTEXTS_MAX ? calloc(1, sizeof(*x)) : NULL;
	if (!x)
		return false;
	arena_init(&x->arena);
	x->uid = s->uid;
	x->seen = s->view.seen;
	x->last_uid = view_last_uid(&s->view);
	if (!fill(s, x, w, keys)) {
		free_context(x);
		return false;
	}
	x->next = s->contexts;
	s->contexts = x;
	return true;
}

static void cancel(struct imap *s, struct str tag)
{
	for (struct search_context **at = &s->contexts; *at; at = &(*at)->next) {
		struct search_context *x = *at;

		if (!str_eq(x->tag, tag))
			continue;
		*at = x->next;
		free_context(x);
		return;
	}
}

void cmd_cancelupdate(struct imap *s, struct imap_cursor *args)
{
	struct imap_cursor at = *args;
	bool known = true;
	struct str tag;

	if (imap_end(args)) {
		imap_bad_arguments(s);
		return;
	}
	while (imap_space(&at) && imap_astring(&at, &s->arena, &tag))
		known &= context_has_tag(s, tag);
	if (!known || !imap_end(&at)) {
		imap_done(s, IMAP_BAD, "Unknown tag.");
		return;
	}
	while (imap_space(args) && imap_astring(args, &s->arena, &tag))
		cancel(s, tag);
	imap_done(s, IMAP_OK, "No further updates.");
}
