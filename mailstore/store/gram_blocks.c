/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/gram_blocks.h"
#include "base/fd.h"
#include "mailstore/store/internal.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define EMAIL_SIZE 8
#define NEW_BYTES_MAX ((uint64_t)8 << 20) /* of lists: they are in memory together */
#define BLOCK_BYTES_MAX NEW_BYTES_MAX     /* of one that others are joined to */
#define GONE_MAX 1024                     /* a block is written anew for each of them */
#define GONE_PATIENCE_S 3600              /* or for all of an hour */
#define JOINED_MAX 192                    /* messages: it is not full at once again */

/* ── emails of a block ─────────────────────────────────────────────────────────────── */

static uint64_t get_email(const char *bytes)
{
	uint64_t email;

	memcpy(&email, bytes, sizeof(email));
	return le64toh(email);
}

static int damaged(struct error *err)
{
	return error_set(err, -EUCLEAN, "the text index is damaged");
}

/* The row that the query stands at. */
int gram_block_read(const struct query *q, struct gram_block *ret, struct error *err)
{
	struct str bytes = query_bytes(q, 1);

	*ret = (struct gram_block){ .count = (unsigned)(bytes.len / EMAIL_SIZE) };
	if (!bytes.len || bytes.len % EMAIL_SIZE || bytes.len > sizeof(ret->emails))
		return damaged(err);
	for (unsigned i = 0; i < ret->count; i++)
		ret->emails[i] = get_email(bytes.ptr + (size_t)i * EMAIL_SIZE);
	ret->first = ret->emails[0];
	ret->last = ret->emails[ret->count - 1];
	return ret->first == query_number(q, 0) ? 0 : damaged(err);
}

/* 1, 0: there is none, or -errno. */
int gram_block_find(struct store *s, enum sql_id which, uint64_t email,
	struct gram_block *ret, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(s->db, which, SQL_VALUES(sql_number(email)), &q, err);
	int n = code < 0 ? code : query_next(&q, err);

	if (n == 1)
		code = gram_block_read(&q, ret, err);
	return code < 0 ? code : n;
}

static int insert_block(struct store *s, const struct gram_block *b, struct error *err)
{
	char bytes[GRAM_MESSAGES * EMAIL_SIZE];

	for (unsigned i = 0; i < b->count; i++) {
		uint64_t email = htole64(b->emails[i]);

		memcpy(bytes + (size_t)i * EMAIL_SIZE, &email, EMAIL_SIZE);
	}
	return sql_run(s->db, SQL_INSERT_BLOCK,
		SQL_VALUES(sql_number(b->first),
			sql_blob(str_of(bytes, (size_t)b->count * EMAIL_SIZE))),
		err);
}

int gram_block_delete(struct store *s, uint64_t first, struct error *err)
{
	int code =
		sql_run(s->db, SQL_DELETE_GRAM_ROWS, SQL_VALUES(sql_number(first)), err);

	return code < 0 ? code
	                : sql_run(s->db, SQL_DELETE_BLOCK, SQL_VALUES(sql_number(first)),
				  err);
}

static int insert_row(struct store *s, uint64_t block, unsigned pair,
	const struct gram_pair *p, struct buf *space, struct error *err)
{
	int code;

	buf_clear(space);
	code = gram_pair_write(p, space);
	if (code < 0)
		return error_set(err, code, "no memory");
	if (!buf_len(space))
		return 0;
	return sql_run(s->db, SQL_INSERT_GRAM_ROW,
		SQL_VALUES(
			sql_number(block), sql_number(pair), sql_blob(buf_view(space))),
		err);
}

/* ── new lists become a block ──────────────────────────────────────────────────────── */

struct lists {
	struct buf bytes;
	struct gram_block block;
	struct str left[GRAM_MESSAGES]; /* of each: what is not in the block yet */
	size_t begins[GRAM_MESSAGES + 1];
};

