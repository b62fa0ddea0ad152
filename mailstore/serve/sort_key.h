/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SORT_KEY_H
#define MAILSTORE_SERVE_SORT_KEY_H
/* What SORT and THREAD compare of a message (RFC 5256, 3 and RFC 5957). */
#include "mailstore/serve/sort_cache.h"
#include "mailstore/serve/view.h"
#include "mailstore/store/rows.h"
#include "wire/imap/search_options.h"
#include "wire/imap/thread.h"

/* Of a text that is sorted by: what lies behind decides nothing, and a mailbox of long
   subjects takes no more memory than this for each. */
#define SORT_TEXT_MAX 256

struct sort_row {
	uint32_t index; /* of the view */
	int64_t arrived, sent;
	uint64_t size;
	struct str *texts; /* of the keys that are texts; NULL: none is */
};

/* Where they are read from. */
struct sort_source {
	const struct view *view;
	struct store_rows *rows;
	struct sort_cache *cache; /* begun with the view's mailbox */
	struct arena *arena;      /* where texts lie */
};

/* What of kept headers they ask of (enum store_kept). */
unsigned sort_wants(const struct imap_sort *sort);
/* Are some of the keys texts? */
bool sort_has_texts(const struct imap_sort *sort);
/* Fills all but index. -ENOENT: it is not there any more. */
int sort_row_read(struct sort_row *row, const struct imap_sort *sort,
	const struct sort_source *source, size_t *ret_bytes, struct error *err);
/* By the keys, then as they are in the mailbox. */
void sort_rows(struct sort_row *rows, size_t n, const struct imap_sort *sort);

/* Fills all but the number. */
int sort_thread_read(struct imap_thread_message *m, uint32_t index, bool references,
	const struct sort_source *source, size_t *ret_bytes, struct error *err);

#endif
