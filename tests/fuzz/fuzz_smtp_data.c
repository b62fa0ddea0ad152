/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A message of any bytes: it ends at the same place however it is split, and what is
   relayed has no end in it for a reader who takes CR and LF alone for line ends and does
   not see NULs. The other way round the same bytes are text, which comes out as it went
   in, or not at all. The first byte chooses the step. */
#include "fuzz.h"

#include "base/buf.h"
#include "wire/smtp/data.h"

#include <stdlib.h>

static void must(bool promise)
{
	if (!promise)
		abort();
}

static bool lenient_end(struct str s)
{
	size_t column = 0;
	bool dot = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '\0')
			continue;
		if (c == '\r' || c == '\n') {
			if (dot && column == 1)
				return true;
			column = 0;
			continue;
		}
		dot = column == 0 && c == '.';
		column++;
	}
	return false;
}

static enum smtp_data_is run(
	struct str input, size_t step, struct buf *raw, struct buf *text, size_t *start)
{
	struct smtp_data d;
	struct str a, b;
	enum smtp_data_is is;
	size_t known = 0, used;

	smtp_data_init(&d);
	do {
		known = input.len - known > step ? known + step : input.len;
		do {
			is = smtp_data_next(&d, str_skip(str_take(input, known), *start),
				&a, &b, &used);
			*start += used;
			must(*start <= known);
			if (is == SMTP_DATA_BYTES)
				must(buf_append(raw, a) == 0 && buf_append(text, b) == 0);
		} while (is == SMTP_DATA_BYTES);
	} while (is == SMTP_DATA_NEED_MORE && known < input.len);
	return is;
}

/* Written and read again. */
static void put(struct str input, size_t step)
{
	struct smtp_data d;
	struct buf wire, raw, text;
	size_t start = 0;
	int r = 0;

	smtp_data_init(&d);
	buf_init(&wire, 0);
	buf_init(&raw, 0);
	buf_init(&text, 0);
	for (size_t at = 0; at < input.len && r == 0; at += step)
		r = smtp_data_put(&d, str_take(str_skip(input, at), step), &wire);
	must(!lenient_end(buf_view(&wire)));
	if (r == 0 && smtp_data_put_end(&d, &wire) == 0) {
		must(run(buf_view(&wire), step, &raw, &text, &start) == SMTP_DATA_END);
		must(start == buf_len(&wire) && !lenient_end(buf_view(&raw)));
		must(str_starts(buf_view(&text), input));
		must(buf_len(&text) <= input.len + 2);
	}
	buf_fini(&wire);
	buf_fini(&raw);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf raw[2], text[2];
	size_t start[2] = { 0, 0 };
	struct str input;

	if (size < 1)
		return 0;
	input = str_of(data + 1, size - 1);
	for (int i = 0; i < 2; i++) {
		buf_init(&raw[i], 0);
		buf_init(&text[i], 0);
	}
	must(run(input, size, &raw[0], &text[0], &start[0]) ==
		run(input, (size_t)data[0] + 1, &raw[1], &text[1], &start[1]));
	must(start[0] == start[1] && str_eq(buf_view(&raw[0]), buf_view(&raw[1])) &&
		str_eq(buf_view(&text[0]), buf_view(&text[1])));
	must(str_starts(input, buf_view(&raw[0])) && !lenient_end(buf_view(&raw[0])));
	put(input, (size_t)data[0] + 1);
	for (int i = 0; i < 2; i++) {
		buf_fini(&raw[i]);
		buf_fini(&text[i]);
	}
	return 0;
}
