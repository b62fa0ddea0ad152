/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Run by the build: writes what this system's iconv reads in charsets whose characters
   have several bytes (lib/wire/mime/multibyte.c). multibyte_tables FILE */
#include "base/hash.h"
#include "tables.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RARE_FIRST 0xd800u /* no character is there */
#define RARE_MAX 0x800u
#define COMPOSITIONS_MAX 1024
#define FOUR_BYTES (126u * 10 * 126 * 10)

/* Pairs of bytes: each lead byte that has any has a row. The first bytes of JIS X 0212
   stand behind a prefix. */
static const struct {
	const char *name, *charset;
	const char *prefix;
	unsigned first, last; /* second bytes */
} shapes[] = {
	{ "GB18030", "GB18030", "", 0x40, 0xfe },
	{ "BIG5", "BIG5", "", 0x40, 0xfe },
	{ "BIG5_HKSCS", "BIG5-HKSCS", "", 0x40, 0xfe },
	{ "CP932", "CP932", "", 0x40, 0xfc },
	{ "CP949", "CP949", "", 0x41, 0xfe },
	{ "EUC_KR", "EUC-KR", "", 0xa1, 0xfe },
	{ "EUC_JP", "EUC-JP", "", 0xa1, 0xfe },
	{ "JIS_X_0212", "EUC-JP", "\x8f", 0xa1, 0xfe },
};

/* A table has 16 bits for a character. What is beyond, or is two: an index into this. */
static uint32_t rare[RARE_MAX][2];
static unsigned rares;

static uint64_t sum = HASH_FIRST;

/* How many characters these bytes are; 0: they are not whole ones. */
static size_t read_as(
	iconv_t converter, const void *bytes, size_t len, uint32_t chars[static 8])
{
	char in[8], *from = in, *to = (char *)chars;
	size_t left = len, room = 8 * sizeof(chars[0]);

	memcpy(in, bytes, len);
	memset(chars, 0, room);
	(void)iconv(converter, NULL, NULL, NULL, NULL);
	if (iconv(converter, &from, &left, &to, &room) == (size_t)-1 ||
		iconv(converter, NULL, NULL, &to, &room) == (size_t)-1)
		return 0;
	return 8 - room / sizeof(chars[0]);
}

static unsigned short_value(const char *charset, const uint32_t chars[static 8], size_t n)
{
	if (n > 2 || (n == 1 && chars[0] - RARE_FIRST < RARE_MAX))
		tables_die(charset, "a pair of bytes is no character that can be kept");
	if (n == 0 || (n == 1 && chars[0] < 0x10000))
		return n ? chars[0] : 0;
	for (unsigned i = 0; i < rares; i++)
		if (memcmp(rare[i], chars, sizeof(rare[i])) == 0)
			return RARE_FIRST + i;
	if (rares == RARE_MAX)
		tables_die(charset, "too many characters are beyond the first plane");
	memcpy(rare[rares], chars, sizeof(rare[rares]));
	return RARE_FIRST + rares++;
}

static void put(FILE *file, unsigned long value)
{
	static unsigned column;

	sum = hash_mix(sum, value);
	(void)fprintf(file, "%#lx,%s", value, ++column % 12 ? "" : "\n");
}

static void put_begin(FILE *file, const char *type, const char *name, const char *what)
{
	(void)fprintf(file, "\nstatic const %s %s_%s[] = {\n", type, name, what);
}

static void put_end(FILE *file)
{
	(void)fputs("\n};\n", file);
}

/* What a byte above ASCII is alone; all below must be ASCII. */
static void put_one(
	FILE *file, iconv_t converter, const char *name, unsigned one[static 256])
{
	uint32_t chars[8];

	put_begin(file, "uint16_t", name, "one");
	for (unsigned byte = 0; byte < 256; byte++) {
		unsigned char in = (unsigned char)byte;
		size_t n = read_as(converter, &in, 1, chars);

		if (byte < 128 && (n != 1 || chars[0] != byte))
			tables_die(name, "its first half is not ASCII");
		one[byte] = short_value(name, chars, n);
		if (byte >= 128)
			put(file, one[byte]);
	}
	put_end(file);
}

struct row {
	unsigned pairs[256]; /* by second byte */
	bool has_any;
};

static void read_row(size_t shape, iconv_t converter, unsigned lead, struct row *row)
{
	size_t prefix = strlen(shapes[shape].prefix);
	uint32_t chars[8];
	char in[4];

	*row = (struct row){ .has_any = false };
	for (unsigned trail = 0; trail < 256; trail++) {
		memcpy(in, shapes[shape].prefix, prefix + 1);
		in[prefix] = (char)lead;
		in[prefix + 1] = (char)trail;
		row->pairs[trail] = short_value(shapes[shape].name, chars,
			read_as(converter, in, prefix + 2, chars));
		if (!row->pairs[trail])
			continue;
		row->has_any = true;
		if (trail < shapes[shape].first || trail > shapes[shape].last)
			tables_die(
				shapes[shape].name, "a second byte is out of its range");
	}
}

