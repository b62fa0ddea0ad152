/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_ANSWERS_H
#define TRANSFER_IMAP_ANSWERS_H
/* What the answers on a connection mean, for the command at the head of its queue: from
   responses to the reader's events. */
#include "transfer/read/imap_commands.h"

struct imap_answers {
	const struct source_events *events;
	struct imap_queue *queue; /* for what has to be asked again */
	bool *ret_careful; /* set when the server cannot take commands ahead of answers */
};

/* Everything that has come on this connection so far. 0, -errno, or what an event
   returned. */
int imap_answers_take(const struct imap_answers *a, struct imap_connection *imap,
	unsigned number, struct error *err);

/* ---- between imap_answers.c, imap_messages.c and imap_uids.c ---- */

struct answer {
	const struct source_events *events;
	struct imap_queue *queue;
	bool *careful;
	struct imap_connection *imap;
	unsigned number; /* of the connection */
	const struct imap_command *command;
	struct error *err;
};

/* -EPROTO with the folder, if there is one, and the line. */
int imap_nonsense(struct answer *a, const char *what, struct str line);
/* Whether the folder that this command is about is the one that is open. */
bool imap_is_open(const struct answer *a);

/* What comes untagged of an open folder. */
int imap_mailbox_data(struct answer *a, struct imap_response *is, struct str line);

/* A line of a FETCH response: its beginning, or its rest. */
int imap_fetch_begin(struct answer *a, struct imap_response *is, struct str line);
int imap_fetch_rest(struct answer *a, struct str part);
/* A response that was left open is over: what follows is another one. */
int imap_fetch_over(struct answer *a);

int imap_rows_end(struct answer *a, const struct imap_response *is);
int imap_row_end(struct answer *a, const struct imap_response *is);
int imap_uids_data(struct answer *a, struct imap_response *is, struct str line);
int imap_uids_end(struct answer *a, const struct imap_response *is);
int imap_bodies_end(struct answer *a, const struct imap_response *is);

#endif
