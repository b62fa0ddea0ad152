/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_NAMESPACES_H
#define TRANSFER_NAMESPACES_H
/* What a server's answer to NAMESPACE (RFC 2342) says. Of an answer that is not
   understood nothing is known. */
#include "base/str.h"

#include <stdbool.h>

enum namespace_kind {
	NAMESPACE_OWN,
	NAMESPACE_OTHERS, /* other users' */
	NAMESPACE_SHARED,
	NAMESPACE_KINDS,
	NAMESPACE_UNKNOWN = NAMESPACE_KINDS
};

/* The longest prefix says whose a name is: Cyrus has "INBOX." beside a shared "". */
enum namespace_kind namespaces_kind(struct str namespaces, struct str name);
/* Whether a name lies in the user's own name space. */
bool namespaces_has_own(struct str namespaces, struct str name);

/* Whether it surely lies in none of the user's own: a prefix of others is longer than
   each of theirs. */
bool namespaces_is_of_others(struct str namespaces, struct str name);

#define NAMESPACE_PREFIX_MAX 256
/* What names in it begin with, "" or "INBOX."; into room. */
struct str namespaces_own_prefix(
	struct str namespaces, char room[static NAMESPACE_PREFIX_MAX]);

/* Each name space, as it comes; what each() returns but 0 ends it. -EPROTO: it is not
   understood. */
typedef int namespace_fn(void *context, enum namespace_kind kind, struct str prefix);
int namespaces_each(struct str namespaces, namespace_fn *each, void *context);

#endif
