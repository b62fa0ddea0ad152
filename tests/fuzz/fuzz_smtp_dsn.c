/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Parameters of MAIL and RCPT, addresses, and the message that is reported, a line each.
 * Promised: what is accepted decodes to text that can be shown, and a report is lines of
 * ASCII (but for whom it is to) whose parts end where we end them.
 */
#include "fuzz.h"

#include "wire/smtp/dsn.h"
#include "wire/smtp/dsn_report.h"

#include <stdlib.h>

#define ID "0123456789abcdef"

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void must_be_shown(struct str xtext)
{
	struct buf text;

	buf_init(&text, 0);
	must(dsn_xtext_put(xtext, &text) == 0);
	must(buf_len(&text) <= xtext.len && buf_len(&text) <= DSN_SHOWN_MAX);
	for (size_t i = 0; i < buf_len(&text); i++)
		must(buf_view(&text).ptr[i] >= ' ' && buf_view(&text).ptr[i] <= '~');
	buf_fini(&text);
}

static void parse(struct str params)
{
	struct dsn_rcpt asked;
	struct str envid;

	if (dsn_mail_parse(params, &envid))
		must_be_shown(envid);
	if (!dsn_rcpt_parse(params, &asked))
		return;
	must(!(asked.notify & DSN_NOTIFY_NEVER) || asked.notify == DSN_NOTIFY_NEVER);
	if (asked.type.ptr && !dsn_is_utf8(asked.type))
		must_be_shown(asked.original);
}

/* Words for people and for programs; and the header of a message that is here. */
static void check(struct str report, bool has_header)
{
	size_t boundaries = 0, number = 0;

	while (report.len) {
		struct str line = str_split(&report, '\n');

		must(line.len && line.len <= 1000 && line.ptr[line.len - 1] == '\r');
		line.len--;
		boundaries += str_starts(line, STR_LIT("--=_" ID));
		for (size_t i = 0; i < line.len; i++) {
			unsigned char c = (unsigned char)line.ptr[i];

			must(c == '\t' || (c >= ' ' && c != 0x7f));
			must(c < 0x80 || number == 1); /* To */
		}
		number++;
	}
	must(boundaries == (has_header ? 4 : 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size);
	struct smtp_recipient recipients[2] = { 0 };
	const struct dsn_report_recipient list[] = { { &recipients[0], false },
		{ &recipients[1], size % 2 } };
	struct dsn_report report = {
		.by = STR("mx"), .id = STR(ID), .recipients = list, .n = 2
	};
	struct buf out;

	report.params = str_split(&input, '\n');
	report.to = str_take(str_split(&input, '\n'), DSN_SENDER_MAX);
	for (size_t i = 0; i < 2; i++) {
		recipients[i].address = str_split(&input, '\n');
		recipients[i].params = str_split(&input, '\n');
		parse(recipients[i].params);
	}
	parse(report.params);
	report.message = input;
	/* nobody can guess it */
	for (size_t i = 0; i + 16 <= size; i++)
		if (str_eq(str_of(data + i, 16), report.id))
			return 0;
	buf_init(&out, 0);
	must(dsn_report(&report, &out) == 0);
	check(buf_view(&out), report.message.len > 0);
	buf_fini(&out);
	return 0;
}
