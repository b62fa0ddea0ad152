/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tables.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void tables_die(const char *charset, const char *why)
{
	(void)fprintf(stderr, "tables of charsets: %s: %s\n", charset, why);
	exit(EXIT_FAILURE);
}

iconv_t tables_open(const char *charset, const char *wide)
{
	const uint16_t one = 1;
	iconv_t converter;
	char name[16];

	(void)snprintf(
		name, sizeof(name), "%s%s", wide, *(const char *)&one ? "LE" : "BE");
	converter = iconv_open(name, charset);
	if (converter == (iconv_t)-1)
		tables_die(charset, "iconv does not have it here");
	return converter;
}
