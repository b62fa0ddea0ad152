/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/script_server.h"

#include "support/odd_stream.h"

#undef NDEBUG /* what is asserted here is part of the tests */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_ENOUGH 65536

/* One connection of it. */
struct voice {
	const struct script *script;
	FILE *out;
	size_t said;
	int fd;
	bool is_at_line, is_due; /* a line is to be put in */
	bool is_over;
};

static void say_byte(struct voice *v, char byte)
{
	const struct script *s = v->script;
	bool is_now = ++v->said == s->fault_at;

	if (v->is_over)
		return;
	if (is_now && s->fault == SCRIPT_CUT) {
		(void)fflush(v->out);
		(void)shutdown(v->fd, SHUT_RDWR);
		v->is_over = true;
		return;
	}
	v->is_due = v->is_due || (is_now && s->fault == SCRIPT_LINE);
	if (v->is_due && v->is_at_line) {
		(void)fputs(s->with, v->out);
		v->is_due = false;
	}
	v->is_at_line = byte == '\n';
	if (is_now && (s->fault == SCRIPT_REPLACED || s->fault == SCRIPT_INSERTED))
		(void)fputs(s->with, v->out);
	if (is_now && s->fault == SCRIPT_DOUBLED)
		(void)fputc(byte, v->out);
	if (!is_now || (s->fault != SCRIPT_REPLACED && s->fault != SCRIPT_DROPPED))
		(void)fputc(byte, v->out);
}

static void say_text(struct voice *v, const char *text)
{
	while (*text)
		say_byte(v, *text++);
}

static void say(struct voice *v, const char *answer, const char *tag)
{
	const char *body = v->script->body ? v->script->body : "#";

	for (; *answer; answer++)
		if (*answer == '@')
			say_text(v, tag);
		else if (*answer == '#')
			say_text(v, body);
		else
			say_byte(v, *answer);
	(void)fflush(v->out);
}

static bool is_forbidden(const struct script *s, const char *command)
{
	for (const char *const *word = s->forbidden; word && *word; word++)
		if (strncasecmp(command, *word, strlen(*word)) == 0)
			return true;
	return false;
}

static const char *answer_to(const struct script *s, const char *command)
{
	for (const struct script_row *row = s->rows; row->command; row++)
		if (strncasecmp(command, row->command, strlen(row->command)) == 0)
			return row->answer;
	return s->has_tags ? "@ BAD unknown\r\n" : "-ERR unknown\r\n";
}

static void converse(struct script *s, struct voice *v, FILE *in)
{
	char line[LINE_ENOUGH];

	say(v, s->greeting, "*");
	while (!v->is_over && fgets(line, sizeof(line), in)) {
		char *command = s->has_tags ? strchr(line, ' ') : line;

		if (!command)
			continue; /* what a literal or a challenge brought */
		if (s->has_tags)
			*command++ = '\0';
		if (is_forbidden(s, command))
			atomic_store(&s->was_forbidden, true);
		say(v, answer_to(s, command), line);
	}
}

struct call {
	struct script *script;
	int fd;
};

static void *serve(void *context)
{
	struct call *call = context;
	FILE *in = fdopen(call->fd, "r"), *out = fdopen(dup(call->fd), "w");
	struct voice v = {
		.script = call->script, .out = out, .fd = call->fd, .is_at_line = true
	};

	assert(in && out);
	converse(call->script, &v, in);
	(void)fclose(out);
	(void)fclose(in);
	free(call);
	return NULL;
}

static int dial(void *context, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret)
{
	struct script *s = context;
	struct call *call = malloc(sizeof(*call));
	int pair[2];

	(void)to;
	(void)patience_ms;
	assert(call && s->connections < SCRIPT_CONNECTIONS_MAX);
	(void)signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*call = (struct call){ s, pair[1] };
	if (pthread_create(&s->threads[s->connections], NULL, serve, call) != 0)
		abort();
	s->connections++;
	return s->stream == SCRIPT_PLAIN
	               ? stream_plain_new(NULL, pair[0], ret)
	               : odd_stream_new(NULL, pair[0], (enum oddity)s->stream, ret);
}

struct source_dialer script_dialer(struct script *s)
{
	return (struct source_dialer){ .dial = dial, .context = s };
}

struct imap_source_options script_imap(struct script *s)
{
	static const struct sockaddr_storage nowhere;

	return (struct imap_source_options){ .addresses = &nowhere,
		.n_addresses = 1,
		.login = STR_LIT("alice"),
		.password = STR_LIT("secret"),
		.connections = 1,
		.dialer = script_dialer(s) };
}

bool script_end(struct script *s)
{
	while (s->connections)
		(void)pthread_join(s->threads[--s->connections], NULL);
	return !atomic_load(&s->was_forbidden);
}
