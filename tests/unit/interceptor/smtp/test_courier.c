/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A message on its way to another server: scripts of what both say, over every odd stream
   and cut at every byte. */
#include "interceptor/smtp/courier.h"

#include "interceptor/session/host.h"
#include "support/odd_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ROWS(array) (sizeof(array) / sizeof((array)[0]))
#define CALLS_MAX 3000
#define RECIPIENTS_MAX 3
#define LATER SMTP_OUTGOING_LATER

enum { ASKS = 1, LMTP = 2, AT_ONCE = 4, WHOLE = 8 /* not cut */ };

/* S: the server says; s: it has heard; else something that happens: "commit", "drop",
   "ends", "breaks", "late", or what must be so: "0 text" (that recipient's answer, "-":
   none yet), "held", "not held", "closed". */
static const struct row {
	const char *name;
	int how;
	const char *params, *text;
	const char *to[RECIPIENTS_MAX + 1];
	const char *lines[40];
} rows[] = {
	{ "asked, and taken", ASKS, "BODY=8BITMIME", "", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250-x\r\n250-8BITMIME\r\n250 SIZE 1000",
			"s MAIL FROM:<f@y> SIZE=77 BODY=8BITMIME", "S 250 ok",
			"s RCPT TO:<a@x>", "0 -", "S 250 ok", "s QUIT", "0 ",
			"closed" } },
	{ "asked, and refused for good", ASKS, "", "", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 550-5.1.1 no\r\n550 5.1.1 nobody\tthere",
			"s QUIT", "0 550 5.1.1 nobody?there", "closed" } },
	{ "asked, and refused for now", ASKS, "", "", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 452 4.2.2 full", "s QUIT",
			"0 452 4.2.2 full" } },
	{ "its sender is refused", ASKS, "", "", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>",
			"S 552 5.3.4 too large", "s QUIT", "0 552 5.3.4 too large" } },
	{ "it wants a login of us", ASKS, "", "", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>",
			"S 530 5.7.0 log in", "s QUIT", "0 " LATER } },
	{ "it does not want us", ASKS, "", "", { "a@x" },
		{ "S 554 5.7.1 go away", "s QUIT", "0 " LATER } },
	{ "it goes while it is asked", ASKS, "", "", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 421 4.3.2 later", "s QUIT", "0 " LATER } },
	{ "it knows no EHLO", ASKS, "", "", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 502 what", "s HELO us", "S 250 x",
			"s MAIL FROM:<f@y>" } },
	{ "lost before it greets", 0, "", "m\r\n", { "a@x" },
		{ "ends", "0 " LATER, "closed" } },
	{ "lost in between", 0, "", "m\r\n", { "a@x" },
		{ "S 220 hi", "s EHLO us", "breaks", "0 " LATER, "closed" } },
	{ "no answer in time", 0, "", "m\r\n", { "a@x" },
		{ "S 220 hi", "s EHLO us", "late", "0 " LATER, "closed" } },
	{ "it speaks unasked", WHOLE, "", "m\r\n", { "a@x" },
		{ "S 220 hi\r\n250 ok", "s QUIT", "0 " LATER } },
	{ "no SMTP at all", 0, "", "m\r\n", { "a@x" },
		{ "S * OK IMAP", "s QUIT", "0 " LATER } },
	{ "taken", 0, "", "m\r\n.\r\n", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250-8BITMIME\r\n250 SIZE",
			"s MAIL FROM:<f@y> SIZE=12", "S 250 ok", "s RCPT TO:<a@x>",
			"S 250 ok", "not held", "s DATA", "S 354 go", "s H: h", "s m",
			"s ..", "held", "0 -", "commit", "s .", "0 -", "S 250 ok",
			"s QUIT", "0 ", "closed" } },
	{ "refused behind the dot", 0, "", "m\r\n", { "a@x", "b@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 250 ok", "s RCPT TO:<b@x>", "S 250 ok",
			"s DATA", "S 354 go", "s H: h", "s m", "held", "commit", "s .",
			"S 451 4.3.0 busy", "s QUIT", "0 451 4.3.0 busy",
			"1 451 4.3.0 busy" } },
	{ "lost while it is held", 0, "", "m\r\n", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 250 ok", "s DATA", "S 354 go", "s H: h",
			"s m", "held", "S 421 4.4.2 too slow", "s QUIT", "0 " LATER } },
	{ "lost behind the dot", 0, "", "m\r\n", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 250 ok", "s DATA", "S 354 go", "s H: h",
			"s m", "held", "commit", "s .", "ends", "0 " LATER } },
	{ "dropped while it is held: no dot", 0, "", "m\r\n", { "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 250 ok", "s DATA", "S 354 go", "s H: h",
			"s m", "held", "drop", "closed" } },
	{ "a dot that others take for the end", 0, "", "m\n.\nRCPT TO:<c@x>\r\n",
		{ "a@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 250 ok", "s DATA", "S 354 go", "0 " LATER,
			"closed" } },
	{ "one of two, at once", AT_ONCE, "", "m\r\n", { "a@x", "b@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 550 no", "s RCPT TO:<b@x>", "0 550 no",
			"S 250 ok", "s DATA", "S 354 go", "s H: h", "s m", "s .",
			"not held", "S 250 ok", "s QUIT", "1 " } },
	{ "none of two", AT_ONCE, "", "m\r\n", { "a@x", "b@x" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 550 no", "s RCPT TO:<b@x>", "S 450 wait",
			"s QUIT", "0 550 no", "1 450 wait" } },
	{ "LMTP answers for each", LMTP, "", "m", { "a@x", "b@x", "c@x" },
		{ "S 220 hi", "s LHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 250 ok", "s RCPT TO:<b@x>", "S 550 no",
			"s RCPT TO:<c@x>", "S 250 ok", "s DATA", "S 354 go", "s H: h",
			"1 550 no", "held", "commit", "s m", "s .",
			"S 250 ok\r\n452 4.2.2 full", "s QUIT", "0 ",
			"2 452 4.2.2 full" } },
	{ "LMTP has no HELO", LMTP, "", "m", { "a@x" },
		{ "S 220 hi", "s LHLO us", "S 500 what", "s QUIT", "0 " LATER } },
	{ "an address that would end the line", 0, "", "m", { "a@x", "b\r\nDATA" },
		{ "S 220 hi", "s EHLO us", "S 250 x", "s MAIL FROM:<f@y>", "S 250 ok",
			"s RCPT TO:<a@x>", "S 250 ok", "s QUIT", "0 " LATER,
			"1 " LATER } },
};

