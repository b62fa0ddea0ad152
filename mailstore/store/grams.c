/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/grams.h"
#include "base/clock.h"
#include "base/fd.h"
#include "mailstore/store/gram_blocks.h"
#include "mailstore/store/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_NEEDED ((uint64_t)16 << 20) /* beside the reserve: blocks, and the log */

struct state {
	uint64_t version, to; /* the last email that was read */
};

static int get_state(struct store *s, struct state *ret, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_first(s->db, SQL_GRAMS_STATE, SQL_NO_VALUES, &q, err);

	if (code < 0)
		return code;
	*ret = (struct state){ .version = query_number(&q, 0),
		.to = query_number(&q, 1) };
	return 0;
}

static int set_state(struct store *s, uint64_t version, uint64_t to, struct error *err)
{
	return sql_run(s->db, SQL_SET_GRAMS_STATE,
		SQL_VALUES(sql_number(version), sql_number(to)), err);
}

/* ── keeping ───────────────────────────────────────────────────────────────────────── */

/* A block at a time: all of it may take long. */
static int drop_old(struct store *s, uint64_t version, struct error *err)
{
	struct gram_block b;
	int n = gram_block_find(s, SQL_BLOCK_AFTER, 0, &b, err);

	if (n == 1) {
		n = gram_block_delete(s, b.first, err);
		return n < 0 ? n : 1;
	}
	if (n == 0)
		n = set_state(s, 0, 0, err);
	if (n == 0 && version)
		n = set_state(s, version, 0, err);
	return n < 0 ? n : 1;
}

static int tidy(struct store *s, uint64_t version, struct error *err)
{
	struct state is;
	int n = get_state(s, &is, err);

	if (n < 0)
		return n;
	if (is.version != version)
		return drop_old(s, version, err);
	n = version ? gram_blocks_clean(s, clock_wall_ms() / 1000, err) : 0;
	return n == 0 && version ? gram_blocks_add(s, err) : n;
}

int store_tidy_grams(struct store *s, uint64_t version, struct error *err)
{
	int n = store_writing(s, err);

	if (n < 0)
		return n;
	n = s->grams_are_damaged ? -EUCLEAN : tidy(s, version, err);
	if (n != -EUCLEAN)
		return n;
	s->grams_are_damaged = false;
	n = set_state(s, 0, 0, err);
	return n < 0 ? n : 1;
}

bool store_grams_wait(struct store *s)
{
	uint64_t count = 0;

	return sql_get(s->db, SQL_COUNT_GONE, SQL_NO_VALUES, &count, NULL) == 0 && count;
}

int store_each_ungrammed(struct store *s, uint64_t version, unsigned examined,
	unread_each_fn *each, void *context, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	struct store_unread m = { 0 };
	struct state is;
	uint64_t last;
	unsigned n = 0;
	int code = store_has_room(s, ROOM_NEEDED, err);

	if (code == 0)
		code = get_state(s, &is, err);
	if (code < 0)
		return code;
	last = is.to;
	code = query_begin(s->db, SQL_EACH_UNGRAMMED,
		SQL_VALUES(sql_number(is.to), sql_number(examined)), &q, err);
	while (code == 0 && (code = query_next(&q, err)) == 1) {
		bool again = query_number(&q, 0) == m.email;

		m = (struct store_unread){ .email = query_number(&q, 0),
			.mailbox = (int64_t)query_number(&q, 1),
			.uid = (uint32_t)query_number(&q, 2),
			.body_len = query_number(&q, 3) };
		n++;
		code = again ? 0 : each(context, &m);
		if (code == 0)
			last = m.email;
	}
	query_end(&q);
	if (code >= 0 && last != is.to) {
		int set = set_state(s, version, last, err);

		code = set < 0 ? set : code;
	}
	return code < 0 ? code : (n < examined && last == m.email) || !n;
}

int store_keep_grams(struct store *s, uint64_t email, struct str list, struct error *err)
{
	return sql_run(s->db, SQL_ADD_GRAMS,
		SQL_VALUES(sql_number(email), sql_blob(list.len ? list : STR_LIT(""))),
		err);
}

/* ── asking ────────────────────────────────────────────────────────────────────────── */

struct store_grams {
	uint64_t *emails; /* in order; owned */
	bool *may;        /* have all of them; owned */
	size_t count, cap;
	size_t at; /* where the last one was */
};

