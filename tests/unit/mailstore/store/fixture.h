/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H
/* A store in a folder of its own that goes away with the test. */
#include "mailstore/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include <cmocka.h>

struct fixture {
	char folder[64];
	struct store *store;
	struct arena arena;
};

/* Prints the sentence, so that a failure says what the store said. */
#define OK(call) assert_ok((call), &err, #call, __FILE__, __LINE__)
#define FAILS(code, call)                                                                \
	do {                                                                             \
		assert_int_equal((call), code);                                          \
		assert_true(err.text[0] != '\0');                                        \
		err = (struct error){ 0 };                                               \
	} while (0)

void assert_ok(int code, struct error *err, const char *call, const char *file, int line);
void assert_str(struct str is, const char *expected);

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_reopen(struct fixture *f);
/* A command of the shell in which $d is the folder. */
void fixture_shell(const struct fixture *f, const char *command);

/* Makes the index what an older program left; opens it again, which upgrades it. */
void fixture_downgrade(struct fixture *f, unsigned version);

/* -1: no such file. */
off_t fixture_size(const struct fixture *f, const char *name);
/* Bytes that tell where they belong; from malloc. */
char *pattern(size_t len, unsigned seed);

int64_t add_mailbox(struct store *s, const char *name);
struct mailbox get_mailbox(struct fixture *f, const char *name);
/* In a transaction; a body through a writer, or inline. UID 0: the next. */
uint32_t add_packed(struct store *s, int64_t mailbox, uint32_t uid, struct str body);
uint32_t add_inline(struct store *s, int64_t mailbox, uint32_t uid, struct str body);
void assert_body(struct store *s, int64_t mailbox, uint32_t uid, struct str expected);

#endif
