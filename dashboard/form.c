/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/form.h"

#include "base/hex.h"

/* What comes out is never longer. */
static bool decode(char *bytes, size_t len, struct str *ret)
{
	size_t end = 0;

	for (size_t i = 0; i < len; i++) {
		int byte;

		if (bytes[i] != '%') {
			bytes[end++] = (char)(bytes[i] == '+' ? ' ' : bytes[i]);
			continue;
		}
		byte = hex_byte(str_of(bytes + i + 1, len - i - 1));
		if (byte < 0)
			return false;
		bytes[end++] = (char)byte;
		i += 2;
	}
	*ret = str_of(bytes, end);
	return true;
}

bool form_read(char *bytes, size_t len, struct form *ret)
{
	struct form f = { .n = 0 };
	size_t begin = 0;

	while (begin < len) {
		char *part = bytes + begin;
		size_t part_len = str_index(str_of(part, len - begin), '&');
		size_t name_len = str_index(str_of(part, part_len), '=');
		size_t skip = name_len < part_len;

		begin += part_len + 1;
		if (!part_len)
			continue;
		if (f.n == FORM_FIELDS_MAX ||
			!decode(part + name_len + skip, part_len - name_len - skip,
				&f.fields[f.n].value) ||
			!decode(part, name_len, &f.fields[f.n].name))
			return false;
		f.n++;
	}
	*ret = f;
	return true;
}

struct str form_value(const struct form *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (str_eq(f->fields[i].name, str_from(name)))
			return f->fields[i].value;
	return STR_LIT("");
}
