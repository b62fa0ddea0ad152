/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_PATTERN_H
#define WIRE_IMAP_PATTERN_H
/* Mailbox names against LIST patterns (RFC 3501, 6.3.8): "*" is anything, "%" anything
   but the separator. The first part of a name is compared without case when it is INBOX.
 */
#include "base/str.h"

#define IMAP_PATTERN_MAX 4096 /* as mailbox names; longer ones match nothing */

/* separator '\0': the name is flat. */
bool imap_pattern_match(struct str pattern, struct str name, char separator);

bool imap_is_inbox(struct str name);

#endif
