/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_NOTIFY_H
#define MAILSTORE_SERVE_NOTIFY_H
/*
 * What a session tells though it was not asked: NOTIFY (RFC 5465, notify.c) of all
 * mailboxes, and UPDATE of searches in the selected one (RFC 5267, context.c).
 *
 * NOTIFY compares: after a commit of another session the list of mailboxes, with their
 * counters, is laid beside the one that the client knows. What this session does itself
 * is taken into that list without a word.
 */
#include "mailstore/serve/search.h"
#include "wire/imap/fetch.h"

/* This session is about to change something, or has done so. */
void notify_begin_own(struct imap *s);
void notify_end_own(struct imap *s);
/* The client does not want to hear of the selected mailbox. */
bool notify_mutes(const struct imap *s);
/* RFC 5465, 5.1: flags that change in the selected mailbox are told with the UID, or not
   at all. enum view_form. */
unsigned notify_form(const struct imap *s);
/* The messages of the selected mailbox above that UID are new: MessageNew's items. */
void notify_new_messages(struct imap *s, uint32_t last_uid);
/* Entries of a mailbox ("": of the account) were set by `from`. */
void notify_metadata(
	struct imap *from, struct str mailbox, const struct str *names, size_t n);

struct names;
/* cmd_list.c: "* LIST (…) "/" name", with the name that it had before ("": none).
   names: those there are; NULL: they are loaded. */
int list_put_mailbox(
	struct imap *s, const struct names *names, struct str name, struct str old_name);

/* fetch_now.c: one message's FETCH at once, its items few and small (a section of more
   than a MiB is NIL). */
bool fetch_now_items(
	struct str text, struct arena *arena, struct imap_fetch_item **ret_items);
int fetch_now(struct imap *s, const struct imap_fetch_item *items, uint32_t index);

/* ── UPDATE ────────────────────────────────────────────────────────────────────────── */

#define CONTEXTS_MAX 16 /* of a session: each is looked at with each change */

/* That tag is of a search that is kept up to date. */
bool context_has_tag(const struct imap *s, struct str tag);
/* keys: the text of its keys and charset. False: there are too many, or no memory. */
bool context_begin(struct imap *s, const struct searching *w, struct str keys);
/* Before and after view_sync(): what leaves with an EXPUNGE, and what else changed. */
int contexts_before(struct imap *s, bool expunges, struct error *err);
int contexts_after(struct imap *s, struct error *err);
/* NOUPDATE: that search is not kept up to date, or not any longer. */
int context_refuse(struct imap *s, struct str tag);
void contexts_end(struct imap *s); /* may be called twice */

#endif
