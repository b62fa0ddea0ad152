/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The physical limit of the store and POP3 benches: has all answers in memory and sends
 * the one that a command's number names (the first if there is none).
 * Standard input is the connection.
 *
 *   mail_answers FILE            each answer behind its length (uint64_t)
 *   mail_answers FILE windows    maps 16 MiB of it at a time, as our store does
 */
#include "bench_net.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SPACE 512
#define WINDOW ((uint64_t)16 << 20)

struct answer {
	const char *bytes;
	uint64_t at, len; /* in the file */
};

static struct answer *answers;
static size_t count;
static int file;

static void load(const char *path)
{
	struct stat st;
	const char *first, *at, *end;

	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0)
		die(path);
	at = mmap(
		NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
	first = at;
	if (at == MAP_FAILED)
		die("mmap");
	end = at + st.st_size;
	while (at < end) {
		struct answer *more = realloc(answers, (count + 1) * sizeof(*more));
		uint64_t len;

		if (!more)
			die("out of memory");
		answers = more;
		memcpy(&len, at, sizeof(len));
		answers[count++] = (struct answer){ .bytes = at + sizeof(len),
			.at = (uint64_t)(at - first) + sizeof(len),
			.len = len };
		at += sizeof(len) + len;
	}
}

static void send_all(struct answer a)
{
	while (a.len) {
		ssize_t n = write(STDIN_FILENO, a.bytes, a.len);

		if (n <= 0)
			die("write");
		a.bytes += n;
		a.len -= (uint64_t)n;
	}
}

/* As if it were mapped nowhere yet. */
static void send_through_windows(struct answer a)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	while (a.len) {
		uint64_t from = a.at & ~(page - 1), before = a.at - from;
		uint64_t part = a.len < WINDOW - before ? a.len : WINDOW - before;
		char *window = mmap(
			NULL, before + part, PROT_READ, MAP_SHARED, file, (off_t)from);

		if (window == MAP_FAILED)
			die("mmap");
		send_all((struct answer){ .bytes = window + before, .len = part });
		(void)munmap(window, before + part);
		a.at += part;
		a.len -= part;
	}
}

int main(int argc, char **argv)
{
	char line[LINE_SPACE + 1];
	ssize_t n;

	if (argc != 2 && (argc != 3 || strcmp(argv[2], "windows") != 0)) {
		(void)fprintf(stderr, "usage: mail_answers FILE [windows]\n");
		return 2;
	}
	load(argv[1]);
	while ((n = read(STDIN_FILENO, line, LINE_SPACE)) > 0) {
		unsigned long number;

		line[n] = '\0';
		number = strncmp(line, "RETR ", 5) == 0 ? strtoul(line + 5, NULL, 10) : 1;
		if (number < 1 || number > count)
			die("no such answer");
		if (argc == 3)
			send_through_windows(answers[number - 1]);
		else
			send_all(answers[number - 1]);
	}
	return 0;
}
