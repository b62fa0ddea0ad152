/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines as they come out of stderr. */
#include "base/log.h"

#include "base/clock.h"
#include "base/fd.h"

#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_MAX 8192

/* stderr goes into a pipe between the two; what was written is in text. */
struct capture {
	int stderr_copy, pipe[2];
	char text[TEXT_MAX];
};

static void begin(struct capture *c)
{
	assert_int_equal(pipe2(c->pipe, O_CLOEXEC), 0);
	c->stderr_copy = dup(STDERR_FILENO);
	assert_true(dup2(c->pipe[1], STDERR_FILENO) >= 0);
}

static void end(struct capture *c)
{
	ssize_t n;

	assert_true(dup2(c->stderr_copy, STDERR_FILENO) >= 0);
	fd_closep(&c->stderr_copy);
	fd_closep(&c->pipe[1]);
	n = read(c->pipe[0], c->text, sizeof(c->text) - 1);
	fd_closep(&c->pipe[0]);
	assert_true(n >= 0);
	c->text[n] = '\0';
}

static void expect(const char *text, const char *pattern)
{
	regex_t r;

	assert_int_equal(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&r, text, 0, NULL, 0) != 0)
		fail_msg("\"%s\" is not like \"%s\"", text, pattern);
	regfree(&r);
}

static void test_lines(void **state)
{
	struct capture c;

	(void)state;
	log_init("prog", LOG_LEVEL_INFO);
	begin(&c);
	log_info("5f2c01", "login", "account=%s n=%d", "alice", 3);
	log_error(NULL, "oops", "error=\"%s\"", "a\r\nb\x1b[2J\x7f");
	log_debug(NULL, "hidden", "x=%d", 1);
	end(&c);
	expect(c.text,
		"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z prog "
		"info 5f2c01 login account=alice n=3\n"
		"[^ \n]+ prog error - oops error=\"a\\?\\?b\\?\\[2J\\?\"\n$");
}

static void test_levels(void **state)
{
	struct capture c;

	(void)state;
	log_init("prog", LOG_LEVEL_ERROR);
	begin(&c);
	log_warning(NULL, "no", "x=%d", 1);
	log_error(NULL, "yes", "x=%d", 1);
	end(&c);
	expect(c.text, "^[^ \n]+ prog error - yes x=1\n$");
	(void)setenv("MAILFERRY_LOG", "debug", 1);
	assert_int_equal(log_level_from_environment(LOG_LEVEL_INFO), LOG_LEVEL_DEBUG);
	(void)setenv("MAILFERRY_LOG", "loud", 1);
	assert_int_equal(log_level_from_environment(LOG_LEVEL_INFO), LOG_LEVEL_INFO);
	(void)unsetenv("MAILFERRY_LOG");
	assert_int_equal(log_level_from_environment(LOG_LEVEL_INFO), LOG_LEVEL_INFO);
}

static uint64_t be_strange(void)
{
	uint64_t began = clock_monotonic_ms();

	for (int i = 0; i < LOG_STRANGERS_MOST + 50; i++)
		log_stranger("s", "end", "n=%d", i);
	return clock_monotonic_ms() - began;
}

/* As often as a stranger likes: so many a second, and how many are missing. */
static void test_strangers(void **state)
{
	struct capture c;
	const char *at;
	int n = 0;

	(void)state;
	log_init("prog", LOG_LEVEL_INFO);
	begin(&c);
	while (be_strange() >=
		LOG_STRANGERS_MS) { /* one second, on a slow machine, too */
		end(&c);
		(void)usleep((LOG_STRANGERS_MS + 50) * 1000);
		begin(&c);
	}
	/* what is no stranger's goes out all the same */
	log_info(NULL, "mine", "x=%d", 1);
	end(&c);
	for (at = c.text; (at = strstr(at, " end n=")) != NULL; at++)
		n++;
	assert_int_equal(n, LOG_STRANGERS_MOST);
	assert_non_null(strstr(c.text, " mine x=1"));
	begin(&c);
	(void)usleep((LOG_STRANGERS_MS + 50) * 1000);
	log_stranger("s", "end", "n=%d", 1000);
	end(&c);
	expect(c.text,
		"^[^ ]+ prog warning - log lines_left_out=50: [^\n]*\n[^\n]* end n=1000\n$");
}

/* A long one is cut, and is one line all the same. */
static void test_long_line(void **state)
{
	char longer[5000];
	struct capture c;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_init("prog", LOG_LEVEL_INFO);
	begin(&c);
	log_info(NULL, "long", "%s", longer);
	log_info(NULL, longer, "x=%d", 1);
	end(&c);
	expect(c.text, "^[^\n]+ - long x+\n[^\n]+ - x+\n$");
	assert_true(strlen(c.text) <= 2 * 2048);
}

/* Gathered lines come out in their order, each whole, and none waits behind an error. */
static void test_gather(void **state)
{
	struct capture c;
	const char *at;
	int flags, n = 0;

	(void)state;
	log_init("prog", LOG_LEVEL_INFO);
	log_gather();
	begin(&c);
	log_info(NULL, "one", "x=%d", 1);
	flags = fcntl(c.pipe[0], F_GETFL);
	assert_int_equal(fcntl(c.pipe[0], F_SETFL, flags | O_NONBLOCK), 0);
	assert_int_equal(read(c.pipe[0], c.text, sizeof(c.text)), -1);
	log_warning(NULL, "two", "x=%d", 2);
	log_info(NULL, "three", "x=%d", 3);
	log_flush();
	log_flush();
	for (int i = 0; i < 100; i++)
		log_info(NULL, "many", "n=%d", i);
	log_flush();
	end(&c);
	expect(c.text, "^[^\n]+ one x=1\n[^\n]+ two x=2\n[^\n]+ three x=3\n[^\n]+ many");
	for (at = c.text; (at = strstr(at, " many n=")); at++)
		assert_int_equal(atoi(at + strlen(" many n=")), n++);
	assert_int_equal(n, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines),
		cmocka_unit_test(test_levels), cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_long_line), cmocka_unit_test(test_gather) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
