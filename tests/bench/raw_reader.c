/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads a whole account over IMAP as fast as the source gives it, and keeps nothing: the
 * physical limit of the transfer bench. Prints one JSON object.
 *
 *   raw_reader ADDRESS PORT USER PASSWORD FOLDER...
 *
 * One connection, everything sent at once: LOGIN, then EXAMINE and one FETCH a folder.
 */
#include "bench_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SPACE (1024 * 1024)
#define LAST_TAG "zz OK"

static void ask(int fd, int count, char **folders)
{
	(void)dprintf(fd, "a LOGIN \"%s\" \"%s\"\r\n", folders[-2], folders[-1]);
	for (int i = 0; i < count; i++)
		(void)dprintf(fd,
			"b EXAMINE \"%s\"\r\n"
			"c UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE "
			"BODY.PEEK[])\r\n",
			folders[i]);
	(void)dprintf(fd, "zz LOGOUT\r\n");
}

int main(int argc, char **argv)
{
	static char space[READ_SPACE + 1];
	uint64_t begin, took, total = 0;
	bool complete = false;
	ssize_t n;
	int fd;

	if (argc < 6) {
		(void)fprintf(stderr,
			"usage: raw_reader ADDRESS PORT USER PASSWORD FOLDER...\n");
		return 2;
	}
	begin = now_us();
	fd = connect_to(argv[1], argv[2]);
	ask(fd, argc - 5, argv + 5);
	while ((n = read(fd, space, READ_SPACE)) > 0) {
		size_t tail = (size_t)n < 200 ? (size_t)n : 200;

		total += (uint64_t)n;
		complete = memmem(
			space + (size_t)n - tail, tail, LAST_TAG, strlen(LAST_TAG));
	}
	took = now_us() - begin;
	if (!complete) {
		(void)fprintf(stderr, "the session ended early: %.*s\n", 200, space);
		return 1;
	}
	(void)printf("{\"bytes\": %llu, \"seconds\": %.3f, \"mb_per_s\": %.1f}\n",
		(unsigned long long)total, (double)took / 1e6,
		(double)total / (double)took);
	return 0;
}
