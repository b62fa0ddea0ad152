/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What follows the names of IMAP's larger commands. The first byte chooses the parser and
   whether it is lenient; what it takes lies within the input. */
#include "fuzz.h"
#include "wire/imap/condstore.h"
#include "wire/imap/fetch.h"
#include "wire/imap/mutf7.h"
#include "wire/imap/notify.h"
#include "wire/imap/search.h"
#include "wire/imap/search_options.h"
#include "wire/imap/url.h"

#include <stdlib.h>

static void parse_fetch(struct imap_cursor *c, struct arena *arena)
{
	struct imap_fetch_modifiers modifiers;
	struct imap_fetch_item *items = NULL;

	if (!imap_fetch_items(c, arena, &items) || !imap_fetch_modifiers(c, &modifiers))
		return;
	for (; items; items = items->next)
		if (!items->label.ptr || !items->label.len)
			abort();
}

static void parse_search(struct imap_cursor *c, struct arena *arena)
{
	struct imap_returns returns;
	struct imap_search search = { .program = NULL };

	if (!imap_returns(c, &returns))
		return;
	if (returns.partial.first > returns.partial.last)
		abort();
	if (imap_search(c, arena, &search) && !search.program)
		abort();
}

static void parse_sort(struct imap_cursor *c, struct arena *arena)
{
	struct imap_search search;
	enum imap_thread thread;
	struct imap_sort sort;

	if (imap_thread(c, &thread))
		return;
	if (imap_sort(c, &sort) && (!sort.count || sort.count > IMAP_SORT_KEYS_MAX))
		abort();
	(void)imap_search_keys(c, arena, &search);
}

static void parse_select(struct imap_cursor *c, struct arena *arena)
{
	struct imap_select_params params;
	uint64_t modseq;
	bool given;

	if (imap_select_params(c, arena, &params) && params.qresync && !params.modseq)
		abort();
	(void)imap_unchangedsince(c, &given, &modseq);
}

static void parse_notify(struct imap_cursor *c, struct arena *arena)
{
	struct imap_notify notify;

	if (imap_notify(c, arena, &notify) && !notify.none && !notify.first)
		abort();
}

static void parse_url(struct imap_cursor *c, struct arena *arena)
{
	struct imap_url url;

	if (imap_url(c->rest, arena, &url) && !url.uid)
		abort();
}

/* There and back is the same, where it goes. */
static void parse_mutf7(struct imap_cursor *c, struct arena *arena)
{
	struct buf utf8, name;

	(void)arena;
	buf_init(&utf8, 0);
	buf_init(&name, 0);
	if (imap_mutf7_decode(c->rest, &utf8) &&
		(!imap_mutf7_encode(buf_view(&utf8), &name) ||
			buf_len(&name) > c->rest.len))
		abort();
	buf_fini(&utf8);
	buf_fini(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(struct imap_cursor * c, struct arena * arena) = {
		parse_fetch,
		parse_search,
		parse_sort,
		parse_select,
		parse_notify,
		parse_url,
		parse_mutf7,
		parse_select,
	};
	struct imap_cursor c;
	struct arena arena;
	struct str input;

	if (!size)
		return 0;
	input = str_of(data + 1, size - 1);
	c = data[0] & 4 ? imap_lenient_cursor(input) : imap_cursor(input);
	arena_init(&arena);
	parsers[(data[0] & 3) | (data[0] & 8) >> 1](&c, &arena);
	if (c.rest.len > input.len ||
		(c.rest.len && c.rest.ptr + c.rest.len != input.ptr + input.len))
		abort();
	arena_fini(&arena);
	return 0;
}
