/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_MAILDIR_LISTS_H
#define TRANSFER_MAILDIR_LISTS_H
/*
 * What Dovecot writes beside the messages of a Maildir++, and into their names. Bytes in,
 * values out: no file is opened here. Views point into the text that was given.
 *
 *   dovecot-uidlist    3 V<uidvalidity> N<uidnext> G<guid>
 *                      <uid> P<uidl> O<order> … :<name, without its flags>
 *   dovecot-keywords   <0 to 25> <word>: the letters a to z in names
 *   subscriptions      V<tab>2, an empty line, names with tabs between their parts; or,
 *                      older, names alone with dots
 *   a message          <base>:2,<flags>; in <base> ",S=" is the file's size
 *   a mailbox          .Archive.2019
 *
 * Functions return 0 or -errno with the sentence, which names the line.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- dovecot-uidlist ---- */

#define MAILDIR_UIDL_MAX 70 /* RFC 1939, 7 */

struct maildir_uid {
	struct str base;
	uint32_t uid;
	uint32_t order;  /* in POP3's maildrop; 0: not said */
	struct str uidl; /* "": not said */
};

struct maildir_uidlist {
	uint32_t uidvalidity, uidnext; /* uidnext 0: no UID is left */
	struct maildir_uid *at;        /* owned; by base */
	size_t count, cap;
};

/* Whether it proves the UIDs of a mailbox: -EINVAL where anything in it cannot be
   understood or contradicts itself (UIDs that do not ascend, a file or a unique-id that
   comes twice, a last line without its end). */
int maildir_uidlist_read(struct str text, struct maildir_uidlist *ret, struct error *err);
void maildir_uidlist_fini(struct maildir_uidlist *l); /* empty again */
const struct maildir_uid *maildir_uidlist_find(
	const struct maildir_uidlist *l, struct str base);

/* ---- dovecot-keywords ---- */

#define MAILDIR_LETTERS 26

/* Words without a line are "". -EINVAL: words then are what came before that line. */
int maildir_keywords_read(
	struct str text, struct str words[static MAILDIR_LETTERS], struct error *err);

/* ---- names of files ---- */

struct maildir_name {
	struct str base;
	unsigned flags;   /* enum mail_flag */
	uint32_t letters; /* a bit for each of a to z */
	bool has_size;
	uint64_t size; /* the file's, as its name says */
	/* What `mailferry store export` wrote: each byte is the message's, no line end is
	   to be completed; the date's zone in minutes east. */
	bool is_exact;
	int16_t zone;
};

void maildir_name_read(struct str file, struct maildir_name *ret);
/* The order in which messages came that have no UID yet: as Dovecot gives them UIDs. */
int maildir_name_cmp(struct str a, struct str b);

/* ---- names of mailboxes ---- */

/* ".Archive.2019" is "Archive/2019". What `export` escapes (\2e) is what it was, where the
   separator allows it. -EINVAL: no name of a mailbox. */
int maildir_folder_name(
	struct str directory, char separator, struct buf *ret, struct error *err);

typedef int maildir_name_fn(void *context, struct str name);
int maildir_subscriptions_read(struct str text, char separator, maildir_name_fn *each,
	void *context, struct error *err);

#endif
