/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/store/digest.h"

#define PART 4096

void body_digest_begin(struct body_digest *d)
{
	d->ends = 0;
	(void)crypto_generichash_init(&d->state, NULL, 0, BODY_DIGEST_SIZE);
}

static void put(struct body_digest *d, const unsigned char *bytes, size_t n)
{
	(void)crypto_generichash_update(&d->state, bytes, n);
}

static void put_ends(struct body_digest *d)
{
	static const unsigned char end = '\n';

	for (; d->ends; d->ends--)
		put(d, &end, 1);
}

void body_digest_add(struct body_digest *d, struct str bytes)
{
	unsigned char part[PART];
	size_t n = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];

		if (c == '\r')
			continue;
		if (c == '\n') {
			put(d, part, n);
			n = 0;
			d->ends++;
			continue;
		}
		put_ends(d);
		part[n++] = c ? c : 0x80;
		if (n == PART) {
			put(d, part, n);
			n = 0;
		}
	}
	put(d, part, n);
}

void body_digest_end(struct body_digest *d, unsigned char ret[static BODY_DIGEST_SIZE])
{
	(void)crypto_generichash_final(&d->state, ret, BODY_DIGEST_SIZE);
}