static int add(struct store_grams *g, uint64_t email, bool may)
{
	if (g->count && email <= g->emails[g->count - 1])
		return -EUCLEAN;
	if (g->count == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 1024;
		uint64_t *emails = realloc(g->emails, cap * sizeof(*emails));
		bool *all;

		if (!emails)
			return -ENOMEM;
		g->emails = emails;
		all = realloc(g->may, cap * sizeof(*all));
		if (!all)
			return -ENOMEM;
		g->may = all;
		g->cap = cap;
	}
	g->emails[g->count] = email;
	g->may[g->count++] = may;
	return 0;
}

/* Leaves in *bits those that have this one. */
static int keep_those_with(struct store *s, const struct gram_block *b, const char *gram,
	struct gram_bits *bits, bool *ret_any, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	unsigned pair = (unsigned)(uint8_t)gram[0] << 8 | (uint8_t)gram[1];
	struct gram_bits have = { 0 };
	int code = query_begin(s->db, SQL_GRAM_ROW,
		SQL_VALUES(sql_number(b->first), sql_number(pair)), &q, err);
	int n = code < 0 ? code : query_next(&q, err);

	if (n == 1)
		n = gram_row_find(query_bytes(&q, 0), (uint8_t)gram[2], &have);
	*ret_any = gram_bits_keep(bits, &have);
	return n;
}

static int ask_block(struct store *s, struct store_grams *g, const struct gram_block *b,
	struct str list, struct error *err)
{
	struct gram_bits bits;
	bool any = true;
	int code = 0;

	memset(&bits, 0xff, sizeof(bits));
	for (; code == 0 && any && list.len; list = str_skip(list, GRAM_SIZE))
		code = keep_those_with(s, b, list.ptr, &bits, &any, err);
	for (unsigned i = 0; code == 0 && i < b->count; i++)
		code = add(g, b->emails[i], gram_bits_has(&bits, i));
	return code;
}

static int ask_blocks(
	struct store *s, struct store_grams *g, struct str list, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	struct gram_block b;
	int n, code = query_begin(s->db, SQL_EACH_BLOCK, SQL_NO_VALUES, &q, err);

	while (code == 0) {
		n = query_next(&q, err);
		if (n != 1)
			return n;
		code = gram_block_read(&q, &b, err);
		if (code == 0)
			code = ask_block(s, g, &b, list, err);
	}
	return code;
}

static bool has_all(struct str has, struct str list)
{
	for (; list.len; list = str_skip(list, GRAM_SIZE))
		if (!gram_list_has(has, list.ptr))
			return false;
	return true;
}

static int ask_new(
	struct store *s, struct store_grams *g, struct str list, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(
		s->db, SQL_EACH_NEW_GRAMS, SQL_VALUES(sql_signed(-1)), &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1)
		code = add(g, query_number(&q, 0), has_all(query_bytes(&q, 1), list));
	return code;
}

static int ask_all(struct store *s, uint64_t version, struct str list,
	struct store_grams *g, struct error *err)
{
	struct state is;
	int code = get_state(s, &is, err);

	if (code == 0 && is.version != version)
		code = -ENOENT;
	if (code == 0)
		code = ask_blocks(s, g, list, err);
	return code < 0 ? code : ask_new(s, g, list, err);
}

int store_grams_find(struct store *s, uint64_t version, struct str list,
	struct store_grams **ret, struct error *err)
{
	struct store_grams *g = calloc(1, sizeof(*g));
	int code = g ? ask_all(s, version, list, g, err) : -ENOMEM;

	*ret = code == 0 ? g : NULL;
	if (code < 0)
		store_grams_free(g);
	s->grams_are_damaged |= code == -EUCLEAN;
	if (code == -ENOMEM)
		return error_set(err, code, "no memory");
	return code == -ENOENT || code == -EUCLEAN ? 0 : code;
}

bool store_grams_exclude(struct store_grams *g, uint64_t email)
{
	size_t low = 0, high = g->count;

	if (g->at + 1 < g->count && g->emails[g->at + 1] == email)
		return !g->may[++g->at];
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (g->emails[middle] == email) {
			g->at = middle;
			return !g->may[middle];
		}
		if (g->emails[middle] < email)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

void store_grams_free(struct store_grams *g)
{
	if (!g)
		return;
	free(g->emails);
	free(g->may);
	free(g);
}
