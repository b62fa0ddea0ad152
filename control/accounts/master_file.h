/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_MASTER_FILE_H
#define CONTROL_ACCOUNTS_MASTER_FILE_H
/*
 * A master user of the source and its password, in a file that root alone can read:
 *
 *   cyrus:secret     logs in as itself, and says whose mailbox it wants (PLAIN's authzid)
 *   *dove:secret     stands behind the user's name: alice*dove (option master_separator)
 *
 * Read as the list of accounts is (account_file.h), and must be one line of it.
 */
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

struct master_file {
	char *text; /* owned, wiped */
	size_t len;
	struct str login; /* with the separator */
	struct str password;
	bool is_suffix;
};

/* Reads the text; what is wrong with it is said in err. */
int master_file_parse(struct master_file *f, const char *name, const char *separator,
	struct error *err);
/* -EPERM: others can read it. */
int master_file_read(const char *path, const char *separator, struct master_file *ret,
	struct error *err);
void master_file_fini(struct master_file *f); /* may be called twice */

#endif
