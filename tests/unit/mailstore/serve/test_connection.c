/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions in the event loop over streams that behave badly: what the client hears is
 * the same over all of them. Large bodies come from a pack file (mapped, where the
 * stream can), and a session in IDLE is told what another one does.
 */
#include "mailstore/serve/connection_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY_SIZE 150000 /* more than one write takes, and than a copy may have */

static void append_large(struct bench *b, size_t i)
{
	char head[64];

	(void)snprintf(head, sizeof(head), "b APPEND INBOX {%d+}\r\n", BODY_SIZE);
	bench_say(b, i, head);
	for (int n = 0; n < BODY_SIZE / 10; n++) {
		char line[16];

		(void)snprintf(line, sizeof(line), "%08d\r\n", n);
		bench_say(b, i, line);
	}
	bench_say(b, i, "\r\n");
}

/* From the second time on a large body is sent from its file without being read. Little
   of it: some of the streams take a byte at a time. */
static void fetch_again(struct bench *b, size_t i)
{
	bench_say(b, i,
		"g FETCH 5 (BODY.PEEK[]<100000.20000> UID BODY.PEEK[]<149990.20000>"
		" BODY.PEEK[]<150000.20000>)\r\n");
	bench_hear(b, i, "(BODY[]<100000> {20000}\r\n00010000\r\n");
	bench_hear(b, i,
		"00011999\r\n UID 20 BODY[]<149990> {10}\r\n00014999\r\n"
		" BODY[]<150000> \"\")");
}

static void dialogue(struct bench *b, enum oddity oddity)
{
	bench_connect(b, 0, oddity);
	bench_hear(b, 0, "first OK");
	bench_say(b, 0, "a SELECT INBOX\r\n");
	append_large(b, 0);
	bench_hear(b, 0, "b OK");
	/* several answers in the pipe, of which one is large */
	bench_say(b, 0, "c FETCH 1:* (UID BODY.PEEK[])\r\nd NOOP\r\n");
	bench_hear(b, 0, "d OK");
	fetch_again(b, 0);
	bench_say(b, 0, "e IDLE\r\n");
	bench_hear(b, 0, "\r\n+ ");

	bench_connect(b, 1, oddity);
	bench_say(b, 1, "a SELECT INBOX\r\nb STORE 2 +FLAGS.SILENT (\\Answered)\r\n");
	bench_hear(b, 1, "b OK");
	bench_hear(b, 0, "* 2 FETCH"); /* it was told, though its client said nothing */
	bench_say(b, 0, "DONE\r\nf LOGOUT\r\n");
	bench_hear(b, 0, "f OK");
	for (unsigned n = 0; !b->clients[0].ended && n < TURNS_MAX; n++)
		bench_turn(b);
	assert_true(b->clients[0].ended);
	assert_int_equal(b->ended, 1);
	assert_int_equal(b->bytes_out, buf_len(&b->clients[0].heard));
	close(b->clients[1].fd); /* without a word */
	b->clients[1].fd = 0;
	for (unsigned n = 0; b->ended < 2 && n < TURNS_MAX; n++)
		bench_turn(b);
	assert_string_equal(b->reason, "client closed");
	assert_int_equal(connections_count(&b->all), 0);
}

static void test_same_over_all(void **state)
{
	struct buf expected;

	(void)state;
	buf_init(&expected, 0);
	for (int oddity = 0; oddity < ODD_COUNT; oddity++) {
		static struct bench b;
		struct str heard;

		bench_open(&b);
		dialogue(&b, (enum oddity)oddity);
		heard = buf_view(&b.clients[0].heard);
		if (oddity == ODD_NONE)
			assert_int_equal(buf_append(&expected, heard), 0);
		else if (!str_eq(heard, buf_view(&expected)))
			fail_msg("%s: not the same", odd_name((enum oddity)oddity));
		assert_true(heard.len > BODY_SIZE);
		bench_close(&b);
	}
	buf_fini(&expected);
}

