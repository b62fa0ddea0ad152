/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client of the store and POP3 benches: does so little that the server is measured.
 * Standard input is a connection that is logged in. Prints seconds and bytes.
 *
 *   mail_reader retrieve COUNT    RETR 1 to COUNT, each after the answer to the last one
 *   mail_reader command TEXT      one IMAP command, until its tagged answer
 */
#include "bench_net.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SPACE (128 * 1024) /* stays in the processor's cache */
#define TAIL 512                /* the longest tagged answer that is looked for */
#define LISTING_END "\r\n.\r\n"
#define TAGGED_END "\nM OK"

/* The newest bytes lie behind those that were kept of the last read. */
static char space[TAIL + READ_SPACE];
static size_t kept;

static void say(const char *text)
{
	if (write(STDIN_FILENO, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

/* Reads on; the newest bytes, TAIL of them at the most. */
static const char *read_on(uint64_t *total, size_t *ret_len)
{
	ssize_t n = read(STDIN_FILENO, space + kept, READ_SPACE);
	size_t have, len;

	if (n <= 0)
		die("the session ended");
	*total += (uint64_t)n;
	have = kept + (size_t)n;
	len = have < TAIL ? have : TAIL;
	memmove(space, space + have - len, len);
	kept = len;
	*ret_len = len;
	return space;
}

static uint64_t until_listing_ends(void)
{
	const size_t end = strlen(LISTING_END);
	uint64_t total = 0;
	const char *tail;
	size_t len;

	kept = 0;
	do {
		tail = read_on(&total, &len);
		if (total == len && tail[0] != '+')
			die("not +OK");
	} while (len < end || memcmp(tail + len - end, LISTING_END, end) != 0);
	return total;
}

static uint64_t retrieve(unsigned long count)
{
	uint64_t total = 0;

	for (unsigned long i = 1; i <= count; i++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "RETR %lu\r\n", i);
		say(line);
		total += until_listing_ends();
	}
	return total;
}

static uint64_t command(const char *text)
{
	char line[256];
	uint64_t total = 0;
	const char *tail;
	size_t len;

	(void)snprintf(line, sizeof(line), "M %s\r\n", text);
	say(line);
	do
		tail = read_on(&total, &len);
	while (tail[len - 1] != '\n' ||
		!memmem(tail, len, TAGGED_END, strlen(TAGGED_END)));
	return total;
}

int main(int argc, char **argv)
{
	uint64_t begin = now_us(), total;

	if (argc == 3 && strcmp(argv[1], "retrieve") == 0) {
		total = retrieve(strtoul(argv[2], NULL, 10));
	} else if (argc == 3 && strcmp(argv[1], "command") == 0) {
		total = command(argv[2]);
	} else {
		(void)fprintf(
			stderr, "usage: mail_reader retrieve COUNT | command TEXT\n");
		return 2;
	}
	(void)printf("%.6f %" PRIu64 "\n", (double)(now_us() - begin) / 1e6, total);
	return 0;
}
