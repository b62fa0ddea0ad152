/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands are cut at the same places whether the bytes come at once or one by one. The
   first byte chooses the step. */
#include "fuzz.h"

#include "wire/imap/frame.h"

#include <stdlib.h>

#define LINE_MAX_HERE 64
#define EVENTS_MAX 4096

struct event {
	enum imap_frame is;
	size_t offset;
	uint64_t size;
};

static bool ask(struct imap_framer *f, struct str input, size_t *start,
	struct event *events, size_t *count)
{
	while (*count < EVENTS_MAX) {
		struct imap_literal l = { 0 };
		enum imap_frame is = imap_frame_next(f, str_skip(input, *start), &l);

		if (is == IMAP_FRAME_NEED_MORE)
			return true;
		events[(*count)++] = (struct event){ is, *start + l.offset, l.size };
		if (is == IMAP_FRAME_TOO_LONG || is == IMAP_FRAME_BAD)
			return false;
		if (is == IMAP_FRAME_LITERAL) {
			imap_frame_keep(f);
			continue;
		}
		*start += l.offset;
		imap_frame_reset(f);
	}
	return false;
}

static size_t run(struct str input, size_t step, struct event *events)
{
	struct imap_framer f;
	size_t start = 0, known = 0, count = 0;

	imap_frame_init(&f, LINE_MAX_HERE);
	do {
		known = input.len - known > step ? known + step : input.len;
	} while (ask(&f, str_take(input, known), &start, events, &count) &&
		 known < input.len);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event whole[EVENTS_MAX], split[EVENTS_MAX];
	struct str input;
	size_t n;

	if (size < 1)
		return 0;
	input = str_of(data + 1, size - 1);
	n = run(input, input.len + 1, whole);
	if (run(input, (size_t)data[0] + 1, split) != n)
		abort();
	for (size_t i = 0; i < n; i++)
		if (whole[i].is != split[i].is || whole[i].offset != split[i].offset ||
			(whole[i].is == IMAP_FRAME_LITERAL &&
				whole[i].size != split[i].size))
			abort();
	return 0;
}
