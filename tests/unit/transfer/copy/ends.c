/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/copy/ends.h"

#include "mailstore/store/store.h"
#include "support/scratch.h"
#include "transfer/write/store_destination.h"

#include <stdio.h>
#include <stdlib.h>

void end_ok(int code, struct error *err, const char *call, const char *file, int line)
{
	if (code)
		print_error("%s: %d: %s\n", call, code, err->text);
	_assert_int_equal((LargestIntegralType)code, 0, file, line);
}

void end_open(struct end *e, enum end_kind kind)
{
	*e = (struct end){ .kind = kind };
	if (kind == END_MEMORY) {
		e->memory = memory_destination_new(&e->to);
		return;
	}
	(void)snprintf(e->folder, sizeof(e->folder), "%s/mailferry-copy-XXXXXX",
		scratch_folder());
	assert_non_null(mkdtemp(e->folder));
	end_take_again(e);
}

void end_close(struct end *e)
{
	char command[80];

	end_let_go(e);
	if (e->memory)
		e->to.ops->free(e->to.self);
	else if (snprintf(command, sizeof(command), "rm -rf %s", e->folder) > 0)
		assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

void end_let_go(struct end *e)
{
	if (!e->memory)
		e->to.ops->free(e->to.self);
}

void end_take_again(struct end *e)
{
	struct error err = { 0 };

	if (!e->memory)
		OK(store_destination_open(e->folder, STR_LIT("test"), 0, &e->to, &err));
}

void end_crash(struct end *e)
{
	struct error err = { 0 };
	struct store *store;

	if (e->memory) {
		e->to.ops->rollback(e->to.self);
		return;
	}
	end_let_go(e);
	OK(store_open(e->folder, false, &store, &err));
	OK(store_verify(store, &err));
	store_close(store);
	end_take_again(e);
}