static int read_lists(struct store *s, struct lists *l, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_begin(s->db, SQL_EACH_NEW_GRAMS,
		SQL_VALUES(sql_number(GRAM_MESSAGES)), &q, err);

	while (code == 0 && l->block.count < GRAM_MESSAGES &&
		buf_len(&l->bytes) < NEW_BYTES_MAX && (code = query_next(&q, err)) == 1) {
		struct str list = query_bytes(&q, 1);

		l->block.emails[l->block.count] = query_number(&q, 0);
		l->begins[l->block.count++] = buf_len(&l->bytes);
		code = list.len % GRAM_SIZE ? damaged(err) : buf_append(&l->bytes, list);
	}
	if (code < 0)
		return code;
	l->begins[l->block.count] = buf_len(&l->bytes);
	l->block.first = l->block.emails[0];
	l->block.last = l->block.count ? l->block.emails[l->block.count - 1] : 0;
	for (unsigned i = 0; i < l->block.count; i++)
		l->left[i] = str_take(str_skip(buf_view(&l->bytes), l->begins[i]),
			l->begins[i + 1] - l->begins[i]);
	return 0;
}

static unsigned pair_of(struct str list)
{
	return (unsigned)(uint8_t)list.ptr[0] << 8 | (uint8_t)list.ptr[1];
}

/* The lowest pair that any list goes on with; false: all are at their end. */
static bool next_pair(const struct lists *l, unsigned *ret)
{
	unsigned lowest = UINT_MAX;

	for (unsigned i = 0; i < l->block.count; i++)
		if (l->left[i].len && pair_of(l->left[i]) < lowest)
			lowest = pair_of(l->left[i]);
	*ret = lowest;
	return lowest != UINT_MAX;
}

static void take_pair(struct lists *l, unsigned pair, struct gram_pair *p)
{
	gram_pair_clear(p);
	for (unsigned i = 0; i < l->block.count; i++)
		while (l->left[i].len && pair_of(l->left[i]) == pair) {
			gram_bits_add(&p->of[(uint8_t)l->left[i].ptr[2]], i);
			l->left[i] = str_skip(l->left[i], GRAM_SIZE);
		}
}

static int write_lists(struct store *s, struct lists *l, struct error *err)
{
	struct gram_pair p;
	struct buf space;
	unsigned pair, last = 0;
	int code = insert_block(s, &l->block, err);

	buf_init(&space, 0);
	while (code == 0 && next_pair(l, &pair)) {
		if (pair < last)
			code = damaged(err);
		last = pair;
		take_pair(l, pair, &p);
		if (code == 0)
			code = insert_row(s, l->block.first, pair, &p, &space, err);
	}
	buf_fini(&space);
	return code;
}

static int make_block(struct store *s, struct error *err)
{
	struct lists *l = calloc(1, sizeof(*l));
	int code;

	if (!l)
		return error_set(err, -ENOMEM, "no memory");
	buf_init(&l->bytes, 0);
	code = read_lists(s, l, err);
	if (code == 0 && l->block.count)
		code = write_lists(s, l, err);
	if (code == 0 && l->block.count)
		code = sql_run(s->db, SQL_DELETE_NEW_GRAMS,
			SQL_VALUES(sql_number(l->block.last)), err);
	buf_fini(&l->bytes);
	free(l);
	return code;
}

int gram_blocks_add(struct store *s, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	int code = query_first(s->db, SQL_COUNT_NEW_GRAMS, SQL_NO_VALUES, &q, err);

	if (code < 0)
		return code;
	if (query_number(&q, 0) < GRAM_MESSAGES && query_number(&q, 1) < NEW_BYTES_MAX)
		return 0;
	query_end(&q);
	code = make_block(s, err);
	return code < 0 ? code : 1;
}

/* ── messages leave ────────────────────────────────────────────────────────────────── */

/* Two blocks on their way to become one; the second may be empty. */
struct joining {
	struct gram_block from[2], to;
	uint16_t maps[2][GRAM_MESSAGES];
	struct gram_pair pair;
	struct buf row, rows; /* of the new block: struct row_head, bytes */
};

