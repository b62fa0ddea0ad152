/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/script_server.h"

#include "support/odd_stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_ENOUGH 65536

static void say(const struct script *s, FILE *out, const char *answer, const char *tag)
{
	for (; *answer; answer++)
		if (*answer == '@')
			(void)fputs(tag, out);
		else if (*answer == '#')
			(void)fputs(s->body ? s->body : "#", out);
		else
			(void)fputc(*answer, out);
	(void)fflush(out);
}

static const char *answer_to(const struct script *s, const char *command)
{
	for (const struct script_row *row = s->rows; row->command; row++)
		if (strncasecmp(command, row->command, strlen(row->command)) == 0)
			return row->answer;
	return s->has_tags ? "@ BAD unknown\r\n" : "-ERR unknown\r\n";
}

static void serve(const struct script *s, int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	static char line[LINE_ENOUGH];

	if (!in || !out)
		_exit(1);
	say(s, out, s->greeting, "*");
	while (fgets(line, sizeof(line), in)) {
		char *command = s->has_tags ? strchr(line, ' ') : line;

		if (!command)
			continue; /* what a literal or a challenge brought */
		if (s->has_tags)
			*command++ = '\0';
		say(s, out, answer_to(s, command), line);
	}
	_exit(0);
}

static int dial(void *context, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret)
{
	struct script *s = context;
	int pair[2];
	pid_t pid;

	(void)to;
	(void)patience_ms;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	assert(pid >= 0);
	if (pid == 0) {
		(void)close(pair[0]);
		serve(s, pair[1]);
	}
	(void)close(pair[1]);
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	s->connections++;
	return s->stream == SCRIPT_PLAIN
	               ? stream_plain_new(NULL, pair[0], ret)
	               : odd_stream_new(NULL, pair[0], (enum oddity)s->stream, ret);
}

struct source_dialer script_dialer(struct script *s)
{
	return (struct source_dialer){ .dial = dial, .context = s };
}

void script_end(struct script *s)
{
	for (; s->connections; s->connections--)
		assert(wait(NULL) > 0);
}
