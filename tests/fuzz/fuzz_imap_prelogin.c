/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The server's side before login says the same however its input is cut, and what the
   source is told of a login is one line; the first byte is the size of the pieces. */
#include "fuzz.h"

#include "wire/imap/upstream.h"

#include <stdlib.h>

static const struct imap_offer offer = {
	.greeting = STR("* OK"),
	.capability =
		STR("IMAP4rev1 ID AUTH=PLAIN AUTH=LOGIN AUTH=CRAM-MD5 AUTH=SCRAM-SHA-1"),
	.id = STR("NIL"),
	.starttls = true,
};

struct talk {
	struct imap_prelogin machine;
	struct arena arena;
	struct buf input, out;
};

/* One line under our tag; whatever else there is waits for the source to ask for it. */
static void note_line(struct talk *t)
{
	struct imap_upstream u;
	struct buf line;
	struct str text;

	buf_init(&line, 0);
	imap_upstream_init(&u, STR_LIT("z"));
	u.state = IMAP_UPSTREAM_IN_READY;
	if (imap_upstream_login(&u, &t->machine.login, &line) < 0)
		abort();
	text = buf_view(&line);
	if (!str_starts(text, STR_LIT("z1 ")) || str_index(text, '\n') + 1 != text.len ||
		str_index(text, '\r') + 2 != text.len || str_index(text, '\0') < text.len)
		abort();
	(void)buf_append(&t->out, text);
	buf_fini(&line);
}

static void note(struct talk *t, enum prelogin_action action)
{
	const struct wire_login *l = &t->machine.login;

	if (action == PRELOGIN_AGAIN || action == PRELOGIN_NEED_MORE)
		return;
	(void)buf_printf(&t->out, "%d %.*s %.*s;", (int)action, STR_ARG(l->user),
		STR_ARG(l->password));
	if (action == PRELOGIN_LOGIN || action == PRELOGIN_EXCHANGE)
		note_line(t);
	if (action == PRELOGIN_EXCHANGE)
		imap_prelogin_challenged(&t->machine);
	else if (action != PRELOGIN_CLOSE)
		imap_prelogin_answered(&t->machine);
}

static void run(struct str rest, size_t piece, struct talk *t)
{
	enum prelogin_action action = PRELOGIN_NEED_MORE;
	size_t used;

	arena_init(&t->arena);
	buf_init(&t->input, 0);
	buf_init(&t->out, 0);
	imap_prelogin_init(&t->machine, &offer, &t->arena, 512);
	for (; rest.len && action != PRELOGIN_CLOSE; rest = str_skip(rest, piece)) {
		(void)buf_append(&t->input, str_take(rest, piece));
		do {
			action = imap_prelogin_next(
				&t->machine, buf_view(&t->input), &used, &t->out);
			if (used > buf_len(&t->input))
				abort();
			note(t, action);
			buf_consume(&t->input, used);
		} while (action != PRELOGIN_NEED_MORE && action != PRELOGIN_CLOSE);
	}
}

static void done(struct talk *t)
{
	buf_fini(&t->input);
	buf_fini(&t->out);
	arena_fini(&t->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk whole, pieces;
	struct str input;

	if (size < 2)
		return 0;
	input = str_of(data + 1, size - 1);
	run(input, input.len, &whole);
	run(input, data[0] % 16 + 1u, &pieces);
	if (!str_eq(buf_view(&whole.out), buf_view(&pieces.out)))
		abort();
	done(&whole);
	done(&pieces);
	return 0;
}
