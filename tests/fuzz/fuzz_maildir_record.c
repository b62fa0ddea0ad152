/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the writer of a Maildir is told: records that are taken are written the same way,
   and no name among them leads out of its folder. */
#include "fuzz.h"

#include "transfer/maildir/record.h"

#include <stdlib.h>
#include <string.h>

static void check_file(struct str name)
{
	if (!name.len)
		return;
	if (memchr(name.ptr, '\0', name.len) || name.len > MAILDIR_NAME_MAX ||
		memchr(name.ptr + 4, '/', name.len - 4) || name.ptr[4] == '.')
		abort();
}

static void check_folder(struct str name)
{
	if (!name.len || name.ptr[0] != '.' || memchr(name.ptr, '/', name.len) ||
		memchr(name.ptr, '\0', name.len) || str_eq(name, STR_LIT("..")))
		abort();
}

static void check_names(const struct maildir_record *r)
{
	if (r->kind == RECORD_FOLDER || r->kind == RECORD_DROP ||
		r->kind == RECORD_IS_FOLDER) {
		check_folder(r->name);
		return;
	}
	check_file(r->name);
	check_file(r->other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_of(data, size), before = bytes;
	struct maildir_record r;
	struct buf out;

	buf_init(&out, 0);
	while (maildir_record_read(&bytes, &r) == MAILDIR_OK) {
		struct str taken = str_take(before, before.len - bytes.len);

		check_names(&r);
		buf_clear(&out);
		/* of a code other bits may have been given */
		if (maildir_record_put(&out, &r) < 0 || buf_len(&out) != taken.len ||
			(r.kind != RECORD_FAILED && !str_eq(buf_view(&out), taken)))
			abort();
		before = bytes;
	}
	buf_fini(&out);
	return 0;
}
