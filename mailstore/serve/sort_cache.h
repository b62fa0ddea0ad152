/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_SORT_CACHE_H
#define MAILSTORE_SERVE_SORT_CACHE_H
/*
 * What SORT and THREAD have read of messages, so that the next one reads no header. Of
 * one mailbox, in the memory of the account's process: a client that shows a mailbox in
 * an order asks for it with each new message. Of bounded size; what is not here is read.
 *
 * A UID means the same bytes for ever, so nothing here can be out of date.
 */
#include "base/arena.h"
#include "mailstore/store/image.h"
#include "wire/imap/search_options.h"

#include <stdint.h>

struct sort_text {
	const struct sort_text *next;
	enum imap_sort_kind kind;
	struct str text; /* as it is compared */
};

struct sort_ids {
	struct str id; /* "": none */
	struct str *references;
	size_t n_references;
};

struct sort_cached {
	uint32_t uid;
	bool is_reply; /* of the subject */
	int64_t arrived, sent;
	uint64_t size;
	const struct sort_text *texts; /* those that are here */
	const struct sort_ids *ids;    /* NULL: they are not here */
};

struct sort_cache { /* zeroed: empty */
	int64_t mailbox;
	uint32_t uidvalidity;
	struct sort_cached *messages;
	uint32_t count, cap;
	uint32_t *places, n_places; /* by UID: index + 1 of a message; 0: free */
	struct arena texts;         /* and ids */
	/* sort_stored.h: of how many messages something was read that is not there, and
	   whether it was asked for what is */
	uint32_t fresh[IMAGE_KINDS];
	bool has_looked[IMAGE_KINDS];
};

/* Another mailbox than before: forgets all. */
void sort_cache_begin(struct sort_cache *c, int64_t mailbox, uint32_t uidvalidity);
/* Valid until the next call of another function. NULL: it is not here. */
const struct sort_cached *sort_cache_find(const struct sort_cache *c, uint32_t uid);
/* ptr NULL: it is not here. */
struct str sort_cached_text(const struct sort_cached *m, enum imap_sort_kind kind);
/* Keeps a copy of what is not here yet: the numbers, texts, ids. Where there is no room
   or no memory, nothing is kept. */
void sort_cache_add(struct sort_cache *c, const struct sort_cached *m);
/* A copy in that arena. 0 or -ENOMEM. */
int sort_ids_copy(const struct sort_ids *from, struct arena *arena, struct sort_ids *ret);
/* Texts and ids are forgotten: memory for while nothing happens. The numbers stay. */
void sort_cache_give_back(struct sort_cache *c);
void sort_cache_fini(struct sort_cache *c); /* empty then */

#endif
