/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/mime/binary.h"

#include "wire/mime/header.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define LINE ((size_t)57) /* bytes: 76 characters (RFC 2045, 6.8) */
#define FIELD STR_LIT("Content-Transfer-Encoding")

bool mime_has_nul(struct str bytes)
{
	return str_index(bytes, '\0') < bytes.len;
}

void mime_replace_nuls(char *bytes, size_t len)
{
	char *at;

	while ((at = memchr(bytes, '\0', len))) {
		*at = '\x80';
		len -= (size_t)(at + 1 - bytes);
		bytes = at + 1;
	}
}

/* What is encoded otherwise already has no NUL, or is broken. */
static bool may_be_encoded(const struct mime_tree *tree, const struct mime_part *part)
{
	struct str encoding = mime_transfer_encoding(mime_part_header(tree, part));

	return str_ieq(encoding, STR_LIT("7bit")) || str_ieq(encoding, STR_LIT("8bit")) ||
	       str_ieq(encoding, STR_LIT("binary"));
}

static int put_header(struct str header, mime_take_fn *take, void *context)
{
	struct mime_field field;
	int r = 0;

	while (r == 0 && mime_next_field(&header, &field))
		if (!str_ieq(field.name, FIELD))
			r = take(context, field.all);
	if (r == 0)
		r = take(context, STR_LIT("Content-Transfer-Encoding: base64\r\n\r\n"));
	return r;
}

static int put_base64(struct str bytes, mime_take_fn *take, void *context)
{
	int r = 0;

	while (bytes.len && r == 0) {
		struct str line = str_take(bytes, LINE);
		char text[sodium_base64_ENCODED_LEN(
			LINE, sodium_base64_VARIANT_ORIGINAL)];

		(void)sodium_bin2base64(text, sizeof(text),
			(const unsigned char *)line.ptr, line.len,
			sodium_base64_VARIANT_ORIGINAL);
		bytes = str_skip(bytes, line.len);
		r = take(context, str_from(text));
		/* the line end before a boundary belongs to it */
		if (r == 0 && bytes.len)
			r = take(context, STR_LIT("\r\n"));
	}
	return r;
}

static int put_plain(struct str bytes, mime_take_fn *take, void *context)
{
	if (mime_has_nul(bytes))
		return -EPROTONOSUPPORT;
	return bytes.len ? take(context, bytes) : 0;
}

/* Parts come in the order in which they lie in the message. */
int mime_encode_nuls(const struct mime_tree *tree, mime_take_fn *take, void *context)
{
	struct str message = tree->message;
	size_t done = 0;
	int r = 0;

	for (uint32_t i = 0; i < tree->count && r == 0; i++) {
		const struct mime_part *part = &tree->parts[i];

		if (part->kind != MIME_LEAF || part->header < done ||
			!mime_has_nul(mime_part_body(tree, part)) ||
			!may_be_encoded(tree, part))
			continue;
		r = put_plain(
			str_of(message.ptr + done, part->header - done), take, context);
		if (r == 0 && mime_has_nul(mime_part_header(tree, part)))
			return -EPROTONOSUPPORT;
		if (r == 0)
			r = put_header(mime_part_header(tree, part), take, context);
		if (r == 0)
			r = put_base64(mime_part_body(tree, part), take, context);
		done = part->end;
	}
	return r < 0 ? r : put_plain(str_skip(message, done), take, context);
}
