/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_ROWS_H
#define TRANSFER_IMAP_ROWS_H
/*
 * One folder's listing as it comes: what is complete goes on at once, the rest is put
 * together here. A server may speak of a message in several FETCH responses (RFC 3501,
 * 7.4.2), leave an item out, or send what cannot be read. Pure.
 *
 *   take ─► complete: a message          (nearly always)
 *       └─► kept, until the rest comes ─► end of the listing: told without its size,
 *                                         or asked for alone, or named
 */
#include "transfer/read/source.h"

#include "wire/imap/response.h"

#define IMAP_ODD_MAX 100 /* messages of a folder that are asked for alone */
#define IMAP_LINE_MAX 80 /* of a line that is shown to people */

struct imap_row {
	uint32_t number; /* in the folder as it is open; 0: not known any more */
	struct imap_fetched fetched; /* its strings are ours */
	char *keywords;              /* owned */
	char *line;                  /* owned: the last one about it */
};

struct imap_rows {
	struct imap_row *at;
	size_t count, cap;
	size_t hint;    /* the next one is likely here */
	size_t done;    /* this one, from 1, was told a moment ago; 0: none */
	uint32_t *told; /* UIDs; one may come again, and then counts once */
	size_t n_told, cap_told;
	bool is_unsorted; /* they are */
};

/* A message that is asked for alone: by its UID, or by its number. */
struct imap_odd {
	uint32_t uid, number;
};

void imap_rows_init(struct imap_rows *r);
void imap_rows_fini(struct imap_rows *r); /* empty again; may be called twice */

/* What one response says of a message; line: for people. *ret_complete: *ret is it, and
   lives as long as f does. -ENOMEM. */
int imap_rows_take(struct imap_rows *r, uint32_t number, const struct imap_fetched *f,
	struct str line, struct mail *ret, bool *ret_complete);
/* A response that cannot be read, but perhaps for its UID. -ENOMEM. */
int imap_rows_bad(struct imap_rows *r, uint32_t number, const struct imap_fetched *f,
	struct str line);
/* A message went: numbers mean others now. */
void imap_rows_shift(struct imap_rows *r);

/* At the end: one after the other that lacks nothing but its size; what is left then is
   not understood. */
bool imap_rows_next_without_size(struct imap_rows *r, size_t *i, struct mail *ret);
/* Which of the items is not among those that came: "FLAGS"; "sense": none. */
const char *imap_lacks(unsigned has, bool with_body);
/* "message 2: no FLAGS in \"* 2 FETCH (UID 7)\"", into text. */
void imap_row_complaint(const struct imap_row *row, char *text, size_t size);

/* How many messages were told. */
size_t imap_rows_told(struct imap_rows *r);
struct mail imap_mail_of(const struct imap_fetched *f);
/* All that a listing asks for, but for the size. */
#define IMAP_ROW_NEEDS                                                                   \
	(unsigned)(IMAP_FETCHED_UID | IMAP_FETCHED_FLAGS | IMAP_FETCHED_DATE)

#endif
