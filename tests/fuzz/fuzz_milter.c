/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A content filter that says anything: it is understood the same however it is split, and
   whatever it changes, the header of the message ends where the body begins. The first
   byte chooses the step, the second the message. */
#include "fuzz.h"

#include "wire/milter/edit.h"
#include "wire/milter/header.h"

#include <stdlib.h>

static const struct str messages[] = {
	STR("Subject: a\r\n b\r\nSubject: c\r\nX: \r\n\r\nbody\r\n"),
	STR("no header\r\n"),
	STR(""),
};
static const struct milter_recipient to = { STR("u@example.com"), STR("A=1 B") };

static void must(bool promise)
{
	if (!promise)
		abort();
}

static int put(void *context, struct str piece)
{
	return buf_append(context, piece);
}

static void check_edit(const struct milter_edit *e)
{
	struct milter_fields f;
	struct mime_field field;
	struct buf out;
	bool has_blank;

	buf_init(&out, 0);
	must(milter_edit_each(e, put, &out) == 0);
	milter_fields_init(&f, buf_view(&out));
	while (milter_fields_next(&f, &field))
		;
	must(milter_fields_body(&f, &has_blank).len == 0 && has_blank);
	buf_fini(&out);
}

static void run(struct str input, size_t step, struct str message, struct buf *said)
{
	struct milter_mail mail = { .client = STR("192.0.2.1"),
		.sender = STR("a@b"),
		.recipients = &to,
		.n_recipients = 1,
		.message = message };
	size_t start = 0, known = 0, used;
	enum milter_action is;
	struct milter_edit edit;
	struct milter m;

	milter_init(&m, &mail, said);
	must(milter_edit_init(&edit, message) == 0);
	do {
		is = milter_next(&m, str_skip(str_take(input, known), start), &used);
		start += used;
		must(start <= known);
		if (is == MILTER_CHANGED)
			(void)milter_edit_apply(&edit, &m.change);
		if (is == MILTER_NEED_MORE && known == input.len)
			break;
		if (is == MILTER_NEED_MORE)
			known = input.len - known > step ? known + step : input.len;
	} while (is != MILTER_DECIDED && is != MILTER_BROKEN);
	check_edit(&edit);
	must(buf_printf(said, "%d %d %d %s", is, m.state, m.verdict, m.text) == 0);
	milter_edit_fini(&edit);
	milter_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, split;
	struct str input, message;

	if (size < 2)
		return 0;
	message = messages[data[1] % (sizeof(messages) / sizeof(messages[0]))];
	input = str_of(data + 2, size - 2);
	buf_init(&whole, 0);
	buf_init(&split, 0);
	run(input, size, message, &whole);
	run(input, (size_t)data[0] + 1, message, &split);
	must(str_eq(buf_view(&whole), buf_view(&split)));
	buf_fini(&whole);
	buf_fini(&split);
	return 0;
}