/* COMPRESS: the same words both ways, also the large ones, and IDLE still wakes. */
static void dialogue_compressed(struct bench *b, enum oddity oddity)
{
	struct client *c = &b->clients[0];

	bench_connect(b, 0, oddity);
	bench_say(b, 0, "a COMPRESS DEFLATE\r\n");
	bench_hear(b, 0, "a OK DEFLATE active.\r\n");
	bench_begin_deflate(c);
	bench_say(b, 0, "a2 COMPRESS DEFLATE\r\n");
	bench_hear(b, 0, "a2 NO [COMPRESSIONACTIVE]");
	bench_say(b, 0, "a SELECT INBOX\r\n");
	append_large(b, 0);
	bench_hear(b, 0, "b OK");
	buf_clear(&c->heard);
	bench_say(b, 0, "c FETCH 5 BODY.PEEK[]\r\nd NOOP\r\n");
	bench_hear(b, 0, "00014999\r\n)");
	bench_hear(b, 0, "d OK");
	assert_true(buf_len(&c->heard) > BODY_SIZE);
	bench_say(b, 0, "e IDLE\r\n");
	bench_hear(b, 0, "+ idling");
	bench_connect(b, 1, oddity);
	bench_say(b, 1, "a SELECT INBOX\r\nb STORE 2 +FLAGS.SILENT (\\Answered)\r\n");
	bench_hear(b, 0, "* 2 FETCH");
	bench_say(b, 0, "DONE\r\nf LOGOUT\r\n");
	bench_hear(b, 0, "f OK");
	for (unsigned n = 0; !c->ended && n < TURNS_MAX; n++)
		bench_turn(b);
	assert_true(c->ended);
	bench_end_deflate(c);
}

static void test_compressed(void **state)
{
	(void)state;
	for (int oddity = 0; oddity < ODD_COUNT; oddity++) {
		static struct bench b;

		bench_open(&b);
		dialogue_compressed(&b, (enum oddity)oddity);
		bench_close(&b);
	}
}

static void test_no_deflate(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b);
	bench_connect(&b, 0, ODD_NONE);
	bench_say(&b, 0, "a COMPRESS DEFLATE\r\n");
	bench_hear(&b, 0, "a OK DEFLATE active.\r\n");
	bench_say(&b, 0, "a2 this is no deflate\r\n");
	for (unsigned n = 0; !b.ended && n < TURNS_MAX; n++)
		bench_turn(&b);
	assert_string_equal(b.reason, strerror(EPROTO));
	bench_close(&b);
}

/* Silence in IDLE is broken by the server again and again; elsewhere it is not. */
static void test_keepalive(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b);
	b.all.keepalive_ms = 10;
	bench_connect(&b, 0, ODD_NONE);
	bench_connect(&b, 1, ODD_NONE);
	bench_hear(&b, 1, "first OK");
	bench_say(&b, 0, "a IDLE\r\n");
	for (int i = 0; i < 3; i++) {
		bench_hear(&b, 0, "* OK Still here\r\n");
		buf_clear(&b.clients[0].heard);
	}
	bench_say(&b, 0, "DONE\r\n");
	bench_hear(&b, 0, "a OK");
	bench_say(&b, 1, "b NOOP\r\n");
	bench_hear(&b, 1, "b OK");
	assert_null(memmem(buf_view(&b.clients[1].heard).ptr,
		buf_len(&b.clients[1].heard), "Still", 5));
	bench_close(&b);
}

/* A client that does not read: nobody else waits, its body is not gathered in memory,
   and at the end it is told good-bye as far as it takes it. */
static void test_slow_client(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b);
	bench_connect(&b, 0, ODD_NONE);
	bench_say(&b, 0, "a SELECT INBOX\r\n");
	append_large(&b, 0);
	bench_hear(&b, 0, "b OK");
	for (int i = 0; i < 20; i++)
		bench_say(&b, 0, "c FETCH 5 BODY.PEEK[]\r\n");
	for (int i = 0; i < 50; i++) {
		(void)buf_write(&b.clients[0].to_say, b.clients[0].fd);
		loop_turn(&b.loop);
	}
	assert_int_equal(connections_count(&b.all), 1);
	bench_connect(&b, 1, ODD_NONE);
	bench_hear(&b, 1, "first OK");
	connections_bye(&b.all, "enough");
	bench_hear(&b, 1, "* BYE");
	bench_close(&b);
}

/* The large body goes from where its file is mapped. */
static void test_plain(void **state)
{
	static struct bench b;

	(void)state;
	bench_open(&b);
	bench_connect_plain(&b, 0);
	bench_say(&b, 0, "a SELECT INBOX\r\n");
	append_large(&b, 0);
	bench_say(&b, 0, "c FETCH 5 BODY.PEEK[]\r\nd LOGOUT\r\n");
	bench_hear(&b, 0, "00014999\r\n)");
	bench_hear(&b, 0, "d OK");
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same_over_all),
		cmocka_unit_test(test_compressed), cmocka_unit_test(test_no_deflate),
		cmocka_unit_test(test_keepalive), cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_plain) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
