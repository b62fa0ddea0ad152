/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts lie inside each other and one after the other, and what a server writes about
   them is IMAP, whatever the bytes are. */
#include "fuzz.h"
#include "fuzz_imap_text.h"

#include "wire/imap/envelope.h"
#include "wire/mime/charset.h"
#include "wire/mime/grams.h"
#include "wire/mime/search.h"

#include <stdlib.h>

static void check_ranges(const struct mime_tree *tree)
{
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct mime_part *part = &tree->parts[i];

		if (part->header > part->body || part->body > part->end ||
			part->end > tree->message.len)
			abort();
		for (uint32_t c = part->child; c; c = tree->parts[c].next)
			if (c <= i || tree->parts[c].header < part->body ||
				tree->parts[c].end > part->end)
				abort();
	}
}

static void check_answers(const struct mime_tree *tree)
{
	struct arena arena;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 0);
	for (int extended = 0; extended < 2; extended++) {
		if (imap_put_structure(&out, tree, extended != 0, &arena) < 0)
			abort();
		fuzz_check_value(buf_view(&out));
		buf_clear(&out);
	}
	if (imap_put_envelope(&out, mime_part_header(tree, &tree->parts[0]), &arena) < 0)
		abort();
	fuzz_check_value(buf_view(&out));
	buf_fini(&out);
	arena_fini(&arena);
}

#define AS_NEW_EVERY 128 /* inputs */

/* 2 MB, made once and cleared for each input. */
static struct mime_grams *cleared_grams(void)
{
	static struct mime_grams grams;

	if (!grams.set && mime_grams_init(&grams) < 0)
		abort();
	mime_grams_clear(&grams);
	return &grams;
}

/* What was cleared is as good as new: the same message gives the same list. */
static void check_cleared(struct str message, const struct mime_grams *used)
{
	struct mime_grams fresh;
	struct buf one, other;

	buf_init(&one, 0);
	buf_init(&other, 0);
	if (mime_grams_init(&fresh) < 0 ||
		mime_read_message(message, &fresh.listener) < 0 ||
		mime_grams_put(&fresh, &one) < 0 || mime_grams_put(used, &other) < 0 ||
		fresh.heard != used->heard || !str_eq(buf_view(&one), buf_view(&other)))
		abort();
	mime_grams_fini(&fresh);
	buf_fini(&one);
	buf_fini(&other);
}

/* A text that is found is one of those that the list of trigrams says may be there. */
static void check_grams(struct str message)
{
	static unsigned inputs;
	struct str needle = str_take(str_skip(message, message.len / 2), 5);
	struct mime_grams *g = cleared_grams();
	struct buf folded;
	bool found, is_read = mime_read_message(message, &g->listener) == 0;

	buf_init(&folded, 0);
	if (mime_fold(needle, &folded) < 0)
		abort();
	if (is_read && ++inputs % AS_NEW_EVERY == 0)
		check_cleared(message, g);
	if (is_read &&
		mime_search_message(message, true, buf_view(&folded), &found) == 0 &&
		found) {
		size_t count = g->count;

		g->listener.pause(&g->listener);
		if (mime_grams_add(g, buf_view(&folded)) < 0 || g->count != count)
			abort();
	}
	buf_fini(&folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_tree tree;
	bool found;

	if (mime_scan(str_of(data, size), &tree) < 0)
		abort();
	check_ranges(&tree);
	check_answers(&tree);
	if (mime_search_message(tree.message, true, STR_LIT("\x01zz\x02"), &found) < 0)
		abort();
	check_grams(tree.message);
	mime_tree_fini(&tree);
	return 0;
}
