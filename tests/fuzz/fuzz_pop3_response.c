/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server that says anything: what is read is the same however it is split. The first
   byte chooses the step, the second what is asked for. */
#include "fuzz.h"

#include "wire/pop3/upstream.h"

#include <stdlib.h>

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void run(struct str input, size_t step, enum pop3_expect expect, struct buf *out)
{
	struct pop3_reader r;
	size_t start = 0, known = 0, used;
	enum pop3_read is;
	struct str bytes, uidl;
	uint32_t number;
	uint64_t octets;

	pop3_reader_expect(&r, expect);
	do {
		known = input.len - known > step ? known + step : input.len;
		do {
			is = pop3_reader_next(&r, str_skip(str_take(input, known), start),
				&bytes, &used);
			start += used;
			must(start <= known);
			if (is == POP3_READ_BYTES)
				must(buf_append(out, bytes) == 0);
			(void)pop3_list_parse(bytes, &number, &octets);
			(void)pop3_stat_parse(bytes, &number, &octets);
			(void)pop3_uidl_parse(bytes, &number, &uidl);
			(void)pop3_response_code(bytes, &uidl);
		} while (is == POP3_READ_OK || is == POP3_READ_BYTES);
	} while (is == POP3_READ_NEED_MORE && known < input.len);
	must(buf_printf(out, "%d", is) == 0);
}

static void probe(struct str input)
{
	struct pop3_probe p;
	struct arena arena;
	struct buf out;
	struct str response;
	size_t used;
	enum pop3_probe_event e;

	arena_init(&arena);
	buf_init(&out, 0);
	pop3_probe_init(&p, &arena);
	do {
		e = pop3_probe_next(&p, input, &response, &used, &out);
		input = str_skip(input, used);
	} while (e == POP3_PROBE_AGAIN);
	buf_clear(&out);
	(void)pop3_capability_filter(p.capability, false, &out);
	(void)pop3_greeting_put(p.greeting, &out);
	buf_fini(&out);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, split;
	struct str input;

	if (size < 2)
		return 0;
	input = str_of(data + 2, size - 2);
	buf_init(&whole, 0);
	buf_init(&split, 0);
	run(input, size, (enum pop3_expect)(data[1] % 3), &whole);
	run(input, (size_t)data[0] + 1, (enum pop3_expect)(data[1] % 3), &split);
	must(str_eq(buf_view(&whole), buf_view(&split)));
	probe(input);
	buf_fini(&whole);
	buf_fini(&split);
	return 0;
}
