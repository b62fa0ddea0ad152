/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_CONNECTION_H
#define TRANSFER_IMAP_CONNECTION_H
/*
 * One IMAP connection with a login: "imap", since several may work side by side.
 *
 *   CLOSED ──imap_connection_open()──► READY      greeting, CAPABILITY, login; blocking
 *
 * After that the reader (imap_source.c) sends commands ahead of their answers: a server
 * answers them in order, so `sent` is a queue and its head is who the answers belong to.
 */
#include "transfer/read/imap_rows.h"
#include "transfer/read/source.h"
#include "transfer/read/source_connection.h"

#include "wire/imap/response.h"

#define IMAP_SENT_MAX 64 /* commands in flight; more brings nothing at any distance */

enum imap_asked { /* what a command was for; rows of the table in imap_answers.c */
	IMAP_ASKED_NAMESPACE,
	IMAP_ASKED_LIST,
	IMAP_ASKED_SPECIAL_USE,
	IMAP_ASKED_LSUB,
	IMAP_ASKED_NOOP,       /* what is new in the folder that is open */
	IMAP_ASKED_LIST_INBOX, /* which LIST did not show */
	IMAP_ASKED_STATUS_INBOX,
	IMAP_ASKED_STATUS,
	IMAP_ASKED_EXAMINE,
	IMAP_ASKED_LOOKS, /* instead, of a folder that is open: its STATUS */
	IMAP_ASKED_ROWS,
	IMAP_ASKED_ROW, /* one of them, by itself */
	IMAP_ASKED_UIDS,
	IMAP_ASKED_BODIES,
	IMAP_ASKED_COUNT
};

struct imap_command {
	uint32_t tag;
	enum imap_asked asked;
	size_t folder;
	struct str name;
	uint32_t uidvalidity; /* of bodies: as it was when they were listed */
	uint32_t from;        /* ROWS, ROW, UIDS: only from here on; 0: all */
	bool is_changes;      /* ROWS, UIDS: where it is refused, all is asked for */
	bool has_answer;      /* UIDS */
	bool is_again;        /* ROWS: those that were odd are asked for alone */
	bool is_last;         /* ROWS, ROW, UIDS: no more of this listing follows */
	const struct wanted *first;
	size_t n;
	uint64_t bytes; /* expected */
};

struct imap_connection {
	struct source_connection net;
	struct imap_response_reader reader;
	struct buf capability; /* " IMAP4rev1 … " after the login */
	unsigned capabilities; /* how often it was told */

	struct imap_command sent[IMAP_SENT_MAX]; /* a ring */
	size_t first_sent, n_sent;
	uint64_t bytes_ahead; /* of all that were sent */
	uint32_t next_tag;
	size_t examined; /* the folder that is open once all that was sent is answered */

	/* while answers come */
	uint32_t current_tag;        /* of the head that they are about */
	size_t open_folder;          /* IMAP_NO_FOLDER: none */
	struct buf open_name;        /* of the last one that was opened */
	bool is_fresh;               /* it shows what it held when this pass began */
	struct source_status status; /* of the folder that is open, or being opened */
	struct source_status looks;  /* what STATUS says of a folder */
	struct buf keywords;         /* that it shows */
	char why[256];               /* the last one could not be opened */
	struct imap_rows rows;       /* of the listing that comes in */
	bool has_inbox;              /* LIST showed it */
	char separator;              /* of any folder */
	bool rows_refused, open_refused;
	bool has_no_right; /* SOURCE_NO_RIGHT, for the last one */
	/* of what has changed: how many UIDs were told, and the last one */
	uint64_t n_uids;
	uint32_t last_uid;
	bool uids_are_odd;
	struct arena arena; /* of one response */
	struct imap_fetched fetched;
	uint32_t fetched_number;
	/* of bodies: what came of a message without the rest, and what was odd */
	struct imap_fetched pending;
	struct buf pending_keywords;
	uint32_t pending_number;
	char odd[160];
	bool in_fetch;     /* a response to a FETCH is not over yet */
	bool in_body;      /* and what comes is its body */
	bool is_streamed;  /* its body came so */
	bool is_left_open; /* its line has ended before it did */
};
#define IMAP_NO_FOLDER SIZE_MAX

void imap_connection_init(struct imap_connection *imap);
void imap_connection_close(struct imap_connection *imap);
bool imap_connection_has(const struct imap_connection *imap, struct str capability);

/* A folder's name, into net.out. One that is neither atom nor quotable is sent without
   waiting where the server has LITERAL+ (RFC 7888). Others get it between quotes: 8-bit
   names come from servers that take them back so. */
int imap_connection_put_name(struct imap_connection *imap, struct str name);

/* The next thing that was said; NEED_MORE: nothing is complete. *ret_part is valid until
   imap_connection_took() with the same `used`. */
enum imap_response_event imap_connection_next(
	struct imap_connection *imap, struct str *ret_part, size_t *ret_used);

/* Makes a place at the end of the queue and writes the tag; the command's text follows
   into imap->net.out. NULL: the queue is full (check n_sent before). */
struct imap_command *imap_connection_ask(
	struct imap_connection *imap, enum imap_asked asked);
struct imap_command *imap_connection_head(struct imap_connection *imap);
void imap_connection_answered(struct imap_connection *imap); /* drops the head */

#endif
