/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client that sends compressed blocks without a byte in them, faster than they are
   read, does not keep its process busy. */
#include "net/stream.h"
#include "net/stream_deflate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BOUND_S 60 /* what it bounds takes a millisecond */

static const char empty[] = { 0, 0, 0, (char)0xff, (char)0xff }; /* a stored block */
static const char word[] = { 0, 2, 0, (char)0xfd, (char)0xff, 'o', 'k' };

struct source {
	struct stream stream;
	size_t at;
	unsigned empties; /* reads with nothing but empty blocks, then the word */
};

static ssize_t source_read(struct stream *s, void *space, size_t size)
{
	struct source *source = (struct source *)s;
	char *bytes = space;

	if (!source->empties--) {
		memcpy(bytes, word, sizeof(word));
		return sizeof(word);
	}
	size -= size % sizeof(empty);
	for (size_t i = 0; i < size; i++)
		bytes[i] = empty[i % sizeof(empty)];
	return (ssize_t)size;
}

static void source_free(struct stream *s)
{
	free(s);
}

static const struct stream_ops source_ops = {
	.kind = "source", .read = source_read, .free = source_free
};

static struct stream *open_over(unsigned empties)
{
	struct source *source = calloc(1, sizeof(*source));
	struct stream *s;

	assert_non_null(source);
	source->empties = empties;
	assert_int_equal(stream_init(&source->stream, &source_ops, NULL, -1), 0);
	assert_int_equal(stream_deflate_new(&source->stream, STR_LIT(""), &s), 0);
	return s;
}

static void a_flood_of_nothing_ends_the_call(void **state)
{
	struct stream *s = open_over(UINT32_MAX);
	char space[100];

	(void)state;
	(void)alarm(BOUND_S);
	for (int i = 0; i < 3; i++)
		assert_int_equal(stream_read(s, space, sizeof(space)), -EAGAIN);
	(void)alarm(0);
	stream_free(s);
}

static void what_follows_is_read(void **state)
{
	struct stream *s = open_over(40);
	char space[100];
	ssize_t n = -EAGAIN;

	(void)state;
	for (int i = 0; i < 10 && n == -EAGAIN; i++)
		n = stream_read(s, space, sizeof(space));
	assert_int_equal(n, 2);
	assert_memory_equal(space, "ok", 2);
	stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_nothing_ends_the_call),
		cmocka_unit_test(what_follows_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
