/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_VAULT_FIXTURE_H
#define UNIT_VAULT_FIXTURE_H
/* A vault in a folder of its own, and what workers, transfers and thieves do with its
   registry. */
#include "vault/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct test {
	char directory[64];
	struct settings settings;
	struct vault v;
	struct arena arena;
	struct error err;
};

#define NO_ERROR(call)                                                                   \
	do {                                                                             \
		int code_ = (call);                                                      \
		if (code_ != 0)                                                          \
			fail_msg("%s: %d %s", #call, code_, t->err.text);                \
	} while (0)

int setup(void **state);
int teardown(void **state);
void reopen(struct test *t);
int close_box(void *context, struct str account, struct str password, struct buf *out);
int64_t capture(struct test *t, const char *login, const char *password);
void arrive(struct test *t, int64_t id);
void prove(struct test *t, int64_t id);
int64_t move(struct test *t, const char *login, const char *password);
void write_row(struct test *t, const char *set, int64_t id);
struct judgement asked(struct test *t, int64_t id, const char *password);
void expect(struct test *t, int64_t id, const char *password, enum verdict verdict);

#endif
