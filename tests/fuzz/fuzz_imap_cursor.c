/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every reader on any bytes: what it takes lies before what it leaves, what it refuses it
   leaves alone, and what was read is written and read again as the same. */
#include "fuzz.h"

#include "wire/imap/cursor.h"
#include "wire/imap/date.h"
#include "wire/imap/encode.h"
#include "wire/imap/flags.h"

#include <stdlib.h>

static void must(bool promise)
{
	if (!promise)
		abort();
}

static void strings(struct str input, struct arena *arena)
{
	struct imap_cursor c = imap_cursor(input), again;
	struct str s, back;
	struct buf out;

	if (!imap_astring(&c, arena, &s)) {
		must(c.rest.len == input.len);
		return;
	}
	must(c.rest.len < input.len);
	buf_init(&out, 0);
	must(imap_put_astring(&out, s) == 0);
	again = imap_cursor(buf_view(&out));
	must(imap_astring(&again, arena, &back) && str_eq(s, back) && imap_end(&again));
	buf_fini(&out);
}

static void flags(struct str input, struct arena *arena)
{
	struct imap_cursor c = imap_cursor(input), again;
	unsigned bits, bits_back;
	struct str words, words_back;
	struct buf out;

	if (!imap_flags(&c, arena, &bits, &words))
		return;
	buf_init(&out, 0);
	must(buf_byte(&out, '(') == 0 && imap_put_flags(&out, bits, words) == 0 &&
		buf_byte(&out, ')') == 0);
	again = imap_cursor(buf_view(&out));
	must(imap_flags(&again, arena, &bits_back, &words_back) && imap_end(&again));
	must(bits == bits_back && str_eq(words, words_back));
	buf_fini(&out);
}

static void dates(struct str input)
{
	struct imap_date date, back;
	struct buf out;

	if (!imap_date_time(input, &date))
		return;
	buf_init(&out, 0);
	must(imap_put_date_time(&out, date) == 0);
	must(imap_date_time(str_of(out.data + 1, buf_len(&out) - 2), &back));
	must(date.seconds == back.seconds && date.zone == back.zone);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size), s;
	struct imap_cursor c = imap_cursor(input);
	struct arena arena;
	uint32_t number;

	arena_init(&arena);
	strings(input, &arena);
	flags(input, &arena);
	dates(input);
	while (imap_skip_value(&c) || imap_space(&c) || imap_char(&c, ')'))
		continue;
	c = imap_cursor(input);
	while (imap_number(&c, &number) || imap_tag(&c, &s) || imap_word(&c, &s) ||
		imap_list_mailbox(&c, &arena, &s) || imap_nstring(&c, &arena, &s) ||
		imap_space(&c))
		continue;
	arena_fini(&arena);
	return 0;
}
