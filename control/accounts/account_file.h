/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ACCOUNT_FILE_H
#define CONTROL_ACCOUNTS_ACCOUNT_FILE_H
/*
 * Users and their passwords, one a line:
 *
 *   alice:secret          the password is all of the rest, whatever it holds
 *   alice,secret          CSV (RFC 4180), also with ';' or a tab; "a ""quoted"" one"
 *   alice,secret,1.5G     with the size of the mailbox: bytes, or K, M, G, T
 *
 * The first line says which: what comes first in it, ':' or one of the others. Or users
 * alone, where a master user knows the password:
 *
 *   alice
 *   alice,1500M
 *
 * Lines that begin with '#', empty ones, and a CSV's line of titles (user,password;
 * user,password,size; user,size) are left out. A carriage return at the end of a line and
 * a byte-order mark are no part of it. Pure.
 */
#include "base/str.h"

#include <stdbool.h>

struct account_line {
	size_t number;             /* from 1 */
	struct str name, password; /* views into the text; of users alone without one */
	uint64_t size;             /* 0: not said */
	struct str said;           /* of the size, as it stands there */
	const char *wrong;         /* what is wrong with the line; NULL: nothing */
};

/* Anything but 0 ends, and is returned. */
typedef int account_line_fn(void *context, const struct account_line *line);

enum account_file { ACCOUNT_FILE_PASSWORDS, ACCOUNT_FILE_USERS };
/* Quotes are taken off in the text itself, so that no password is copied: walk once. */
int account_file_each(enum account_file kind, char *text, size_t len,
	account_line_fn *each, void *context);

#endif
