/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SETTINGS_LOGIN_FILE_H
#define SETTINGS_LOGIN_FILE_H
/* The file with our login at another server: the user in the first line, the password in
   the second. It is root's (or ours) alone. */
#include "base/buf.h"
#include "base/error.h"

struct login {
	struct str user, password;
};

/* The descriptor, or -errno with the sentence: it is not there, or others than its owner
   can read it. */
int login_file_open(const char *path, struct error *err);
/* From its beginning, however often it was read. out holds the file, and is the caller's
   to wipe; *ret are views of it. 0 or -errno with the sentence. */
int login_file_read(
	int fd, const char *path, struct buf *out, struct login *ret, struct error *err);

#endif
