/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of the text index: any bytes are taken apart or refused, and what is taken apart
   and written again says the same of each trigram. */
#include "fuzz.h"
#include "mailstore/store/gram_lists.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gram_pair pair;
	struct str row = str_of(data, size);
	uint16_t map[GRAM_MESSAGES];
	struct gram_bits bits;
	struct buf again;

	for (unsigned i = 0; i < GRAM_MESSAGES; i++)
		map[i] = (uint16_t)i;
	gram_pair_clear(&pair);
	(void)gram_row_find(row, size ? data[0] : 0, &bits);
	if (gram_pair_read(&pair, row, map) < 0)
		return 0;
	buf_init(&again, 0);
	if (gram_pair_write(&pair, &again) < 0)
		abort();
	for (unsigned i = 0; i < 256; i++)
		if (gram_row_find(buf_view(&again), (uint8_t)i, &bits) < 0 ||
			memcmp(&bits, &pair.of[i], sizeof(bits)) != 0)
			abort();
	for (unsigned i = 0; i < GRAM_MESSAGES; i++)
		map[i] = GRAM_DROPPED;
	gram_pair_clear(&pair);
	if (gram_pair_read(&pair, buf_view(&again), map) < 0)
		abort();
	buf_clear(&again);
	if (gram_pair_write(&pair, &again) < 0 || buf_len(&again))
		abort();
	buf_fini(&again);
	return 0;
}
