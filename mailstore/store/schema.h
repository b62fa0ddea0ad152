/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_SCHEMA_H
#define MAILSTORE_STORE_SCHEMA_H
/*
 * The index on disk. Everything can be read with the sqlite3 shell:
 *
 *   sqlite3 index.sqlite "SELECT name, uid, date FROM message, mailbox ON mailbox = id"
 *
 *   account                one row: the highest modseq, the owner's name, and whether it
 *                          is being copied, served here, or has left; its quota
 *                          (quota.h)
 *   mailbox ◄──┬─ message  one row a UID: flags, keywords, date, sizes, UIDL, and where
 *   │          │   │         its body lies, with a checksum (CRC-32, NULL: none):
 *   │          │   │           pack 7, offset 4711, len 37000   bodies/0007.pack
 *   │          │   │           pack 0, offset 12, len 900       body, row 12
 *   │          │   │           pack 0, offset 0, len 0          empty, nowhere
 *   │          │   │         saved: when it came here; email: the same in all its copies
 *   │          │   └─ body  small bodies that came alone; a trigger removes the row
 *   │          │            with its last message
 *   │          ├─ range_change  what became of flags and modseqs of many messages at
 *   │          │            once, until their rows are rewritten (range.c); the view
 *   │          │            message_now has them as they are
 *   │          └─ expunged  UIDs that are gone, in the order in which they went (QRESYNC)
 *   ├─ key, name            key: what names are compared by (INBOX in capitals)
 *   ├─ messages, unseen, recent, deleted, bytes
 *   │                       counted as messages come and go: STATUS reads one row
 *   ├─ modseq_base          expunged UIDs are known from here on; and what a modseq up
 *   │                       to modseq_from is shown as (those of the copy itself)
 *   ├─ source_modseq        the source's HIGHESTMODSEQ when it was compared last
 *   ├─ metadata             what clients noted about it; mailbox 0: about the account
 *   └─ keyword              words that FLAGS shows though no message has them
 *   header                 of the messages with that email: fields of the header, and how
 *                          FETCH shows them (rows.h); a trigger removes the row with the
 *                          last of them. Derived: it may be emptied at any time, with
 *                          account.read_to set to 0
 *   gram_block ◄─ gram_row which texts may be in which message (grams.h), for 256 of them
 *   gram_new, gram_gone    at a time; those that are in no block yet; those that are in
 *                          one and no message any more. Derived: setting
 *                          account.grams_version to 0 empties all four
 *   former_name            of the account, before it was renamed: they still lead to it
 *   uidvalidity            each one that a name ever had, and the mailbox that had it
 *   staged                 messages on their way to INBOX: date, size, and the place
 *   subscription           names, whether there is such a mailbox or not
 *   checkpoint             the transfer's notes
 *   dead_pack              packs without rows whose files are being unlinked
 *
 * Several messages may share a place (COPY). Packs: see pack.h. flags, attributes: the
 * bits of store.h. Texts are bytes as the source spells them, UTF-8 or not.
 */
#include "database/database.h"

extern const struct database_schema store_schema;

/* The index of a mail folder that is there, beside whoever has the store open. */
int index_open(const char *folder, struct database **ret, struct error *err);

#endif
