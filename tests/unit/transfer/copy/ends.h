/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_COPY_ENDS_H
#define TEST_COPY_ENDS_H
/* The destinations that the copy is tested with: each row of a test runs into all. */
#include "transfer/write/memory_destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum end_kind { END_MEMORY, END_STORE, END_COUNT };

struct end {
	enum end_kind kind;
	struct destination to;
	struct memory_destination *memory; /* END_MEMORY, else NULL */
	char folder[64];                   /* END_STORE */
};

void end_open(struct end *e, enum end_kind kind);
void end_close(struct end *e); /* and removes what it left */
/* What a crash leaves, checked by the destination's own means. */
void end_crash(struct end *e);
/* Before fork() and after it. */
void end_let_go(struct end *e);
void end_take_again(struct end *e);

/* Prints the sentence, so that a failure says what was said. */
#define OK(call) end_ok((call), &err, #call, __FILE__, __LINE__)
void end_ok(int code, struct error *err, const char *call, const char *file, int line);

#endif
