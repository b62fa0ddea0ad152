/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_TOKEN_FILE_H
#define SETTINGS_TOKEN_FILE_H
/* The file with the dashboard's token: one line, for its owner alone. */
#include "base/buf.h"
#include "base/error.h"

#define TOKEN_LEAST 20 /* characters: no token that can be guessed */

/* out holds the file, and is the caller's to wipe; *ret is the token in it. 0 or -errno
   with the sentence: it cannot be read, others can read it, it is too short or too long.
 */
int token_file_read(
	const char *path, struct buf *out, struct str *ret, struct error *err);

#endif
