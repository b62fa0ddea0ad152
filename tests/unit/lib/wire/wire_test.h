/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_WIRE_TEST_H
#define WIRE_WIRE_TEST_H
/* What all tests of lib/wire share: cmocka in its order, and input that lies at the very
   end of its own allocation, so that a sanitizer sees one byte too many. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

static inline struct str exact_copy(struct str s)
{
	char *copy = malloc(s.len ? s.len : 1);

	assert_non_null(copy);
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return str_of(copy, s.len);
}

static inline void exact_free(struct str s)
{
	free((void *)(uintptr_t)s.ptr); /* the cast that -Wcast-qual lets pass */
}

#define SAME(row, got, want)                                                             \
	do {                                                                             \
		struct str got_ = (got), want_ = (want);                                 \
		if (!str_eq(got_, want_))                                                \
			fail_msg("%s: \"%.*s\", expected \"%.*s\"", (row),               \
				STR_ARG(got_), STR_ARG(want_));                          \
	} while (0)

#endif
