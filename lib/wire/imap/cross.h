/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_CROSS_H
#define WIRE_IMAP_CROSS_H
/*
 * Brings the server's side of a session that was read along (follow.h) to a point at
 * which all that its client was told is known, so that somebody else goes on; or back to
 * where it was. The client is not read meanwhile.
 *
 *   ANSWERS ──all is answered──► IDLE (DONE) ──► ASKING (NOOP, FETCH n:* (UID)) ──► CLEAN
 *      │                                                                     CLEAN │
 *      └──────────────────► OVER ◄── RETURN (IDLE again) ◄─────────────────────────┘
 *
 * FETCH says which message has which number; no server may tell of an EXPUNGE in it, and
 * between two commands no client may be told of one (RFC 3501, 7.4.1): its next command,
 * which may be on its way, names messages by the old numbers. In IDLE it may: NOOP makes
 * the server tell all, and that goes on to the client. Answers to commands of ours stay
 * here: they have tags that nobody can guess, so that neither the client nor a message
 * can bring forth one of them. When messages come or go meanwhile, they are asked again.
 * n is 1, or the last message whose number is known from a time before (numbers.h): then
 * the others have the numbers that they had, since all that was told since was read.
 */
#include "wire/imap/follow.h"
#include "wire/imap/frame.h"

#define IMAP_CROSS_LINE_MAX 65536  /* of an answer to us; flags take some hundred bytes */
#define IMAP_CROSS_UIDS_MAX 114688 /* of their set: one message of ours has 128 KiB */
#define IMAP_CROSS_ROUNDS_MAX 3
#define IMAP_CROSS_UNIQUE_MAX 32

enum imap_cross_state {
	IMAP_CROSS_IN_ANSWERS, /* to the client's commands */
	IMAP_CROSS_IN_IDLE,    /* our DONE is sent */
	IMAP_CROSS_IN_ASKING,
	IMAP_CROSS_IN_CLEAN,
	IMAP_CROSS_IN_RETURN, /* the client's IDLE is sent once more */
	IMAP_CROSS_OVER,      /* it can be relayed again */
	IMAP_CROSS_BROKEN,    /* it cannot: what the server says belongs to nobody */
	IMAP_CROSS_STATE_COUNT
};

enum imap_cross_event {
	IMAP_CROSS_NEED_MORE,
	IMAP_CROSS_AGAIN,  /* something was read */
	IMAP_CROSS_CLEAN,  /* the client's view is known */
	IMAP_CROSS_FAILED, /* it is not; imap_cross_return(), unless it is BROKEN */
	IMAP_CROSS_BACK,   /* OVER */
};

struct imap_cross {
	enum imap_cross_state state;
	struct imap_follow *follow; /* the caller's */
	struct imap_framer framer;
	char unique[IMAP_CROSS_UNIQUE_MAX + 1];
	unsigned rounds;
	char asked;       /* 'a' NOOP, 'b' FETCH; one after the other, since a server may
	                      answer two at once in any order */
	bool was_refused; /* one of them was, or makes no sense */
	bool has_changed; /* messages went while rows came */
	uint32_t from;    /* the first message that FETCH asked for */
	char idle_tag[IMAP_FOLLOW_TAG_MAX];
	uint8_t idle_tag_len; /* 0: the client does not idle */
};

/* unique: letters and digits that no client can guess. It owns nothing. */
void imap_cross_init(struct imap_cross *c, struct imap_follow *f, struct str unique);
const char *imap_cross_state_name(enum imap_cross_state s);

/* Writes the first command of ours, if nothing is to be answered. 0 or as buf_append().
 */
int imap_cross_begin(struct imap_cross *c, struct buf *to_source);
/* Reads *ret_used bytes; *ret_forward is what the client gets of them. */
enum imap_cross_event imap_cross_next(struct imap_cross *c, struct str input,
	struct str *ret_forward, size_t *ret_used, struct buf *to_source);
/* Back to the server: OVER, or RETURN until BACK. In ANSWERS and CLEAN only: false
   else, or without memory. */
bool imap_cross_return(struct imap_cross *c, struct buf *to_source);

/* The client's IDLE that goes on, or "". */
struct str imap_cross_idle_tag(const struct imap_cross *c);
/* The UIDs as a set, "" for none. 0 or as buf_append(); of a CLEAN one it has at most
   IMAP_CROSS_UIDS_MAX bytes. */
int imap_cross_uids(const struct imap_cross *c, struct buf *out);

#endif
