/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_COPY_USUAL_H
#define TEST_COPY_USUAL_H
/* What the copy is tested with: a source in memory with a bit of everything, what may
   happen to it, and whether a destination is equal to it. */
#include "transfer/copy/ends.h"
#include "transfer/read/memory_source.h"

struct memory_source *usual_source(void); /* free() it */
/* More messages than a batch. */
void usual_hundreds(struct memory_source *m);

struct change_row {
	const char *name;
	void (*change)(struct memory_source *m);
};
extern const struct change_row change_rows[];
extern const size_t n_change_rows;

void check_equal(struct end *end, struct memory_source *m);

#endif
