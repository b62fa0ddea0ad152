/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Run by the build: writes what each byte above ASCII means in charsets of one byte a
   character (charset.c). one_byte_tables FILE CHARSET... */
#include "base/hash.h"
#include "tables.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t sum = HASH_FIRST;

/* 0: no character. */
static unsigned meaning(iconv_t converter, const char *charset, unsigned char byte)
{
	char in = (char)byte, *from = &in;
	uint16_t out[4] = { 0 };
	char *to = (char *)out;
	size_t left = 1, room = sizeof(out);

	(void)iconv(converter, NULL, NULL, NULL, NULL);
	if (iconv(converter, &from, &left, &to, &room) == (size_t)-1) {
		if (errno != EILSEQ)
			tables_die(charset, "it has characters of several bytes");
		return 0;
	}
	if (room != sizeof(out) - sizeof(out[0]))
		tables_die(charset, "a byte of it is not one character");
	return out[0];
}

static void write_table(FILE *file, const char *charset)
{
	iconv_t converter = tables_open(charset, "UTF-16");

	(void)fputs("static const uint16_t ", file);
	for (const char *c = charset; *c; c++)
		(void)fputc(*c == '-' ? '_' : *c, file);
	(void)fputs("[128] = {\n", file);
	for (unsigned byte = 0; byte < 256; byte++) {
		unsigned is = meaning(converter, charset, (unsigned char)byte);

		if (byte < 128 && is != byte)
			tables_die(charset, "its first half is not ASCII");
		if (byte < 128)
			continue;
		sum = hash_mix(sum, is);
		(void)fprintf(file, "0x%04x,%s", is, byte % 8 == 7 ? "\n" : " ");
	}
	(void)fputs("};\n", file);
	(void)iconv_close(converter);
}

int main(int argc, char **argv)
{
	FILE *file = argc > 2 ? fopen(argv[1], "w") : NULL;

	if (!file)
		tables_die(argc > 1 ? argv[1] : "usage",
			strerror(argc > 2 ? errno : EINVAL));
	for (int i = 2; i < argc; i++)
		write_table(file, argv[i]);
	(void)fprintf(
		file, "#define ONE_BYTE_SUM UINT64_C(%#llx)\n", (unsigned long long)sum);
	if (fclose(file) != 0)
		tables_die(argv[1], strerror(errno));
	return EXIT_SUCCESS;
}