static void put_pairs(FILE *file, size_t shape)
{
	static struct row rows[256];
	iconv_t converter = tables_open(shapes[shape].charset, "UTF-32");
	const char *name = shapes[shape].name;
	unsigned one[256], n = 0;

	put_one(file, converter, name, one);
	put_begin(file, "uint8_t", name, "row");
	for (unsigned lead = 128; lead < 256; lead++) {
		rows[lead] = (struct row){ .has_any = false };
		if (!one[lead] || shapes[shape].prefix[0])
			read_row(shape, converter, lead, &rows[lead]);
		put(file, rows[lead].has_any ? ++n : 0);
	}
	put_end(file);
	put_begin(file, "uint16_t", name, "two");
	for (unsigned lead = 128; lead < 256; lead++)
		for (unsigned trail = shapes[shape].first;
			rows[lead].has_any && trail <= shapes[shape].last; trail++)
			put(file, rows[lead].pairs[trail]);
	put_end(file);
	(void)fprintf(file,
		"static const struct pairs %s = { %s_one, %s_row, %s_two, %u, %u };\n",
		name, name, name, name, shapes[shape].first, shapes[shape].last);
	(void)iconv_close(converter);
}

/* GB18030 counts the rest of Unicode through in four bytes: where a run of it begins. */
static void put_runs(FILE *file)
{
	iconv_t converter = tables_open("GB18030", "UTF-32");
	uint32_t chars[8], expected = 1;

	(void)fputs("\nstatic const struct run GB18030_runs[] = {\n", file);
	for (unsigned i = 0; i < FOUR_BYTES; i++) {
		const unsigned char in[] = { (unsigned char)(0x81 + i / 12600),
			(unsigned char)(0x30 + i / 1260 % 10),
			(unsigned char)(0x81 + i / 10 % 126),
			(unsigned char)(0x30 + i % 10) };
		uint32_t is = read_as(converter, in, 4, chars) == 1 ? chars[0] : 0;

		if (is != expected) {
			(void)fputs("{ ", file);
			put(file, i);
			put(file, is);
			(void)fputs("}, ", file);
		}
		expected = is ? is + 1 : 0;
	}
	put_end(file);
	(void)iconv_close(converter);
}

struct composition {
	uint32_t pair; /* a letter << 16 | the mark behind it */
	uint32_t is;
};

static struct composition compositions[COMPOSITIONS_MAX];
static size_t n_compositions;

static int by_pair(const void *a, const void *b)
{
	uint32_t one = ((const struct composition *)a)->pair,
		 other = ((const struct composition *)b)->pair;

	return (one > other) - (one < other);
}

/* Marks that make one character with what stands before them; and again of that. */
static void find_compositions(iconv_t converter, const unsigned one[static 256],
	unsigned char in[static 3], size_t len, uint32_t before)
{
	uint32_t chars[8];

	for (unsigned mark = 128; mark < 256; mark++) {
		in[len] = (unsigned char)mark;
		if (!one[mark] || read_as(converter, in, len + 1, chars) != 1)
			continue;
		if (n_compositions == COMPOSITIONS_MAX || before > 0xffff)
			tables_die("compositions", "too many");
		compositions[n_compositions++] =
			(struct composition){ before << 16 | one[mark], chars[0] };
		if (len < 2)
			find_compositions(converter, one, in, len + 1, chars[0]);
	}
}

static void put_composing(FILE *file, const char *name)
{
	iconv_t converter = tables_open(name, "UTF-32");
	unsigned one[256];
	unsigned char in[3];

	put_one(file, converter, name, one);
	n_compositions = 0;
	for (unsigned byte = 1; byte < 256; byte++) {
		in[0] = (unsigned char)byte;
		if (one[byte])
			find_compositions(converter, one, in, 1, one[byte]);
	}
	qsort(compositions, n_compositions, sizeof(compositions[0]), by_pair);
	(void)fprintf(file, "static const struct composition %s_composed[] = {\n", name);
	for (size_t i = 0; i < n_compositions; i++) {
		(void)fputs("{ ", file);
		put(file, compositions[i].pair);
		put(file, compositions[i].is);
		(void)fputs("}, ", file);
	}
	put_end(file);
	(void)fprintf(
		file, "static const struct pairs %s = { .one = %s_one };\n", name, name);
	(void)iconv_close(converter);
}

static void put_rare(FILE *file)
{
	(void)fputs("\nstatic const uint32_t rare[][2] = {\n", file);
	for (unsigned i = 0; i < rares; i++) {
		(void)fputs("{ ", file);
		put(file, rare[i][0]);
		put(file, rare[i][1]);
		(void)fputs("}, ", file);
	}
	put_end(file);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;

	if (!file)
		tables_die(argc > 1 ? argv[1] : "usage",
			strerror(argc == 2 ? errno : EINVAL));
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		put_pairs(file, i);
	put_runs(file);
	put_composing(file, "CP1255");
	put_composing(file, "CP1258");
	put_rare(file);
	(void)fprintf(
		file, "#define TABLES_SUM UINT64_C(%#llx)\n", (unsigned long long)sum);
	if (fclose(file) != 0)
		tables_die(argv[1], strerror(errno));
	return EXIT_SUCCESS;
}
