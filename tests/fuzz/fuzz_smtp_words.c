/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Command lines, addresses, replies and EHLO lists of any bytes. A folded address folds
   to itself; what passes the EHLO filter passes it again unchanged. */
#include "fuzz.h"

#include "wire/smtp/address.h"
#include "wire/smtp/command.h"
#include "wire/smtp/delivered.h"
#include "wire/smtp/refusal.h"
#include "wire/smtp/reply.h"

#include <stdlib.h>

static void must(bool promise)
{
	if (!promise)
		abort();
}

/* The local part as a quoted string. */
static void quote(const struct smtp_address *a, struct buf *out)
{
	must(buf_byte(out, '"') == 0);
	for (size_t i = 0; i < a->local.len; i++) {
		if (a->local.ptr[i] == '"' || a->local.ptr[i] == '\\')
			must(buf_byte(out, '\\') == 0);
		must(buf_byte(out, a->local.ptr[i]) == 0);
	}
	must(buf_byte(out, '"') == 0);
	if (a->domain.len)
		must(buf_byte(out, '@') == 0 && buf_append(out, a->domain) == 0);
}

static void address(struct str text)
{
	struct smtp_address a, b;
	struct arena arena;
	struct buf again;

	arena_init(&arena);
	buf_init(&again, 0);
	if (smtp_address_parse(text, &arena, &a)) {
		quote(&a, &again);
		must(smtp_address_parse(buf_view(&again), &arena, &b));
		must(str_eq(a.local, b.local) && str_eq(a.domain, b.domain));
	}
	buf_fini(&again);
	arena_fini(&arena);
}

static void command(struct str line)
{
	struct smtp_command c = smtp_command(line);
	struct smtp_path path;
	struct str name, value;

	if (smtp_path_parse(c.args, STR_LIT("TO"), &path)) {
		address(path.address);
		(void)smtp_param_size(path.params);
		while (smtp_param_next(&path.params, &name, &value))
			must(name.len + value.len <= line.len);
	}
}

/* What is said to vanish does; a server may show a word twice. */
static void lost(struct str all, struct str filtered)
{
	struct str keyword, args;

	(void)str_split(&all, '\n');
	while (all.len)
		if (smtp_ehlo_lost(str_skip(str_split(&all, '\n'), 4), 0, &keyword))
			must(!smtp_ehlo_has(filtered, keyword, &args));
}

/* Behind the last server's line a sender says what they like. */
static void delivered(struct str input)
{
	struct smtp_delivered d;
	struct buf message;

	smtp_delivered_to(input, &d);
	must(d.n <= SMTP_DELIVERED_MAX);
	buf_init(&message, 0);
	must(buf_append_c(&message, "Received: from a by b for <c@d>; e\r\n") == 0);
	must(buf_append(&message, str_take(input, SMTP_DELIVERED_HEAD)) == 0);
	smtp_delivered_to(buf_view(&message), &d);
	must(d.n <= 1 && (!d.n || str_eq(d.to[0], STR_LIT("c@d"))));
	buf_fini(&message);
}

static void reply(struct str input)
{
	struct smtp_reply r;
	struct buf once, twice;
	struct str args;
	size_t used;

	if (smtp_reply_next(input, &r, &used) != SMTP_REPLY_COMPLETE)
		return;
	must(used && used <= input.len && r.bytes.len == used && r.code <= 999);
	(void)smtp_enhanced_code(r.text, &args);
	buf_init(&once, 0);
	buf_init(&twice, 0);
	must(smtp_ehlo_filter(r.bytes, SMTP_KEEP_STARTTLS, &once) == 0);
	must(smtp_ehlo_filter(buf_view(&once), SMTP_KEEP_STARTTLS, &twice) == 0);
	must(str_eq(buf_view(&once), buf_view(&twice)));
	lost(r.bytes, buf_view(&once));
	must(smtp_reply_next(buf_view(&once), &r, &used) == SMTP_REPLY_COMPLETE);
	must(used == buf_len(&once));
	buf_fini(&once);
	buf_fini(&twice);
}

/* The same words twice are the same, and the recipient is not among them. */
static void refusal(struct str input)
{
	const struct smtp_envelope envelope = { .recipient = STR("alice@example.com"),
		.sender = STR("x@example.net"),
		.helo = STR("client") };
	struct smtp_reply r;
	struct buf words;
	size_t used;

	if (smtp_reply_next(input, &r, &used) != SMTP_REPLY_COMPLETE)
		return;
	buf_init(&words, 0);
	must(smtp_refusal_words(&r, envelope.recipient, &words) == 0);
	must(buf_len(&words) <= r.bytes.len);
	must(smtp_refusal_of(&r, &envelope, buf_view(&words)) < SMTP_REFUSAL_COUNT);
	buf_fini(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size);

	address(input);
	command(input);
	reply(input);
	refusal(input);
	delivered(input);
	return 0;
}
