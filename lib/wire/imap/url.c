/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/url.h"

#include "base/hex.h"

/* "%20" undone. */
static bool decode(struct str text, struct arena *arena, struct str *ret)
{
	char *copy = arena_alloc(arena, text.len + 1);
	size_t out = 0;

	if (!copy)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int byte;

		if (text.ptr[i] != '%') {
			copy[out++] = text.ptr[i];
			continue;
		}
		byte = hex_byte(str_skip(text, i + 1));
		if (byte <= 0)
			return false;
		copy[out++] = (char)byte;
		i += 2;
	}
	*ret = str_of(copy, out);
	return true;
}

/* Where ";NAME=" begins, case ignored; text.len: nowhere. */
static size_t find(struct str text, struct str name)
{
	size_t i = 0;

	while (i < text.len && !str_istarts(str_skip(text, i), name))
		i++;
	return i;
}

/* Takes ";NAME=value" off the end of *text, and a "/" before it; ptr NULL: it has none.
   Values never hold a ";" of their own: it would be "%3B". */
static struct str take(struct str *text, struct str name)
{
	size_t at = find(*text, name);
	struct str value = str_skip(*text, at + name.len);

	if (at == text->len)
		return (struct str){ 0 };
	text->len = at;
	if (text->len && text->ptr[text->len - 1] == '/')
		text->len--;
	return value;
}

static bool read_partial(struct str value, struct imap_url *ret)
{
	struct str offset = str_split(&value, '.');

	ret->partial = true;
	return str_to_u32(offset, &ret->offset) &&
	       (!value.len || (str_to_u32(value, &ret->length) && ret->length));
}

bool imap_url(struct str text, struct arena *arena, struct imap_url *ret)
{
	struct imap_url url = { .section = STR("") };
	struct str partial = take(&text, STR_LIT(";PARTIAL="));
	struct str section = take(&text, STR_LIT(";SECTION="));
	struct str uid = take(&text, STR_LIT(";UID="));
	struct str validity = take(&text, STR_LIT(";UIDVALIDITY="));

	if (!uid.ptr || !str_to_u32(uid, &url.uid) || !url.uid)
		return false;
	if (validity.ptr && (!str_to_u32(validity, &url.uidvalidity) || !url.uidvalidity))
		return false;
	if (section.ptr && (!section.len || !decode(section, arena, &url.section)))
		return false;
	if (partial.ptr && !read_partial(partial, &url))
		return false;
	/* "imap://…" and "//host/…" are somewhere else */
	if (text.len && (text.ptr[0] != '/' || str_starts(text, STR_LIT("//"))))
		return false;
	text = str_skip(text, 1);
	if (text.len && !decode(text, arena, &url.mailbox))
		return false;
	*ret = url;
	return true;
}
