/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/html.h"

#define PAGE_MAX (64u << 20) /* a hundred times the page of 10,000 accounts */

void html_init(struct html *h)
{
	*h = (struct html){ .code = 0 };
	buf_init(&h->out, PAGE_MAX);
}

void html_fini(struct html *h)
{
	buf_fini(&h->out);
}

void html_note(struct html *h, int code)
{
	if (code < 0 && h->code == 0)
		h->code = code;
}

void html_put(struct html *h, const char *literal)
{
	html_put_str(h, str_from(literal));
}

void html_put_str(struct html *h, struct str literal)
{
	html_note(h, buf_append(&h->out, literal));
}

static const char *escaped(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\n':
		return "\n";
	default:
		return (unsigned char)c < 0x20 || c == 0x7f ? "\xef\xbf\xbd" : NULL;
	}
}

void html_text(struct html *h, struct str text)
{
	size_t begin = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *instead = escaped(text.ptr[i]);

		if (!instead)
			continue;
		html_note(h, buf_append(&h->out, str_of(text.ptr + begin, i - begin)));
		html_put(h, instead);
		begin = i + 1;
	}
	html_note(h, buf_append(&h->out, str_skip(text, begin)));
}

void html_name(struct html *h, struct str text)
{
	html_put(h, "<bdi>");
	html_text(h, text);
	html_put(h, "</bdi>");
}

/* RFC 3986, 2.3. */
static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void html_argument(struct html *h, struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		html_note(h, is_unreserved(value.ptr[i])
				     ? buf_byte(&h->out, value.ptr[i])
				     : buf_printf(&h->out, "%%%02X",
					       (unsigned)(unsigned char)value.ptr[i]));
}

void html_number(struct html *h, uint64_t number)
{
	html_note(h, buf_number(&h->out, number));
}

struct str json_text_at(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return str_of(json_string_value(value), json_string_length(value));
}

uint64_t json_number_at(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	return value < 0 ? 0 : (uint64_t)value;
}

bool json_is_true_at(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}
