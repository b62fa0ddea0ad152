/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_FOLLOW_H
#define WIRE_IMAP_FOLLOW_H
/*
 * Reads along what passes between a client that is logged in and its server, so that
 * somebody else can go on in the server's place: which commands are not answered yet,
 * which mailbox is selected and how many messages the client knows of, what was enabled,
 * whether it is in IDLE. It changes no byte and keeps none but heads of lines.
 *
 *   client ──► imap_follow_client() ┐
 *                                   ├─► may it cross now? whose mailbox, which state
 *   server ──► imap_follow_source() ┘
 *
 * Bytes are given in the order in which they pass, each before it is passed on, so that
 * an answer is known before the client can react to it. What is not understood, or what
 * nobody else could carry on (COMPRESS, NOTIFY, an extension that is not known), loses
 * the session: from then on it is not read any more, and only its end can move it.
 */
#include "base/buf.h"
#include "wire/imap/numbers.h"

#define IMAP_FOLLOW_HEAD_MAX 1024   /* of a command or response: a name, a set of UIDs */
#define IMAP_FOLLOW_TAIL_MAX 32     /* of a line: {18446744073709551615+} and its end */
#define IMAP_FOLLOW_TAG_MAX 24      /* clients' have 4 to 12 bytes */
#define IMAP_FOLLOW_COMMANDS_MAX 32 /* under way; who sends more does not wait for IDLE */
#define IMAP_FOLLOW_NAME_MAX 255

enum imap_follow_enabled { /* bits; imap_follow_enabled_words() */
	IMAP_FOLLOW_CONDSTORE = 1 << 0,
	IMAP_FOLLOW_QRESYNC = 1 << 1,
	IMAP_FOLLOW_REV2 = 1 << 2,
	IMAP_FOLLOW_UTF8 = 1 << 3,
};

enum imap_selection_state {
	IMAP_SELECTION_NONE,
	IMAP_SELECTION_KNOWN,
	IMAP_SELECTION_DOUBTFUL, /* which one, or whether any, cannot be told */
};

struct imap_selection {
	enum imap_selection_state state;
	bool read_only;
	uint32_t uidvalidity; /* 0: the server has not said it */
	uint64_t count;       /* messages that the client knows of */
	bool is_counted;      /* count is known */
	bool keeps_results;   /* SEARCH results are kept at the server (RFC 5182, 5267) */
	bool is_too_scattered;           /* its UIDs fit in no message (cross.h) */
	char name[IMAP_FOLLOW_NAME_MAX]; /* as the client has it, without quotes */
	uint8_t name_len;
};

/* A command or response, as far as it came. */
struct imap_follow_line {
	struct str head; /* inside a call it may be a view of the bytes given to it */
	char *kept;      /* what head is a view of else; NULL: nothing */
	char tail[IMAP_FOLLOW_TAIL_MAX]; /* of its last line */
	uint8_t tail_len;
	bool is_cut;      /* head is not all of it */
	bool has_begun;   /* a command's first line was read */
	uint64_t literal; /* bytes of a literal that are still to come */
};

struct imap_follow_command {
	char tag[IMAP_FOLLOW_TAG_MAX];
	uint8_t tag_len;
	uint8_t kind;    /* of the table in follow.c */
	uint32_t number; /* of all commands */
};

enum imap_follow_literal { /* that the client announced, and waits with */
	IMAP_LITERAL_NONE,
	IMAP_LITERAL_ASKED,
	IMAP_LITERAL_INVITED, /* "+" came */
	IMAP_LITERAL_REFUSED, /* the command was answered instead */
};

enum imap_follow_idle {
	IMAP_IDLE_NONE,
	IMAP_IDLE_ASKED,
	IMAP_IDLE_ON, /* "+" came */
	IMAP_IDLE_DONE,
};

struct imap_follow {
	const char *lost; /* why it is not read any more; NULL: it is */
	struct imap_follow_line client, source;
	enum imap_follow_literal asks;
	uint64_t asked; /* the literal's size */
	enum imap_follow_idle idle;
	unsigned enabled;
	bool leaves;                          /* LOGOUT was sent */
	struct imap_follow_command *commands; /* owned */
	unsigned n_commands, room;            /* at most IMAP_FOLLOW_COMMANDS_MAX */
	uint32_t next_number;
	uint32_t selecting; /* the number of the last SELECT under way; 0: none */
	struct imap_selection selected, pending; /* pending: what that one brings */
	struct imap_numbers numbers; /* in selected, since cross.h has asked; else none */
};

void imap_follow_init(struct imap_follow *f);
void imap_follow_fini(struct imap_follow *f);
void imap_follow_client(struct imap_follow *f, struct str bytes);
void imap_follow_source(struct imap_follow *f, struct str bytes);
/* So many of the server's next bytes are inside a literal: they need not be given, if
   imap_follow_skipped() is told of them. */
uint64_t imap_follow_skips(const struct imap_follow *f);
void imap_follow_skipped(struct imap_follow *f, uint64_t n);

/* Its client is between two commands, its server may have some to answer, and all is
   known that whoever goes on has to know. */
bool imap_follow_can_cross(const struct imap_follow *f);
/* The same, and nothing is to be answered but an IDLE that goes on. */
bool imap_follow_is_quiet(const struct imap_follow *f);
/* Nothing is to be answered, not by half either. */
bool imap_follow_is_between(const struct imap_follow *f);
/* The tag of an IDLE that goes on, or "". */
struct str imap_follow_idle_tag(const struct imap_follow *f);
/* We have ended that IDLE; the client does not know. */
void imap_follow_idle_ended(struct imap_follow *f);

/* "CONDSTORE QRESYNC" of the bits, as ENABLE has them. 0 or as buf_append(). */
int imap_follow_enabled_words(unsigned enabled, struct buf *out);

#endif
