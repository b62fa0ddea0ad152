/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_HIBERNATION_H
#define MAILSTORE_SERVE_HIBERNATION_H
/*
 * An IMAP session that waits for its client, as bytes: what another process of the same
 * account needs to go on with it, so that its client does not notice.
 *
 *   "1" | numbers | texts, NUL between
 *
 * Which messages the client knows is said by what the store said at that time: all up to
 * `last_uid`, as they were at the modseq `seen`. Listed is only where the client knows
 * something else. So the size of a mailbox does not matter.
 */
#include "base/buf.h"

/* A session that takes more keeps its process: it must not cost more asleep. */
#define HIBERNATION_MAX 16384

struct hibernation {
	uint64_t enabled; /* enum imap_enabled */
	uint64_t bad;     /* commands in a row */
	/* of the selected mailbox; 0: none is */
	uint64_t mailbox, uidvalidity;
	uint64_t read_only, dirty, lost_words; /* 0 or 1 */
	uint64_t form;                         /* enum view_form */
	uint64_t count, last_uid;
	uint64_t as_of; /* store_modseq() then */
	uint64_t seen, seen_expunges;
	struct str idle;   /* tag of the IDLE that goes on; "": between two commands */
	struct str saved;  /* "$": a set, or "" */
	struct str recent; /* UIDs: a set, or "" */
	struct str
		otherwise;   /* "uid flags keywords modseq" of messages, commas between */
	struct str keywords; /* of the mailbox */
};

/* Appends. 0, -ENOBUFS as buf_append(), -EINVAL: a text holds a NUL. */
int hibernation_encode(const struct hibernation *h, struct buf *out);
/* Views into bytes. 0 or -EBADMSG. */
int hibernation_decode(struct str bytes, struct hibernation *ret);

/* One message of `otherwise`, as the client knows it. */
struct hibernation_message {
	uint64_t modseq;
	uint32_t uid, keywords;
	uint8_t flags;
};
/* Appends. As buf_printf(). */
int hibernation_put_message(struct buf *otherwise, const struct hibernation_message *m);
/* Takes the first one off. False: it is none. */
bool hibernation_take_message(struct str *otherwise, struct hibernation_message *ret);

#endif
