/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_FETCH_MESSAGE_H
#define MAILSTORE_SERVE_FETCH_MESSAGE_H
/* One message while it is fetched: its row, its body, its parts, each read when the first
   item asks for it. */
#include "mailstore/serve/output.h"
#include "mailstore/serve/view.h"
#include "mailstore/store/rows.h"
#include "mailstore/store/spool.h"
#include "wire/imap/fetch.h"
#include "wire/mime/charset.h"
#include "wire/mime/scan.h"

struct fetch_message {
	struct store *store;
	int64_t mailbox;
	uint32_t uid;
	/* of its row */
	int64_t date;
	int16_t zone;
	uint64_t size;
	int64_t saved;
	uint64_t email;
	struct store_header kept; /* serve/kept.h; what is not asked for is NULL */
	/* of its body */
	bool has_body, has_tree;
	struct body body;
	struct mime_tree tree;
	struct arena arena; /* what an answer is made of */
};

void fetch_message_init(struct fetch_message *m, const struct view *v, uint32_t uid);
void fetch_message_fini(struct fetch_message *m);

/* -ENOENT: it was expunged. */
int fetch_message_row(struct fetch_message *m, struct error *err);
void fetch_message_take(struct fetch_message *m, const struct store_row *row);

/* What of kept headers these items can be answered from (enum store_kept), and whether
   that one can be, of this message. */
unsigned fetch_wants(const struct imap_fetch_item *first);
bool fetch_is_kept(const struct fetch_message *m, const struct imap_fetch_item *item);

enum fetch_need {
	FETCH_HEADER, /* its beginning */
	FETCH_WHOLE,
	FETCH_TO_SEND, /* all of it, as it is: only fetch_put_section() may look at it */
};
int fetch_message_body(struct fetch_message *m, enum fetch_need need, struct error *err);
/* Where an answer is made: a long one (struct fetch_spool), a short one (struct buf). */
struct fetch_spool {
	struct store *store;
	struct spool spool;
};

typedef int fetch_take_fn(void *context, struct str bytes);
int fetch_take_spool(void *context, struct str bytes);
int fetch_take_text(void *context, struct str bytes);

/* "BODY[]" and its like, or so much of it that it goes out as a piece. */
bool fetch_is_sent(const struct imap_fetch_item *item);

/* Its parts; the body is there. */
int fetch_message_tree(struct fetch_message *m);

/* The bytes of a section, cut as the item says; fields are chosen into `space`. ptr NULL:
   there is no such part. The body is there. */
int fetch_section(struct fetch_message *m, const struct imap_fetch_item *item,
	struct buf *space, struct str *ret);
/* "ENVELOPE (…)" and so on; body and row are there. */
int fetch_put_item(
	struct fetch_message *m, const struct imap_fetch_item *item, struct buf *out);
/* "BODY[…] {n}…": a large one becomes the output's piece, and takes the body along. */
int fetch_put_section(
	struct fetch_message *m, const struct imap_fetch_item *item, struct output *out);

/* fetch_binary.c */
/* -EPROTONOSUPPORT: that part's encoding is not known. */
int fetch_check_binary(struct fetch_message *m, const struct imap_fetch_item *item);
int fetch_put_binary(
	struct fetch_message *m, const struct imap_fetch_item *item, struct output *out);
/* utf8: the client takes UTF-8 between quotes. */
int fetch_put_preview(struct fetch_message *m, const struct imap_fetch_item *item,
	bool utf8, struct buf *out);

#endif
