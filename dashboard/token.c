/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/token.h"

#include "base/fd.h"
#include "base/log.h"
#include "settings/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_BYTES 24 /* of one that we make: 192 bits, 32 characters */

static int make_token(const char *path, struct error *err)
{
	CLEANUP(fd_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t bytes[TOKEN_BYTES];
	char text[TOKEN_BYTES * 2];
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && sodium_init() < 0)
		r = -EIO;
	if (r == 0) {
		randombytes_buf(bytes, sizeof(bytes));
		(void)sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes),
			sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		r = fd_write_all(fd, text, strlen(text));
	}
	if (r == 0)
		r = fd_write_all(fd, "\n", 1);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(text, sizeof(text));
	if (r < 0)
		return error_errno(err, r, "dashboard: cannot make the token %s", path);
	log_info(NULL, "token", "made=%s", path);
	return 0;
}

int token_load(const char *path, struct buf *out, struct str *ret, struct error *err)
{
	int r = access(path, F_OK) < 0 && errno == ENOENT ? make_token(path, err) : 0;

	return r < 0 ? r : token_file_read(path, out, ret, err);
}
