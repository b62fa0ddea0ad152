/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Run by the build: writes what each byte above ASCII means in charsets of one byte a
   character (charset.c). one_byte_tables FILE CHARSET... */
#include "base/hash.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void die(const char *charset, const char *why)
{
	(void)fprintf(stderr, "one_byte_tables: %s: %s\n", charset, why);
	exit(EXIT_FAILURE);
}

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
			die(charset, "it has characters of several bytes");
		return 0;
	}
	if (room != sizeof(out) - sizeof(out[0]))
		die(charset, "a byte of it is not one character");
	return out[0];
}

static void write_table(FILE *file, const char *charset)
{
	const uint16_t one = 1;
	iconv_t converter =
		iconv_open(*(const char *)&one ? "UTF-16LE" : "UTF-16BE", charset);

	if (converter == (iconv_t)-1)
		die(charset, "iconv does not have it here");
	(void)fputs("static const uint16_t ", file);
	for (const char *c = charset; *c; c++)
		(void)fputc(*c == '-' ? '_' : *c, file);
	(void)fputs("[128] = {\n", file);
	for (unsigned byte = 0; byte < 256; byte++) {
		unsigned is = meaning(converter, charset, (unsigned char)byte);

		if (byte < 128 && is != byte)
			die(charset, "its first half is not ASCII");
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
		die(argc > 1 ? argv[1] : "usage", strerror(argc > 2 ? errno : EINVAL));
	for (int i = 2; i < argc; i++)
		write_table(file, argv[i]);
	(void)fprintf(
		file, "#define ONE_BYTE_SUM UINT64_C(%#llx)\n", (unsigned long long)sum);
	if (fclose(file) != 0)
		die(argv[1], strerror(errno));
	return EXIT_SUCCESS;
}
