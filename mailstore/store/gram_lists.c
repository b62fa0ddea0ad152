/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/gram_lists.h"

#include <errno.h>
#include <string.h>

#define BITS_SIZE (GRAM_MESSAGES / 8) /* as many bytes as so many numbers */

/* ── sets ──────────────────────────────────────────────────────────────────────────── */

void gram_bits_add(struct gram_bits *b, unsigned message)
{
	b->words[message / 64] |= UINT64_C(1) << message % 64;
}

bool gram_bits_has(const struct gram_bits *b, unsigned message)
{
	return b->words[message / 64] >> message % 64 & 1;
}

bool gram_bits_keep(struct gram_bits *b, const struct gram_bits *other)
{
	uint64_t any = 0;

	for (size_t i = 0; i < GRAM_MESSAGES / 64; i++)
		any |= b->words[i] &= other->words[i];
	return any != 0;
}

static unsigned count_of(const struct gram_bits *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < GRAM_MESSAGES / 64; i++)
		n += (unsigned)__builtin_popcountll(b->words[i]);
	return n;
}

/* ── one trigram in a row ──────────────────────────────────────────────────────────── */

struct entry {
	uint8_t third;
	unsigned count;
	struct str messages;
};

/* 1, 0 at the end, -EUCLEAN. */
static int next_entry(struct str *row, struct entry *ret)
{
	size_t size;

	if (!row->len)
		return 0;
	if (row->len < 2)
		return -EUCLEAN;
	ret->third = (uint8_t)row->ptr[0];
	ret->count = (uint8_t)row->ptr[1] + 1u;
	size = ret->count < BITS_SIZE ? ret->count : BITS_SIZE;
	if (row->len < 2 + size)
		return -EUCLEAN;
	ret->messages = str_of(row->ptr + 2, size);
	*row = str_skip(*row, 2 + size);
	return 1;
}

static void read_entry(const struct entry *e, struct gram_bits *ret)
{
	const uint8_t *bytes = (const uint8_t *)e->messages.ptr;

	*ret = (struct gram_bits){ 0 };
	for (unsigned i = 0; i < e->messages.len; i++)
		if (e->count < BITS_SIZE)
			gram_bits_add(ret, bytes[i]);
		else
			ret->words[i / 8] |= (uint64_t)bytes[i] << i % 8 * 8;
}

static int write_entry(uint8_t third, const struct gram_bits *b, struct buf *out)
{
	char bytes[2 + BITS_SIZE] = { (char)third };
	unsigned count = count_of(b), n = 2;

	if (!count)
		return 0;
	bytes[1] = (char)(count - 1);
	if (count < BITS_SIZE)
		for (unsigned i = 0; i < GRAM_MESSAGES; i++) {
			if (gram_bits_has(b, i))
				bytes[n++] = (char)i;
		}
	else
		for (unsigned i = 0; i < BITS_SIZE; i++)
			bytes[n++] = (char)(b->words[i / 8] >> i % 8 * 8);
	return buf_append(out, str_of(bytes, n));
}

/* ── a row ─────────────────────────────────────────────────────────────────────────── */

void gram_pair_clear(struct gram_pair *p)
{
	memset(p, 0, sizeof(*p));
}

static void add_mapped(struct gram_bits *to, const struct gram_bits *from,
	const uint16_t map[static GRAM_MESSAGES])
{
	for (unsigned i = 0; i < GRAM_MESSAGES; i++)
		if (gram_bits_has(from, i) && map[i] != GRAM_DROPPED)
			gram_bits_add(to, map[i]);
}

int gram_pair_read(
	struct gram_pair *p, struct str row, const uint16_t map[static GRAM_MESSAGES])
{
	struct entry e;
	struct gram_bits bits;
	int n;

	while ((n = next_entry(&row, &e)) == 1) {
		read_entry(&e, &bits);
		add_mapped(&p->of[e.third], &bits, map);
	}
	return n;
}

int gram_pair_write(const struct gram_pair *p, struct buf *out)
{
	int r = 0;

	for (unsigned i = 0; i < 256 && r == 0; i++)
		r = write_entry((uint8_t)i, &p->of[i], out);
	return r;
}

int gram_row_find(struct str row, uint8_t third, struct gram_bits *ret)
{
	struct entry e;
	int n;

	*ret = (struct gram_bits){ 0 };
	while ((n = next_entry(&row, &e)) == 1 && e.third <= third)
		if (e.third == third)
			read_entry(&e, ret);
	return n < 0 ? n : 0;
}

bool gram_list_has(struct str list, const char gram[static GRAM_SIZE])
{
	size_t low = 0, high = list.len / GRAM_SIZE;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = memcmp(list.ptr + middle * GRAM_SIZE, gram, GRAM_SIZE);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}
