/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SORT (RFC 5256; RETURN: RFC 5267; DISPLAYFROM, DISPLAYTO: RFC 5957). */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/search.h"
#include "mailstore/serve/sort_key.h"
#include "mailstore/serve/sort_stored.h"

#include <errno.h>
#include <stdlib.h>

struct sorting {
	struct searching searching;
	struct imap_sort sort;
	struct sort_row *rows; /* one for each that was found, and is still there */
	uint32_t n;
};

static int read_row(struct imap *s, struct searching *w, uint32_t i, size_t *ret_bytes,
	struct error *err)
{
	struct sorting *sorting = w->context;
	struct sort_source source = { &s->view, &w->rows, &s->serve->sort_cache,
		&s->arena };
	struct sort_row *row;
	int code;

	sort_cache_begin(source.cache, s->view.mailbox, s->view.uidvalidity);
	sort_stored_load(s->serve, sort_has_texts(&sorting->sort), false);
	if (!sorting->rows)
		sorting->rows = arena_alloc(&s->arena, w->count * sizeof(*sorting->rows));
	if (!sorting->rows)
		return -ENOMEM;
	row = &sorting->rows[sorting->n];
	*row = (struct sort_row){ .index = w->found[i] };
	code = sort_row_read(row, &sorting->sort, &source, ret_bytes, err);
	if (code == 0)
		sorting->n++;
	return code;
}

static void finish(struct imap *s, struct searching *w)
{
	struct sorting *sorting = w->context;

	w->count = sorting->n;
	sort_rows(sorting->rows, w->count, &sorting->sort);
	for (uint32_t i = 0; i < w->count; i++)
		w->found[i] = sorting->rows[i].index;
	search_finish(s, w);
}

/* An empty list of charset and keys: "SORT (DATE) UTF-8 ALL". */
static bool parse(struct imap *s, struct sorting *sorting, struct imap_cursor *args)
{
	struct searching *w = &sorting->searching;

	return imap_space(args) && imap_returns(args, &w->returns) &&
	       imap_sort(args, &sorting->sort) && imap_space(args) &&
	       imap_astring(args, &s->arena, &w->search.charset) && imap_space(args) &&
	       imap_search_keys(args, &s->arena, &w->search) && imap_end(args);
}

void cmd_sort(struct imap *s, struct imap_cursor *args)
{
	struct sorting *sorting = arena_alloc(&s->arena, sizeof(*sorting));

	if (!sorting) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	if (!parse(s, sorting, args)) {
		imap_bad_arguments(s);
		return;
	}
	sorting->searching.verb = STR_LIT("SORT");
	sorting->searching.noun = "Sort";
	sorting->searching.read = read_row;
	sorting->searching.wants = sort_wants(&sorting->sort);
	sorting->searching.finish = finish;
	sorting->searching.context = sorting;
	search_begin(s, &sorting->searching);
}