struct bed {
	struct host host; /* first */
	const struct row *row;
	enum oddity oddity;
	size_t split;
	const char *line;
	uint64_t now;
	struct stream *server; /* NULL: closed */
	struct buf heard;
	struct courier *courier;
	bool is_held;
	char answers[RECIPIENTS_MAX][SMTP_OUTGOING_REPLY_MAX];
};

#define FAIL(b, ...)                                                                     \
	do {                                                                             \
		print_error("%s (%s, split %zu), line \"%s\": ", (b)->row->name,         \
			odd_name((b)->oddity), (b)->split, (b)->line);                   \
		fail_msg(__VA_ARGS__);                                                   \
	} while (0)

static uint64_t host_now(const struct host *h)
{
	return ((const struct bed *)h)->now;
}

static int host_connect(struct host *h, struct stream **ret)
{
	struct bed *b = (struct bed *)h;

	*ret = odd_memory_new(b->oddity);
	odd_attach(*ret, &b->server, &b->heard);
	return 0;
}

static const struct host_ops host_ops = {
	.now = host_now,
	.connect_destination = host_connect,
};

static void answered(void *owner, size_t nth, struct str refusal)
{
	struct bed *b = owner;

	if (strcmp(b->answers[nth], "-") != 0)
		FAIL(b, "answered twice");
	(void)snprintf(
		b->answers[nth], sizeof(b->answers[nth]), "%.*s", STR_ARG(refusal));
}

static void held(void *owner)
{
	((struct bed *)owner)->is_held = true;
}

static void call(struct bed *b)
{
	for (int i = 0; b->server && odd_call(b->server); i++)
		if (i > CALLS_MAX)
			FAIL(b, "it spins");
}

static void server_says(struct bed *b, const char *words)
{
	char text[512];
	struct str bytes;

	(void)snprintf(text, sizeof(text), "%s\r\n", words);
	bytes = str_from(text);
	if (!b->server)
		FAIL(b, "it is closed");
	if (b->split && b->split < bytes.len) {
		odd_say_bytes(b->server, str_take(bytes, b->split));
		call(b);
		bytes = str_skip(bytes, b->split);
	}
	if (b->server)
		odd_say_bytes(b->server, bytes);
}

