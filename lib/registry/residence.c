/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   "bound$" mac-hex "$"  "residence" LF
 *   "home 192.0.2.20" LF "login Alice" LF "source bound$…" LF "name alice" LF …
 *
 * Control characters and "%" of a value are written as %XX.
 */
#include "registry/residence.h"

#include "base/hex.h"

#include <errno.h>
#include <string.h>

static int put_value(struct buf *out, struct str value)
{
	int r = 0;

	for (size_t i = 0; i < value.len && r == 0; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		r = c < 0x20 || c == 0x7f || c == '%' ? buf_printf(out, "%%%02X", c)
		                                      : buf_byte(out, (char)c);
	}
	return r;
}

static int put_line(struct buf *out, const char *word, struct str value)
{
	int r = buf_printf(out, "%s ", word);

	if (r == 0)
		r = put_value(out, value);
	return r < 0 ? r : buf_byte(out, '\n');
}

/* In a buffer of its own: one that is too long leaves no half of it. */
static int put_name(struct buf *out, struct str name)
{
	struct buf line;
	int r;

	buf_init(&line, 0);
	r = put_line(&line, "name", name);
	if (r == 0 && buf_len(out) + buf_len(&line) <= RESIDENCE_TEXT_MAX)
		r = buf_append(out, buf_view(&line));
	buf_fini(&line);
	return r;
}

int residence_write(const struct residence *is, struct buf *out)
{
	int r = buf_append(out, RESIDENCE);

	if (r == 0)
		r = buf_byte(out, '\n');
	if (r == 0)
		r = put_line(out, "home", is->home);
	if (r == 0)
		r = put_line(out, "login", is->login);
	if (r == 0)
		r = put_line(out, "source", is->source_name);
	for (size_t i = 0; i < is->n_names && i < RESIDENCE_NAMES_MAX && r == 0; i++)
		r = put_name(out, is->names[i]);
	return r;
}

/* ---- reading ---- */

static int take_value(struct str text, struct arena *arena, struct str *ret)
{
	char *bytes = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '%') {
			int byte = hex_byte_of(HEX_UPPER, str_skip(text, i + 1));

			if (byte < 0)
				return -EBADMSG;
			c = (char)byte;
			i += 2;
		}
		bytes[len++] = c;
	}
	*ret = str_of(bytes, len);
	return 0;
}

static int take_line(
	struct str line, struct arena *arena, struct residence *is, struct str *names)
{
	struct str word = str_split(&line, ' ');

	if (str_eq(word, STR_LIT("home")))
		return take_value(line, arena, &is->home);
	if (str_eq(word, STR_LIT("login")))
		return take_value(line, arena, &is->login);
	if (str_eq(word, STR_LIT("source")))
		return take_value(line, arena, &is->source_name);
	if (!str_eq(word, STR_LIT("name")) || is->n_names == RESIDENCE_NAMES_MAX)
		return -EBADMSG;
	return take_value(line, arena, &names[is->n_names++]);
}

/* "bound$mac$" is the vault's. */
static struct str inside(struct str text)
{
	if (!str_starts(text, STR_LIT("bound$")))
		return text;
	(void)str_split(&text, '$');
	(void)str_split(&text, '$');
	return text;
}

int residence_read(struct str text, struct arena *arena, struct residence *ret)
{
	struct str *names = arena_alloc(arena, RESIDENCE_NAMES_MAX * sizeof(*names));
	struct residence is = {
		.home = STR(""), .login = STR(""), .source_name = STR(""), .names = names
	};
	int r = names ? 0 : -ENOMEM;

	text = inside(text);
	if (r == 0 && !str_eq(str_split(&text, '\n'), RESIDENCE))
		r = -EBADMSG;
	while (r == 0 && text.len)
		r = take_line(str_split(&text, '\n'), arena, &is, names);
	if (r == 0)
		*ret = is;
	return r;
}
