/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/spelling.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX 32

static unsigned least3(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

unsigned spelling_distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > WORD_MAX || len_b > WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= len_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= len_b; j++) {
			unsigned above = row[j];

			row[j] = least3(above + 1, row[j - 1] + 1,
				diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[len_b];
}
