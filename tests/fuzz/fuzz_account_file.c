/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of accounts, and the file of a master user: lines come in order, views lie in the
   text, what is taken has a user and, unless it is a list of users, a password. The first
   byte chooses what the file is. */
#include "fuzz.h"

#include "control/accounts/account_file.h"
#include "control/accounts/master_file.h"

#include <stdlib.h>
#include <string.h>

struct walk {
	enum account_file kind;
	const char *text;
	size_t len, line;
};

static void check_view(const struct walk *w, struct str s)
{
	if (s.len && (s.ptr < w->text || s.len > w->len ||
			     (size_t)(s.ptr - w->text) > w->len - s.len))
		abort();
}

static int check(void *context, const struct account_line *line)
{
	struct walk *w = context;

	if (line->number <= w->line)
		abort();
	w->line = line->number;
	check_view(w, line->name);
	check_view(w, line->password);
	if (line->wrong)
		return 0;
	if (!line->name.len || memchr(line->name.ptr, '\n', line->name.len))
		abort();
	if ((w->kind == ACCOUNT_FILE_USERS) != !line->password.len)
		abort();
	return 0;
}

static void check_master(const char *data, size_t size)
{
	struct master_file f = { .text = malloc(size ? size : 1), .len = size };
	struct error err = { 0 };

	if (!f.text)
		abort();
	memcpy(f.text, data, size);
	if (master_file_parse(&f, "m", "*", &err) < 0 ? !err.text[0]
						      : !f.login.len || !f.password.len)
		abort();
	master_file_fini(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *from = (const char *)data + 1;
	struct walk w = { .kind = ACCOUNT_FILE_PASSWORDS };
	char *text;

	if (!size)
		return 0;
	w.len = size - 1;
	if (data[0] == 'm') {
		check_master(from, w.len);
		return 0;
	}
	if (data[0] == 'u')
		w.kind = ACCOUNT_FILE_USERS;
	text = malloc(w.len ? w.len : 1);
	if (!text)
		abort();
	memcpy(text, from, w.len);
	w.text = text;
	(void)account_file_each(w.kind, text, w.len, check, &w);
	free(text);
	return 0;
}
