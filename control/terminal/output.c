/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/terminal/output.h"

#include "base/human.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const void *place(const struct column *column, const void *row)
{
	return (const char *)row + column->offset;
}

static uint64_t number_at(const struct column *column, const void *row)
{
	uint64_t value;

	memcpy(&value, place(column, row), sizeof(value));
	return value;
}

/* ── values as text ────────────────────────────────────────────────────────────────── */

static char ascii(char c)
{
	if ((unsigned char)c >= 0x80)
		return '?';
	return c;
}

int output_append_clean(struct buf *out, struct str s)
{
	char *space;
	int r = s.len ? buf_reserve(out, s.len, &space) : 0;

	if (r < 0 || !s.len)
		return r;
	memcpy(space, s.ptr, s.len);
	utf8_make_harmless(space, s.len);
	buf_commit(out, s.len);
	return 0;
}

void output_clean(struct str s, FILE *to)
{
	struct buf shown;

	buf_init(&shown, 0);
	if (output_append_clean(&shown, s) == 0 && buf_len(&shown))
		(void)fwrite(buf_view(&shown).ptr, 1, buf_len(&shown), to);
	buf_fini(&shown);
}

void output_text_clean(const json_t *object, const char *key, FILE *to)
{
	output_clean(output_text(object, key), to);
}

static int text_text(struct buf *out, const struct column *column, const void *row)
{
	return output_append_clean(out, *(const struct str *)place(column, row));
}

static int number_text(struct buf *out, const struct column *column, const void *row)
{
	return buf_printf(out, "%" PRIu64, number_at(column, row));
}

static int bytes_text(struct buf *out, const struct column *column, const void *row)
{
	return human_bytes(out, number_at(column, row));
}

static int yes_no_text(struct buf *out, const struct column *column, const void *row)
{
	return buf_append_c(out, *(const bool *)place(column, row) ? "yes" : "no");
}

static int kept_text(struct buf *out, const struct column *column, const void *row)
{
	int value = *(const int *)place(column, row);

	return buf_append_c(out, value < 0 ? "-" : value ? "yes" : "no");
}

static int time_text(struct buf *out, const struct column *column, const void *row)
{
	return human_time(out, number_at(column, row));
}

static int span_text(struct buf *out, const struct column *column, const void *row)
{
	return human_span(out, number_at(column, row));
}

/* ── values as JSON ────────────────────────────────────────────────────────────────── */

struct str output_text(const json_t *object, const char *key)
{
	const json_t *text = json_object_get(object, key);

	return json_is_string(text)
	               ? str_of(json_string_value(text), json_string_length(text))
	               : STR_LIT("");
}

uint64_t output_number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

json_t *output_string(struct str s)
{
	json_t *string = json_stringn(s.len ? s.ptr : "", s.len);
	struct buf valid;

	if (string)
		return string;
	buf_init(&valid, 0);
	for (size_t i = 0; i < s.len; i++)
		if (buf_byte(&valid, ascii(s.ptr[i])) < 0)
			break;
	if (buf_len(&valid) == s.len)
		string = json_stringn(buf_view(&valid).ptr, s.len);
	buf_fini(&valid);
	return string;
}

json_t *output_sentence(const char *format, va_list args)
{
	char *text = NULL;
	json_t *string = NULL;

	if (vasprintf(&text, format, args) >= 0) {
		string = output_string(str_from(text));
		free(text);
	}
	return string;
}

static json_t *text_json(const struct column *column, const void *row)
{
	return output_string(*(const struct str *)place(column, row));
}

static json_t *number_json(const struct column *column, const void *row)
{
	return json_integer((json_int_t)number_at(column, row));
}

static json_t *yes_no_json(const struct column *column, const void *row)
{
	return json_boolean(*(const bool *)place(column, row));
}

static json_t *kept_json(const struct column *column, const void *row)
{
	int value = *(const int *)place(column, row);

	return value < 0 ? json_null() : json_boolean(value);
}

static json_t *time_json(const struct column *column, const void *row)
{
	uint64_t value = number_at(column, row);

	return value ? json_integer((json_int_t)value) : json_null();
}

static const struct kind {
	int (*text)(struct buf *out, const struct column *column, const void *row);
	json_t *(*json)(const struct column *column, const void *row);
	bool right; /* aligned in a table */
} kinds[] = {
	[COLUMN_TEXT] = { text_text, text_json, false },
	[COLUMN_NUMBER] = { number_text, number_json, true },
	[COLUMN_BYTES] = { bytes_text, number_json, true },
	[COLUMN_YES_NO] = { yes_no_text, yes_no_json, false },
	[COLUMN_KEPT] = { kept_text, kept_json, false },
	[COLUMN_TIME] = { time_text, time_json, false },
	[COLUMN_SPAN] = { span_text, number_json, true },
};

bool output_is_right(enum column_kind kind)
{
	return kinds[kind].right;
}

