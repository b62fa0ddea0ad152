/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client's side before login hears the same however the server's bytes are cut, but
   for lines that came too early; the first byte is the size of the pieces. The probe may
   only not crash. */
#include "fuzz.h"

#include "wire/imap/upstream.h"

#include <stdlib.h>

static const struct wire_login login = {
	.kind = LOGIN_PASSWORD,
	.id = STR("(\"n\" NIL)"),
	.user = STR("\\"),
	.password = STR("y"),
	.user_literal = true,
};
static const struct wire_login exchange = {
	.kind = LOGIN_EXCHANGE,
	.mechanism = STR("CRAM-MD5"),
};

static bool is_last(enum upstream_event event)
{
	return event == UPSTREAM_BYE || event == UPSTREAM_BROKEN;
}

static enum upstream_event step(
	struct imap_upstream *u, struct buf *input, struct buf *out)
{
	struct str response;
	size_t used;
	enum upstream_event event =
		imap_upstream_next(u, buf_view(input), &response, &used, out);

	if (used > buf_len(input))
		abort();
	/* what is broken may be known earlier or later: its text does not count */
	if (event != UPSTREAM_NEED_MORE && event != UPSTREAM_BROKEN)
		(void)buf_printf(out, "%d<%.*s>", (int)event, STR_ARG(response));
	if (event == UPSTREAM_GREETED &&
		imap_upstream_login(u, response.len % 2 ? &exchange : &login, out) < 0)
		abort();
	if (event == UPSTREAM_CONTINUE &&
		imap_upstream_answer(u, STR_LIT("YQ=="), out) < 0)
		abort();
	buf_consume(input, used);
	return event;
}

/* false: it ended with what is broken. */
static bool run(struct str rest, size_t piece, struct buf *out)
{
	struct imap_upstream u;
	struct buf input;
	enum upstream_event event = UPSTREAM_NEED_MORE;

	buf_init(&input, 0);
	buf_init(out, 0);
	imap_upstream_init(&u, STR_LIT("z"));
	for (; rest.len && !is_last(event); rest = str_skip(rest, piece)) {
		(void)buf_append(&input, str_take(rest, piece));
		do
			event = step(&u, &input, out);
		while (event != UPSTREAM_NEED_MORE && !is_last(event));
	}
	buf_fini(&input);
	return event != UPSTREAM_BROKEN;
}

static void probe(struct str bytes)
{
	struct arena arena;
	struct buf out;
	struct imap_probe p;
	struct str response;
	size_t used = 0;
	enum imap_probe_event event;

	arena_init(&arena);
	buf_init(&out, 0);
	imap_probe_init(&p, &arena);
	do {
		event = imap_probe_next(&p, bytes, &response, &used, &out);
		bytes = str_skip(bytes, used);
	} while (event == IMAP_PROBE_AGAIN);
	buf_fini(&out);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces;
	struct str input, heard;

	if (size < 2)
		return 0;
	input = str_of(data + 1, size - 1);
	(void)run(input, data[0] % 16 + 1u, &pieces);
	heard = buf_view(&pieces);
	if (!run(input, input.len, &whole)) /* a line behind a "+" came too early */
		heard = str_take(heard, buf_len(&whole));
	if (!str_eq(buf_view(&whole), heard))
		abort();
	buf_fini(&whole);
	buf_fini(&pieces);
	probe(input);
	return 0;
}
