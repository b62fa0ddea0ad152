/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_NAMESPACES_H
#define TRANSFER_NAMESPACES_H
/* What a server's answer to NAMESPACE (RFC 2342) says. Of an answer that is not
   understood nothing is known. */
#include "base/str.h"

#include <stdbool.h>

/* Whether a name lies in the user's own name space. */
bool namespaces_has_own(struct str namespaces, struct str name);

#define NAMESPACE_PREFIX_MAX 256
/* What names in it begin with, "" or "INBOX."; into room. */
struct str namespaces_own_prefix(
	struct str namespaces, char room[static NAMESPACE_PREFIX_MAX]);

#endif
