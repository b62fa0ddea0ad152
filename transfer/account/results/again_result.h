/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_AGAIN_RESULT_H
#define TRANSFER_AGAIN_RESULT_H
/* What is lost of an account, what came of it, and that as JSON. */
#include "mailstore/store/inspect.h"
#include "mailstore/store/source_side.h"
#include "transfer/copy/refetch.h"

#define LOST_COPIES_MAX 8  /* one that the source has is looked for among so many */
#define LOST_NAMED_MAX 200 /* in the result; the rest is counted */

struct lost_copy {
	int64_t mailbox; /* 0: it is not delivered yet */
	uint32_t uid;
	struct str name; /* of the mailbox */
};

/* One body. */
struct lost {
	uint32_t pack;
	uint64_t offset;
	uint64_t messages; /* that have it */
	struct lost_copy copies[LOST_COPIES_MAX];
	size_t n_copies, known; /* which of them the source has */
	bool has_origin, is_mended;
	struct store_origin origin;
	struct str uidl;    /* "": none is known */
	uint64_t size, len; /* as the source said it; bytes that were here */
	struct str why;     /* it is not mended */
};

struct lost_list {
	struct lost *at;
	size_t n, cap;
	struct store_inspected inspected;
	char error[ERROR_TEXT_MAX]; /* it could not be looked through; "" */
};

/* A new one at the end; NULL: no memory. */
struct lost *lost_add(struct lost_list *list);
void lost_fini(struct lost_list *list);

/* Messages that are still lost, and what else is wrong with the folder. */
uint64_t again_result_left(const struct lost_list *list);
/* {lost, mended, other, error, source: why it gave nothing or "", messages: [{mailbox, uid,
   why}]}; the caller frees. NULL: no memory. */
char *again_result_json(const struct lost_list *list, struct str source);

#endif
