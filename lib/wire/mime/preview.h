/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_PREVIEW_H
#define WIRE_MIME_PREVIEW_H
/* The beginning of a message's text (RFC 8970): of its first text/plain, else of its
   first text/html without the markup; white space joined, in UTF-8. */
#include "wire/mime/charset.h"
#include "wire/mime/scan.h"

#define MIME_PREVIEW_CHARS 200  /* what RFC 8970, 3.3 says */
#define MIME_PREVIEW_LOOK 65536 /* bytes of the part: style sheets stand in front */

/* Appends it; nothing when there is no such part. 0 or -ENOMEM. */
int mime_preview(struct mime_tree *tree, struct buf *out);

#endif
