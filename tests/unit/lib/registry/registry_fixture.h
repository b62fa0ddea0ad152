/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_REGISTRY_FIXTURE_H
#define TEST_REGISTRY_FIXTURE_H
/* A registry in a directory of its own, for each test. */
#include "base/buf.h"
#include "registry/passwords.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NO_ERROR(call)                                                                   \
	do {                                                                             \
		int code_ = (call);                                                      \
		if (code_ != 0)                                                          \
			fail_msg("%s: %d %s", #call, code_, t->err.text);                \
	} while (0)
#define ROWS(array) (sizeof(array) / sizeof((array)[0]))

struct test {
	char directory[64], path[96];
	struct registry *r;
	struct arena arena;
	struct error err;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* n of example.com, example.net, in this order. */
void set_domains(struct test *t, size_t n);
/* A proven IMAP login; password NULL: none. Whether the account became due. */
bool log_in(struct test *t, const char *login, const char *password, const char *why,
	struct account_route *ret);
/* The same, and the account is idle again. */
int64_t capture(struct test *t, const char *login, const char *password);
/* The password to try first is proven, with that verifier. */
void prove(struct test *t, int64_t id, const char *verifier);
/* Closes passwords so that a test can read them: "alice has secret". */
extern const struct password_keeper open_keeper;
/* The one to try first, in the test's arena. -ENODATA: none is sealed. */
int first_password(struct test *t, int64_t id, struct str *ret, int64_t *ret_which);
/* All that there are, a line each, in the test's arena; "none". */
struct str verifiers_of(struct test *t, int64_t id);
/* Whether it is one of those that are sealed; proven: of the proven ones. */
bool knows_password(struct test *t, int64_t id, struct str password, bool proven);
/* From idle to local. */
void arrive(struct test *t, int64_t id);

#endif
