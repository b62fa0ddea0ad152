/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server's bytes give the same responses at once and byte by byte, and what is read of
   them lies inside of them. */
#include "fuzz.h"

#include "wire/imap/flags.h"
#include "wire/imap/response.h"

#include <stdlib.h>

struct seen {
	uint64_t hash;
};

/* Pieces may be cut anywhere: only their bytes count. */
static void note(struct seen *s, enum imap_response_event what, struct str part)
{
	if (what != IMAP_RESPONSE_BYTES)
		s->hash = s->hash * 31 + what;
	for (size_t i = 0; i < part.len; i++)
		s->hash = s->hash * 31 + (unsigned char)part.ptr[i];
}

static void read_values(struct str part)
{
	struct imap_fetched f = { .keywords = STR_LIT("") };
	struct imap_response is;
	struct imap_list list;
	struct arena arena;

	if (!imap_response_parse(part, &is) || is.kind != IMAP_IS_DATA)
		return;
	arena_init(&arena);
	if (str_ieq(is.name, STR_LIT("FETCH")))
		(void)imap_response_fetch(&is.rest, &arena, &f);
	else
		(void)imap_response_list(is.rest, &arena, &list);
	arena_fini(&arena);
}

/* false: the end. */
static bool feed(struct imap_response_reader *r, struct str input, size_t *start,
	struct seen *seen)
{
	for (;;) {
		struct str part;
		size_t used;
		enum imap_response_event is =
			imap_response_next(r, str_skip(input, *start), &part, &used);

		if (is == IMAP_RESPONSE_NEED_MORE)
			return true;
		note(seen, is, part);
		if (is == IMAP_RESPONSE_COMPLETE || is == IMAP_RESPONSE_LITERAL)
			read_values(part);
		if (is == IMAP_RESPONSE_TOO_LONG || is == IMAP_RESPONSE_BAD)
			return false;
		*start += used;
	}
}

static struct seen run(struct str input, size_t step)
{
	struct imap_response_reader r;
	struct seen seen = { 0 };
	size_t start = 0, end = 0;

	imap_response_init(&r);
	do
		end = input.len - end > step ? end + step : input.len;
	while (feed(&r, str_take(input, end), &start, &seen) && end < input.len);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size);

	if (run(input, SIZE_MAX).hash != run(input, 1).hash)
		abort();
	return 0;
}
