/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_COMMANDS_H
#define TRANSFER_IMAP_COMMANDS_H
/* What is still to be asked, and how much of it may be in flight. */
#include "transfer/read/imap_connection.h"

struct imap_job { /* a folder's listing (wanted NULL), or n bodies */
	size_t folder;
	struct str name;
	uint32_t uidvalidity;
	const struct wanted *wanted;
	size_t n;
	bool examined; /* asked for; its own command waits for the answer */
	/* of a listing: once more, and these by themselves behind it; owned */
	struct imap_odd *odd;
	size_t n_odd, next_odd;
	bool rows_asked;
	uint32_t from;    /* of a listing: the first UID; 0: all */
	bool status_only; /* no listing: how the folder looks */
};

struct imap_jobs {
	struct imap_job *at;
	size_t next, end, cap;
};

struct imap_queue {
	size_t folder_questions; /* still to ask */
	struct imap_jobs lists, fetches;
	uint64_t messages, bytes; /* of the fetches that were not sent */
	bool allow_select;        /* where EXAMINE is refused */
	size_t *by_select;        /* folders that are opened so */
	size_t n_by_select;
};

void imap_queue_folders(struct imap_queue *q);
int imap_queue_list(struct imap_queue *q, size_t folder, struct str name, uint32_t from);
int imap_queue_status(struct imap_queue *q, size_t folder, struct str name);
/* From here on the folder is opened by SELECT, which takes \Recent. -ENOMEM. */
int imap_queue_select(struct imap_queue *q, size_t folder);
bool imap_queue_selects(const struct imap_queue *q, size_t folder);
/* Takes odd on success. */
int imap_queue_list_again(struct imap_queue *q, size_t folder, struct str name,
	uint32_t from, struct imap_odd *odd, size_t n_odd);
int imap_queue_fetch(struct imap_queue *q, const struct imap_job *job);
bool imap_queue_is_empty(const struct imap_queue *q);
void imap_queue_clear(struct imap_queue *q);
void imap_queue_fini(struct imap_queue *q);

/* Writes commands until enough is in flight on this connection. main: the one that also
   lists. careful: only one command at a time. */
int imap_queue_send(
	struct imap_queue *q, struct imap_connection *imap, bool main, bool careful);

#endif