int output_value(struct buf *out, enum column_kind kind, const json_t *value)
{
	const struct column here = { .kind = kind };
	struct str text = str_of(json_string_value(value), json_string_length(value));
	uint64_t number = (uint64_t)json_integer_value(value);
	int kept = json_is_null(value) ? -1 : json_is_true(value);
	bool yes = json_is_true(value);
	const void *const places[] = {
		[COLUMN_TEXT] = &text,
		[COLUMN_NUMBER] = &number,
		[COLUMN_BYTES] = &number,
		[COLUMN_YES_NO] = &yes,
		[COLUMN_KEPT] = &kept,
		[COLUMN_TIME] = &number,
		[COLUMN_SPAN] = &number,
	};

	if (!value || json_is_null(value))
		return buf_byte(out, '-');
	return kinds[kind].text(out, &here, places[kind]);
}

/* ── printers ──────────────────────────────────────────────────────────────────────── */

json_t *output_object(const struct column *columns, size_t n, const void *row)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++) {
		const struct column *column = &columns[i];

		if ((column->where & IN_JSON) &&
			json_object_set_new(object, column->name,
				kinds[column->kind].json(column, row)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

int output_dump(const json_t *value, size_t flags, FILE *to)
{
	char *text = value ? json_dumps(value, flags | JSON_ENCODE_ANY) : NULL;
	struct str all = str_from(text), rest = all;
	size_t plain = 0; /* from here on */

	while (rest.len) {
		size_t at = all.len - rest.len;
		uint32_t c = utf8_next(&rest);

		/* jansson writes UTF-8, and has escaped what is below U+0020 */
		if (c == '\n' || utf8_is_harmless(c))
			continue;
		(void)fwrite(all.ptr + plain, 1, at - plain, to);
		(void)fprintf(to, "\\u%04" PRIX32, c);
		plain = all.len - rest.len;
	}
	(void)fwrite(all.ptr + plain, 1, all.len - plain, to);
	free(text);
	(void)fputc('\n', to);
	return text ? 0 : -ENOMEM;
}

int output_json(json_t *value, FILE *to)
{
	int r = output_dump(value, JSON_INDENT(2), to);

	json_decref(value);
	return r;
}

void output_list(const struct column *columns, size_t n, const void *row, FILE *to)
{
	struct buf value;

	buf_init(&value, 0);
	for (size_t i = 0; i < n; i++) {
		if (!(columns[i].where & IN_LIST))
			continue;
		buf_clear(&value);
		(void)kinds[columns[i].kind].text(&value, &columns[i], row);
		if (!buf_len(&value)) /* there is nothing to say */
			continue;
		(void)fprintf(
			to, "%-18s %.*s\n", columns[i].title, STR_ARG(buf_view(&value)));
	}
	buf_fini(&value);
}

int table_init(struct table *t, const struct column *columns, size_t n)
{
	int r = 0;

	*t = (struct table){ .columns = columns, .n_columns = n, .n_rows = 1 };
	buf_init(&t->cells, 0);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = buf_append_c(&t->cells, columns[i].title);
		if (r == 0)
			r = buf_byte(&t->cells, '\0');
	}
	return r;
}

int table_add(struct table *t, const void *row)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n_columns; i++) {
		const struct column *column = &t->columns[i];

		if (column->where & IN_TABLE)
			r = kinds[column->kind].text(&t->cells, column, row);
		if (r == 0)
			r = buf_byte(&t->cells, '\0');
	}
	t->n_rows++;
	return r;
}

void table_fini(struct table *t)
{
	buf_fini(&t->cells);
}

size_t output_width(struct str s)
{
	size_t width = 0;

	for (size_t i = 0; i < s.len; i++)
		width += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
	return width;
}

#define COLUMNS_MAX 32 /* twice what the widest has */

static void measure(const struct table *t, size_t widths[static COLUMNS_MAX])
{
	struct str rest = buf_view(&t->cells);

	for (size_t row = 0; row < t->n_rows; row++)
		for (size_t i = 0; i < t->n_columns; i++) {
			size_t width = output_width(str_split(&rest, '\0'));

			if (i < COLUMNS_MAX && width > widths[i])
				widths[i] = width;
		}
}

static void pad(size_t width, FILE *to)
{
	while (width--)
		(void)fputc(' ', to);
}

static void print_cell(struct str cell, size_t width, bool right, bool last, FILE *to)
{
	size_t gap = width - output_width(cell);

	if (right)
		pad(gap, to);
	(void)fwrite(cell.ptr, 1, cell.len, to);
	if (!right && !last)
		pad(gap, to);
	if (!last)
		pad(2, to);
}

void table_print(const struct table *t, FILE *to)
{
	size_t widths[COLUMNS_MAX] = { 0 }, last = 0;
	struct str rest = buf_view(&t->cells);

	measure(t, widths);
	for (size_t i = 0; i < t->n_columns; i++)
		if (t->columns[i].where & IN_TABLE)
			last = i;
	for (size_t row = 0; row < t->n_rows; row++) {
		for (size_t i = 0; i < t->n_columns; i++) {
			const struct column *column = &t->columns[i];
			struct str cell = str_split(&rest, '\0');

			if (column->where & IN_TABLE)
				print_cell(cell, widths[i], kinds[column->kind].right,
					i == last, to);
		}
		(void)fputc('\n', to);
	}
}
