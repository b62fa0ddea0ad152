/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_ACL_H
#define MAILSTORE_SERVE_ACL_H
/* Rights (RFC 4314): the owner has them all, and nobody else is let in. */
#include "mailstore/serve/imap_session.h"

/* "* MYRIGHTS name …" */
int acl_put_my_rights(struct imap *s, struct str name);

#endif
