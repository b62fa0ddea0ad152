/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A smart host that says anything, in pieces: the first byte says which message it is
 * sent, then a length and that many bytes. Promised: a message is taken only behind its
 * whole text and a 2xx; nothing of it is a command; what is said has an end.
 */
#include "fuzz.h"

#include "wire/smtp/send.h"

#include <stdlib.h>

static const struct row {
	struct str recipient, message;
} rows[] = {
	{ STR("x@example.net"), STR("A: b\r\n\r\ntext\r\n") },
	{ STR("x@example.net"), STR("A: b\n.\n.\r\n\r.\r\nRCPT TO:<y@z>\r\n.") },
	{ STR("\xc3\xa4@example.net"), STR(".\r\n") },
	{ STR("x\r\nDATA"), STR("A: b\r\n") },
};

static void must(bool promise)
{
	if (!promise)
		abort();
}

/* Lines that are a command of ours, and no line "." but one at the end. */
static void check(const struct smtp_send *s, struct str said)
{
	size_t messages = 0, ends = 0, lines = 0;
	bool in_text = false;

	while (said.len) {
		struct str line = str_split(&said, '\n');

		must(line.len && line.ptr[line.len - 1] == '\r');
		line.len--;
		must(str_index(line, '\r') == line.len);
		lines++;
		if (in_text) {
			must(line.len < 2 || line.ptr[0] != '.' || line.ptr[1] == '.');
			in_text = !str_eq(line, STR_LIT("."));
			ends += !in_text;
			continue;
		}
		must(str_starts(line, STR_LIT("EHLO [")) ||
			str_starts(line, STR_LIT("HELO [")) ||
			str_starts(line, STR_LIT("LHLO [")) ||
			str_starts(line, STR_LIT("MAIL FROM:<>")) ||
			str_starts(line, STR_LIT("RCPT TO:<")) ||
			str_eq(line, STR_LIT("DATA")) || str_eq(line, STR_LIT("QUIT")) ||
			str_eq(line, STR_LIT("A: b")) || str_eq(line, STR_LIT("..")));
		if (str_eq(line, STR_LIT("DATA")))
			messages++;
		in_text = str_eq(line, STR_LIT("A: b")) || str_eq(line, STR_LIT(".."));
	}
	must(messages <= 1 && ends <= messages && !in_text && lines < 20);
	must(s->sent != SMTP_SENT_TAKEN || ends == 1);
	must(s->sent == SMTP_SENT_LATER || s->state == SMTP_SEND_OVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size);
	const struct row *row = &rows[size ? data[0] % 4 : 0];
	enum smtp_send_action action = SMTP_SEND_AGAIN;
	struct buf in, out;
	struct smtp_send s;

	buf_init(&in, 0);
	buf_init(&out, 0);
	smtp_send_init(&s, size && data[0] & 4, STR_LIT("[192.0.2.1]"), row->recipient,
		row->message);
	input = str_skip(input, 1);
	while (action != SMTP_SEND_DONE) {
		size_t used;

		action = smtp_send_next(&s, buf_view(&in), &used, &out);
		must(used <= buf_len(&in));
		buf_consume(&in, used);
		if (action != SMTP_SEND_NEED_MORE)
			continue;
		if (input.len < 2)
			break;
		must(buf_append(&in, str_take(str_skip(input, 1),
					     (unsigned char)input.ptr[0])) == 0);
		input = str_skip(input, 1 + (size_t)(unsigned char)input.ptr[0]);
	}
	check(&s, buf_view(&out));
	buf_fini(&in);
	buf_fini(&out);
	return 0;
}
