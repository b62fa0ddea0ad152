/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_MIME_SCAN_H
#define WIRE_MIME_SCAN_H
/*
 * Where the parts of a message lie (RFC 2045, RFC 2046), for any bytes.
 *
 *   part            header .. body .. end      offsets into the message
 *   ├─ multipart    children, `next` from one to the other
 *   └─ message      one child: the message in it
 *
 * Every byte range is exact, however broken the mail: a missing end boundary ends with
 * the part around it, a header without a blank line has an empty body, a multipart
 * without a boundary is a leaf. The line end before a boundary belongs to the boundary.
 *
 * Own code because GMime does not tell where a part's body lies in the message.
 */
#include "base/arena.h"
#include "base/str.h"
#include "wire/mime/content.h"

#define MIME_DEPTH_MAX                                                                   \
	64                   /* deeper parts stay inside their parent; mail in the wild  \
	                        ends below 20 */
#define MIME_PARTS_MAX 10000 /* bounds an answer to some MiB; real ones have hundreds */

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

struct mime_part {
	size_t header, body, end;
	uint64_t lines; /* LFs in the body */
	enum mime_kind kind;
	uint32_t child, next; /* index of the first child, of the next sibling; 0: none */
	bool in_digest;       /* its default type is message/rfc822 (RFC 2046, 5.1.5) */
};

struct mime_tree {
	struct str message;
	struct mime_part *parts; /* [0] is the message; owned */
	uint32_t count, cap;
	struct arena arena;
};

/* The message must outlive the tree. 0 or -ENOMEM. */
int mime_scan(struct str message, struct mime_tree *ret_tree);
void mime_tree_fini(struct mime_tree *tree); /* may be called twice */

struct str mime_part_header(const struct mime_tree *tree, const struct mime_part *part);
struct str mime_part_body(const struct mime_tree *tree, const struct mime_part *part);

/* What a part is shown as, and is therefore searched as. A multipart or message that was
   not taken apart (no boundary, too deep) must not be called so, clients would look for
   its parts; as text/plain it can be read. */
void mime_part_type(const struct mime_tree *tree, const struct mime_part *part,
	struct arena *arena, struct mime_content *ret_type);

/* Part numbers as RFC 3501, 6.4.5 counts them: [2, 1] is "2.1". NULL: there is none. */
const struct mime_part *mime_part_find(
	const struct mime_tree *tree, const uint32_t *numbers, size_t count);

/* Only where the header of the whole message ends. */
size_t mime_header_length(struct str message);

#endif