static void server_hears(struct bed *b, const char *wanted)
{
	struct str got = buf_view(&b->heard);
	bool is_quit = strcmp(wanted, "QUIT") == 0;
	size_t end = str_index(got, '\n');

	if (is_quit && b->oddity != ODD_NONE) { /* it is not waited for */
		buf_clear(&b->heard);
		return;
	}
	if (end == got.len || !str_eq(str_trim(str_take(got, end)), str_from(wanted)))
		FAIL(b, "it has heard \"%.*s\"", STR_ARG(got));
	buf_consume(&b->heard, end + 1);
}

static void happens(struct bed *b, const char *line)
{
	if (strcmp(line, "commit") == 0)
		courier_commit(b->courier);
	else if (strcmp(line, "ends") == 0)
		odd_end(b->server);
	else if (strcmp(line, "breaks") == 0)
		odd_break(b->server, -ECONNRESET);
	else if (strcmp(line, "late") == 0)
		b->now += 3600000;
	else if (strcmp(line, "held") == 0 || strcmp(line, "not held") == 0)
		assert_int_equal(b->is_held, line[0] == 'h');
	else if (strcmp(line, "closed") == 0)
		assert_null(b->server);
	else
		FAIL(b, "what is that?");
	courier_tick(&b->host);
}

static void play(struct bed *b, const char *line)
{
	b->line = line;
	if (strcmp(line, "drop") == 0) {
		courier_free(b->courier);
		b->courier = NULL;
		return;
	}
	if (line[1] != ' ')
		happens(b, line);
	else if (line[0] == 'S')
		server_says(b, line + 2);
	else if (line[0] == 's')
		server_hears(b, line + 2);
	else if (strcmp(b->answers[line[0] - '0'], line + 2) != 0)
		FAIL(b, "it is \"%s\"", b->answers[line[0] - '0']);
	call(b);
}

static int file_of(const char *text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static void run(const struct row *row, enum oddity oddity, size_t split)
{
	static const struct courier_ops ops = { answered, held };
	struct smtp_outgoing_recipient to[RECIPIENTS_MAX] = { 0 };
	struct bed b = { .row = row, .oddity = oddity, .split = split, .line = "begin" };
	struct courier_mail mail = {
		.mail = { .is_lmtp = row->how & LMTP,
			.asks = row->how & ASKS,
			.helo = STR("us"),
			.sender = STR("f@y"),
			.params = str_from(row->params),
			.size = row->how & ASKS ? 77 : 0,
			.recipients = to },
		.session_id = "1-1",
		.header = STR("H: h\r\n"),
		.file = row->how & ASKS ? -1 : file_of(row->text),
		.at_once = row->how & AT_ONCE,
	};

	for (; row->to[mail.mail.n]; mail.mail.n++) {
		to[mail.mail.n].address = str_from(row->to[mail.mail.n]);
		(void)strcpy(b.answers[mail.mail.n], "-");
	}
	b.host.ops = &host_ops;
	buf_init(&b.heard, 0);
	b.courier = courier_send(&b.host, &mail, &ops, &b);
	assert_non_null(b.courier);
	if (mail.file >= 0)
		(void)close(mail.file);
	call(&b);
	for (size_t i = 0; row->lines[i]; i++)
		play(&b, row->lines[i]);
	if (row->how & ASKS && strcmp(row->name, "it knows no EHLO") != 0)
		assert_null(b.server);
	courier_free(b.courier);
	assert_null(b.server);
	assert_true(LIST_EMPTY(&b.host.couriers));
	if (buf_len(&b.heard) && !strstr(row->name, "dot that"))
		FAIL(&b, "not expected: \"%.*s\"", STR_ARG(buf_view(&b.heard)));
	buf_fini(&b.heard);
}

static void test_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		for (int oddity = 0; oddity < (rows[i].how & WHOLE ? 1 : ODD_COUNT);
			oddity++)
			run(&rows[i], (enum oddity)oddity, 0);
		for (size_t split = 1; split < 48 && !(rows[i].how & WHOLE); split++)
			run(&rows[i], ODD_NONE, split);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
