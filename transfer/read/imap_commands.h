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
	bool open_only;   /* nor that */
	/* of a listing: only what has changed, and the UIDs, in parts; NULL: all */
	const struct source_known *known;
	size_t parts_asked;
};

struct imap_jobs {
	struct imap_job *at;
	size_t next, end, cap;
};

enum imap_opening { /* where one is refused, the next one is tried */
	/* Of a listing, where the server has it (RFC 7162, 3.1.8): Dovecot shows
	   HIGHESTMODSEQ to those alone who ask. */
	IMAP_EXAMINE_CONDSTORE,
	IMAP_EXAMINE,
	IMAP_SELECT, /* takes \\Recent: only with allow_select */
};
struct imap_opened { /* not as usual */
	size_t folder;
	enum imap_opening opening;
};

struct imap_queue {
	size_t folder_questions; /* still to ask */
	struct imap_jobs lists, fetches;
	uint64_t messages, bytes; /* of the fetches that were not sent */
	bool allow_select;        /* where EXAMINE is refused */
	struct imap_opened *odd;  /* folders that are not opened as usual */
	size_t n_odd;
};

void imap_queue_folders(struct imap_queue *q);
int imap_queue_list(struct imap_queue *q, size_t folder, struct str name, uint32_t from);
int imap_queue_status(struct imap_queue *q, size_t folder, struct str name);
int imap_queue_open(struct imap_queue *q, size_t folder, struct str name);
int imap_queue_changes(struct imap_queue *q, size_t folder, struct str name,
	const struct source_known *known);
/* How the folder is opened, and from here on. -ENOMEM. */
enum imap_opening imap_queue_opening(
	const struct imap_queue *q, const struct imap_connection *imap, size_t folder);
int imap_queue_open_by(struct imap_queue *q, size_t folder, enum imap_opening opening);
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