struct row_head {
	uint32_t pair, len;
};

static int drop_gone(struct store *s, struct gram_block *b, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	unsigned at = 0;
	int code = query_begin(s->db, SQL_EACH_GONE,
		SQL_VALUES(sql_number(b->first), sql_number(b->last)), &q, err);

	while (code == 0 && (code = query_next(&q, err)) == 1) {
		uint64_t email = query_number(&q, 0);

		while (at < b->count && b->emails[at] < email)
			at++;
		if (at < b->count && b->emails[at] == email)
			b->emails[at] = 0;
		code = 0;
	}
	return code;
}

static unsigned live(const struct gram_block *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->count; i++)
		n += b->emails[i] != 0;
	return n;
}

static void number_anew(struct joining *j)
{
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < GRAM_MESSAGES; i++) {
			bool is_there = i < j->from[k].count && j->from[k].emails[i];

			j->maps[k][i] = is_there ? (uint16_t)j->to.count : GRAM_DROPPED;
			if (is_there)
				j->to.emails[j->to.count++] = j->from[k].emails[i];
		}
	j->to.first = j->to.emails[0];
}

/* What is in it, row by row, beside those of the other block. */
struct row_reader {
	struct query q;
	bool is_over;
};

static int read_next(struct row_reader *r, struct error *err)
{
	int n = r->is_over ? 0 : query_next(&r->q, err);

	r->is_over = n != 1;
	return n < 0 ? n : 0;
}

static int put_row(struct joining *j, unsigned pair, struct error *err)
{
	struct row_head head = { .pair = pair };
	int r;

	buf_clear(&j->row);
	r = gram_pair_write(&j->pair, &j->row);
	head.len = (uint32_t)buf_len(&j->row);
	if (r == 0 && head.len)
		r = buf_append(&j->rows, str_of(&head, sizeof(head)));
	if (r == 0 && head.len)
		r = buf_append(&j->rows, buf_view(&j->row));
	return r < 0 ? error_set(err, r, "no memory") : 0;
}

static int join_pair(struct joining *j, struct row_reader readers[2], struct error *err)
{
	uint64_t pair = UINT64_MAX;
	int code = 0;

	gram_pair_clear(&j->pair);
	for (unsigned k = 0; k < 2; k++)
		if (!readers[k].is_over && query_number(&readers[k].q, 0) < pair)
			pair = query_number(&readers[k].q, 0);
	for (unsigned k = 0; k < 2 && code == 0; k++) {
		if (readers[k].is_over || query_number(&readers[k].q, 0) != pair)
			continue;
		code = gram_pair_read(
			&j->pair, query_bytes(&readers[k].q, 1), j->maps[k]);
		code = code < 0 ? damaged(err) : read_next(&readers[k], err);
	}
	return code < 0 ? code : put_row(j, (unsigned)pair, err);
}

static int join_rows(struct store *s, struct joining *j, struct error *err)
{
	struct row_reader readers[2] = { 0 };
	int code = 0;

	for (unsigned k = 0; k < 2 && code == 0; k++) {
		code = query_begin(s->db, SQL_EACH_GRAM_ROW,
			SQL_VALUES(sql_number(j->from[k].first)), &readers[k].q, err);
		if (code == 0)
			code = read_next(&readers[k], err);
	}
	while (code == 0 && !(readers[0].is_over && readers[1].is_over))
		code = join_pair(j, readers, err);
	for (unsigned k = 0; k < 2; k++)
		query_end(&readers[k].q);
	return code;
}

static int insert_rows(struct store *s, struct joining *j, struct error *err)
{
	struct str rows = buf_view(&j->rows);
	struct row_head head;
	int code = insert_block(s, &j->to, err);

	while (code == 0 && rows.len) {
		memcpy(&head, rows.ptr, sizeof(head));
		rows = str_skip(rows, sizeof(head));
		code = sql_run(s->db, SQL_INSERT_GRAM_ROW,
			SQL_VALUES(sql_number(j->to.first), sql_number(head.pair),
				sql_blob(str_take(rows, head.len))),
			err);
		rows = str_skip(rows, head.len);
	}
	return code;
}

