/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/milter/header.h"

#include "wire/milter/milter.h"

void milter_fields_init(struct milter_fields *f, struct str message)
{
	*f = (struct milter_fields){ .rest = message };
}

bool milter_fields_next(struct milter_fields *f, struct mime_field *ret)
{
	struct str rest = f->rest;

	if (f->n == MILTER_FIELDS_MAX || !mime_next_field(&rest, ret) || !ret->name.len ||
		str_index(ret->name, '\0') < ret->name.len ||
		ret->all.len > MILTER_HEADER_MAX - f->len)
		return false;
	f->rest = str_skip(f->rest, ret->all.len);
	f->len += ret->all.len;
	f->n++;
	return true;
}

struct str milter_fields_body(const struct milter_fields *f, bool *ret_has_blank)
{
	struct str line = str_take(f->rest, mime_line(f->rest));

	*ret_has_blank = line.len && mime_is_blank(line);
	return *ret_has_blank ? str_skip(f->rest, line.len) : f->rest;
}
