/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_FOLLOW_PARTS_H
#define WIRE_IMAP_FOLLOW_PARTS_H
/* What the two directions of follow.h share. */
#include "wire/imap/follow.h"
#include "wire/imap/frame.h"

/* What a command does to what is known of a session. */
enum kind {
	KIND_PLAIN,     /* leaves no trace in the session */
	KIND_MAY_COUNT, /* may ask for CONDSTORE, in passing */
	KIND_SEARCH,    /* the same, and may leave its result at the server */
	KIND_SELECT,
	KIND_EXAMINE,
	KIND_CLOSE,
	KIND_RENAME, /* the selected mailbox may have another name, or be gone */
	KIND_IDLE,
	KIND_LOGOUT,
	KIND_LOSES,    /* what it began cannot be carried on */
	KIND_NOT_HERE, /* the client does not know where it is */
	KIND_COUNT
};

/* It is not read any more. */
void follow_lose(struct imap_follow *f, const char *why);

/* Up to the end of a literal or a line, whichever comes first. true: a line has ended. */
bool follow_take(struct imap_follow_line *l, struct str *bytes);
struct str follow_head(const struct imap_follow_line *l);
/* Whether the last line announces a literal. */
enum imap_frame follow_announced(
	const struct imap_follow_line *l, struct imap_literal *ret);
void follow_forget(struct imap_follow_line *l);
/* The bytes of this call go: what is not over is copied, if it is still read. */
void follow_keep(struct imap_follow *f, struct imap_follow_line *l);

/* A command under way; NULL: there is none of that tag. */
struct imap_follow_command *follow_find(struct imap_follow *f, struct str tag);
void follow_drop(struct imap_follow *f, struct imap_follow_command *c);

#endif