/* Where one more block beside it would do, the two become one. */
static int find_neighbour(struct store *s, struct joining *j, struct error *err)
{
	static const enum sql_id sides[] = { SQL_BLOCK_BEFORE, SQL_BLOCK_AFTER };
	struct gram_block *b = &j->from[1];
	uint64_t bytes[2] = { 0 };
	int n = 0;

	for (unsigned i = 0; i < 2; i++) {
		n = gram_block_find(s, sides[i], j->from[0].first, b, err);
		if (n == 1)
			n = drop_gone(s, b, err);
		if (n == 0 && b->count && live(&j->from[0]) + live(b) <= JOINED_MAX)
			break;
		*b = (struct gram_block){ 0 };
		if (n < 0)
			return n;
	}
	for (unsigned k = 0; k < 2 && b->count && n == 0; k++)
		n = sql_get(s->db, SQL_BLOCK_BYTES,
			SQL_VALUES(sql_number(j->from[k].first)), &bytes[k], err);
	if (bytes[0] + bytes[1] > BLOCK_BYTES_MAX)
		*b = (struct gram_block){ 0 };
	return n;
}

static void put_in_order(struct joining *j)
{
	struct gram_block first = j->from[1];

	if (!first.count || first.first > j->from[0].first)
		return;
	j->from[1] = j->from[0];
	j->from[0] = first;
}

static int forget_gone(struct store *s, uint64_t from, uint64_t to, struct error *err)
{
	return sql_run(s->db, SQL_FORGET_GONE,
		SQL_VALUES(sql_number(from), sql_number(to)), err);
}

static int replace(struct store *s, struct joining *j, struct error *err)
{
	int code = 0;

	for (unsigned k = 0; k < 2 && code == 0; k++) {
		if (!j->from[k].count)
			continue;
		code = gram_block_delete(s, j->from[k].first, err);
		if (code == 0)
			code = forget_gone(s, j->from[k].first, j->from[k].last, err);
	}
	return code == 0 && j->to.count ? insert_rows(s, j, err) : code;
}

static int join_blocks(struct store *s, struct joining *j, struct error *err)
{
	int code = drop_gone(s, &j->from[0], err);

	if (code == 0)
		code = find_neighbour(s, j, err);
	if (code < 0)
		return code;
	put_in_order(j);
	number_anew(j);
	if (j->to.count)
		code = join_rows(s, j, err);
	return code < 0 ? code : replace(s, j, err);
}

/* The block that has the first of them; one that is in none is forgotten. */
static int leave(struct store *s, uint64_t email, struct error *err)
{
	struct joining *j = calloc(1, sizeof(*j));
	int n;

	if (!j)
		return error_set(err, -ENOMEM, "no memory");
	buf_init(&j->row, 0);
	buf_init(&j->rows, 0);
	n = gram_block_find(s, SQL_BLOCK_OF, email, &j->from[0], err);
	if (n == 1 && email <= j->from[0].last)
		n = join_blocks(s, j, err);
	else if (n >= 0)
		n = forget_gone(s, email, email, err);
	buf_fini(&j->row);
	buf_fini(&j->rows);
	free(j);
	return n;
}

int gram_blocks_clean(struct store *s, uint64_t now, struct error *err)
{
	CLEANUP(query_end) struct query q = { 0 };
	uint64_t count, first;
	int code = query_first(s->db, SQL_COUNT_GONE, SQL_NO_VALUES, &q, err);

	if (code < 0)
		return code;
	count = query_number(&q, 0);
	if (!count || (count < GONE_MAX && query_number(&q, 1) + GONE_PATIENCE_S > now))
		return 0;
	first = query_number(&q, 2);
	query_end(&q);
	code = leave(s, first, err);
	return code < 0 ? code : 1;
}
