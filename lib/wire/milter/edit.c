/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/milter/edit.h"

#include "wire/milter/header.h"

#include <errno.h>

static struct milter_line *new_line(
	struct milter_edit *e, struct milter_line **at, struct str name, struct str all)
{
	struct milter_line *line = arena_alloc(&e->arena, sizeof(*line));

	if (!line)
		return NULL;
	*line = (struct milter_line){ .next = *at, .name = name, .all = all };
	*at = line;
	return line;
}

int milter_edit_init(struct milter_edit *e, struct str message)
{
	struct milter_line **last = &e->first;
	struct milter_fields f;
	struct mime_field field;

	*e = (struct milter_edit){ 0 };
	arena_init(&e->arena);
	milter_fields_init(&f, message);
	while (milter_fields_next(&f, &field)) {
		if (!new_line(e, last, field.name, field.all))
			return -ENOMEM;
		last = &(*last)->next;
	}
	e->body = milter_fields_body(&f, &e->has_blank);
	return 0;
}

void milter_edit_fini(struct milter_edit *e)
{
	arena_fini(&e->arena);
	e->first = NULL;
}

/* RFC 5322, 3.6.8 */
static bool is_field_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~' || name.ptr[i] == ':')
			return false;
	return name.len > 0;
}

static bool is_line_end(struct str s)
{
	return s.len && (s.ptr[0] == '\r' || s.ptr[0] == '\n');
}

static int put_value(struct buf *out, struct str value)
{
	int r = 0;

	while (value.len && r == 0) {
		char c = value.ptr[0];

		value = str_skip(value, 1);
		if (c != '\r' && c != '\n')
			r = buf_byte(out, c);
		if (c != '\n')
			continue;
		while (is_line_end(value)) /* an empty line would end the header */
			value = str_skip(value, 1);
		if (value.len)
			r = buf_append_c(out, "\r\n");
		if (r == 0 && value.len && value.ptr[0] != ' ' && value.ptr[0] != '\t')
			r = buf_byte(out, '\t');
	}
	return r;
}

static int make_line(
	struct milter_edit *e, const struct milter_change *c, struct str *ret)
{
	struct buf line;
	int r;

	if (!is_field_name(c->name))
		return -EINVAL;
	if (e->arena.used + c->name.len + c->value.len >
		MILTER_EDIT_MAX + MILTER_FIELDS_MAX * sizeof(struct milter_line))
		return -ENOBUFS;
	buf_init(&line, 0);
	r = buf_append(&line, c->name);
	r = r < 0 ? r : buf_append_c(&line, c->is_spaced ? ":" : ": ");
	r = r < 0 ? r : put_value(&line, c->value);
	r = r < 0 ? r : buf_append_c(&line, "\r\n");
	if (r == 0) {
		*ret = arena_str(&e->arena, buf_view(&line));
		r = ret->ptr ? 0 : -ENOMEM;
	}
	buf_fini(&line);
	return r;
}

/* index: of the lines that there are, deleted ones not counted. */
static int insert(struct milter_edit *e, const struct milter_change *c, size_t index)
{
	struct milter_line **at = &e->first;
	struct str all, name;
	int r = make_line(e, c, &all);

	if (r < 0)
		return r;
	name = str_take(all, c->name.len);
	while (*at && (index || !(*at)->all.len)) {
		index -= (*at)->all.len > 0;
		at = &(*at)->next;
	}
	return new_line(e, at, name, all) ? 0 : -ENOMEM;
}

static int change(struct milter_edit *e, const struct milter_change *c)
{
	uint32_t n = c->index ? c->index : 1;
	struct milter_line *line = e->first;

	while (line && (!str_ieq(line->name, c->name) || --n))
		line = line->next;
	if (!line)
		return c->value.len ? insert(e, c, SIZE_MAX) : 0;
	if (c->value.len)
		return make_line(e, c, &line->all);
	line->all = STR_LIT("");
	return 0;
}

int milter_edit_apply(struct milter_edit *e, const struct milter_change *c)
{
	switch (c->kind) {
	case MILTER_ADD_HEADER:
		return insert(e, c, SIZE_MAX);
	case MILTER_INSERT_HEADER:
		return insert(e, c, c->index ? c->index - 1 : 0);
	case MILTER_CHANGE_HEADER:
		return change(e, c);
	case MILTER_REPLACE_BODY:
	case MILTER_ADD_RECIPIENT:
	case MILTER_DELETE_RECIPIENT:
	case MILTER_CHANGE_SENDER:
	case MILTER_CHANGE_COUNT:
		break;
	}
	return -EINVAL;
}

static bool ends_line(struct str s)
{
	return s.len && s.ptr[s.len - 1] == '\n';
}

int milter_edit_each(const struct milter_edit *e,
	int (*put)(void *context, struct str piece), void *context)
{
	int r = 0;

	for (const struct milter_line *line = e->first; line && r == 0;
		line = line->next) {
		if (!line->all.len)
			continue;
		r = put(context, line->all);
		if (r == 0 && !ends_line(line->all))
			r = put(context, STR_LIT("\r\n"));
	}
	return r ? r : put(context, STR_LIT("\r\n"));
}
