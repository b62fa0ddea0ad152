/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNT_FILE_H
#define CONTROL_ACCOUNT_FILE_H
/*
 * Users and their passwords, one a line:
 *
 *   alice:secret          the password is all of the rest, whatever it holds
 *   alice,secret          CSV (RFC 4180), also with ';' or a tab; "a ""quoted"" one"
 *
 * The first line says which: what comes first in it, ':' or one of the others. Lines that
 * begin with '#', empty ones, and a CSV's line of titles (user,password) are left out. A
 * carriage return at the end of a line and a byte-order mark are no part of it. Pure.
 */
#include "base/str.h"

#include <stdbool.h>

struct account_line {
	size_t number;             /* from 1 */
	struct str name, password; /* views into the text */
	const char *wrong;         /* what is wrong with the line; NULL: nothing */
};

/* Anything but 0 ends, and is returned. */
typedef int account_line_fn(void *context, const struct account_line *line);

/* Quotes are taken off in the text itself, so that no password is copied: walk once. */
int account_file_each(char *text, size_t len, account_line_fn *each, void *context);

#endif
