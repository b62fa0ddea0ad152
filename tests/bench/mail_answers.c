/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The physical limit of the store and POP3 benches: has all answers in memory and sends
 * the one that a command's number names (the first if there is none).
 * Standard input is the connection.
 *
 *   mail_answers FILE    each answer behind its length (uint64_t)
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

struct answer {
	const char *bytes;
	uint64_t len;
};

static struct answer *answers;
static size_t count;

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const char *at, *end;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(path);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
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
		answers[count++] =
			(struct answer){ .bytes = at + sizeof(len), .len = len };
		at += sizeof(len) + len;
	}
	close(fd);
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

int main(int argc, char **argv)
{
	char line[LINE_SPACE + 1];
	ssize_t n;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: mail_answers FILE\n");
		return 2;
	}
	load(argv[1]);
	while ((n = read(STDIN_FILENO, line, LINE_SPACE)) > 0) {
		unsigned long number;

		line[n] = '\0';
		number = strncmp(line, "RETR ", 5) == 0 ? strtoul(line + 5, NULL, 10) : 1;
		if (number < 1 || number > count)
			die("no such answer");
		send_all(answers[number - 1]);
	}
	return 0;
}
