/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_BINARY_H
#define WIRE_MIME_BINARY_H
/* Messages with NULs (RFC 3516, 4.4): no other command could show them, so that their
   binary parts are kept in base64. */
#include "wire/mime/scan.h"

typedef int mime_take_fn(void *context, struct str bytes);

bool mime_has_nul(struct str bytes);
/* What is not to be encoded is shown as Dovecot shows it: each NUL as \x80. */
void mime_replace_nuls(char *bytes, size_t len);
/* Gives the message in pieces, parts with NULs encoded. -EPROTONOSUPPORT: there are NULs
   where nothing can be encoded; else what `take` returned. */
int mime_encode_nuls(const struct mime_tree *tree, mime_take_fn *take, void *context);

#endif
