/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server that says anything to our client with one message. The promises:
 *
 *   - each recipient is answered once, and "taken" only behind a 2xx that came when it
 *     was asked for, of the dot where there is a message;
 *   - what is said is the commands of one transaction, a line each, and the dot comes
 *     only when it was let go;
 *   - a refusal is a line of 4xx or 5xx, never 421.
 *
 * The first byte chooses the protocol, whether it only asks and how the bytes are cut.
 */
#include "fuzz.h"

#include "wire/smtp/outgoing.h"

#include <stdlib.h>
#include <string.h>

#define RECIPIENTS 3
#define ROUNDS_MAX 4000

static void must(bool promise)
{
	if (!promise)
		abort();
}

struct talk {
	struct smtp_outgoing o;
	struct smtp_outgoing_mail mail;
	struct smtp_outgoing_recipient to[RECIPIENTS];
	unsigned answers[RECIPIENTS];
	struct buf in, out;
	bool is_sent, is_let_go, has_code;
};

static void answered(struct talk *t)
{
	struct str reply = t->o.reply;

	must(t->o.nth < RECIPIENTS && !t->answers[t->o.nth]++);
	must(str_index(reply, '\n') == reply.len && str_index(reply, '\r') == reply.len);
	if (!reply.len)
		must(t->has_code && (t->mail.asks || t->is_let_go));
	else
		must(reply.len > 3 && (reply.ptr[0] == '4' || reply.ptr[0] == '5') &&
			!str_starts(reply, STR_LIT("421")));
}

/* Commands, each a line; behind DATA the message. */
static void look_at_commands(struct talk *t)
{
	static const struct str verbs[] = { STR("EHLO us"), STR("LHLO us"),
		STR("HELO us"), STR("MAIL FROM:<f@y>"), STR("RCPT TO:<"), STR("DATA"),
		STR("QUIT"), STR("H: h"), STR("."), STR("") };
	struct str said = buf_view(&t->out);

	while (said.len) {
		struct str line = str_trim(str_split(&said, '\n'));
		bool known = false;

		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
			known |= verbs[i].len ? str_starts(line, verbs[i]) : !line.len;
		must(known);
		must(!str_eq(line, STR_LIT(".")) || t->is_let_go);
	}
	buf_clear(&t->out);
}

static bool step(struct talk *t)
{
	size_t used;
	struct str input = buf_view(&t->in);
	enum smtp_outgoing_event event;

	t->has_code |= memchr(input.ptr ? input.ptr : "", '2', input.len) != NULL;
	event = smtp_outgoing_next(&t->o, input, &used, &t->out);
	must(used <= input.len);
	buf_consume(&t->in, used);
	if (event == SMTP_OUTGOING_ANSWER)
		answered(t);
	if (event == SMTP_OUTGOING_SEND) {
		must(!t->mail.asks && !t->is_sent);
		t->is_sent = true;
		must(smtp_outgoing_put(&t->o, STR_LIT("H: h\r\n\r\n"), &t->out) == 0);
		smtp_outgoing_hold(&t->o);
		look_at_commands(t);
		t->is_let_go = true;
		must(smtp_outgoing_end(&t->o, &t->out) == 0);
	}
	look_at_commands(t);
	return event != SMTP_OUTGOING_NEED_MORE && event != SMTP_OUTGOING_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk t = { 0 };
	struct str said;
	size_t piece;

	if (size < 1)
		return 0;
	said = str_of(data + 1, size - 1);
	piece = data[0] & 4 ? 1u + (data[0] >> 4) : SIZE_MAX / 2;
	t.to[0].address = STR_LIT("a@x");
	t.to[1].address = data[0] & 8 ? STR_LIT("b\r\nDATA") : STR_LIT("b@x");
	t.to[2].address = STR_LIT("c@x");
	t.mail = (struct smtp_outgoing_mail){ .is_lmtp = data[0] & 1,
		.asks = data[0] & 2,
		.helo = STR("us"),
		.sender = STR("f@y"),
		.params = STR("SMTPUTF8 BODY=8BITMIME"),
		.size = 8,
		.recipients = t.to,
		.n = RECIPIENTS };
	smtp_outgoing_init(&t.o, &t.mail);
	for (unsigned i = 0; i < ROUNDS_MAX && said.len; i++) {
		must(buf_append(&t.in, str_take(said, piece)) == 0);
		said = str_skip(said, piece);
		while (step(&t))
			continue;
	}
	smtp_outgoing_fail(&t.o);
	while (step(&t))
		continue;
	for (size_t i = 0; i < RECIPIENTS; i++)
		must(t.answers[i] == 1);
	buf_fini(&t.in);
	buf_fini(&t.out);
	return 0;
}
