/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dovecot's lists, and names in a Maildir: a list that proves UIDs has each of them, and
   each file, once; names of mailboxes have no empty part and no NUL. */
#include "fuzz.h"

#include "transfer/read/maildir_lists.h"

#include <stdlib.h>

static void check_uidlist(struct str text)
{
	struct error err = { 0 };
	struct maildir_uidlist l;
	int r = maildir_uidlist_read(text, &l, &err);

	if (r < 0 && (!err.text[0] || l.count))
		abort();
	for (size_t i = 0; i < l.count; i++) {
		const struct maildir_uid *u = &l.at[i];

		if (!u->uid || !u->base.len || (l.uidnext && u->uid >= l.uidnext))
			abort();
		if (maildir_uidlist_find(&l, u->base) != u)
			abort();
		if (i && str_cmp(l.at[i - 1].base, u->base) >= 0)
			abort();
	}
	maildir_uidlist_fini(&l);
}

static void check_name(struct str name, char separator)
{
	bool at_start = true;

	for (size_t i = 0; i < name.len; i++) {
		if (!name.ptr[i] || (at_start && name.ptr[i] == separator))
			abort();
		at_start = name.ptr[i] == separator;
	}
	if (at_start)
		abort();
}

static int check_subscription(void *context, struct str name)
{
	check_name(name, *(const char *)context);
	return 0;
}

static void check_names(struct str text, char separator)
{
	struct error err = { 0 };
	struct maildir_name file;
	struct buf name;

	buf_init(&name, 0);
	if (maildir_folder_name(text, separator, &name, &err) == 0)
		check_name(buf_view(&name), separator);
	buf_fini(&name);
	(void)maildir_subscriptions_read(
		text, separator, check_subscription, &separator, &err);
	maildir_name_read(text, &file);
	if (file.is_exact && !file.has_size)
		abort();
}

/* An order: sorting by another one may write where it must not. */
static void check_order(struct str a, struct str b, struct str c)
{
	if ((maildir_name_cmp(a, b) < 0) != (maildir_name_cmp(b, a) > 0))
		abort();
	if (maildir_name_cmp(a, b) <= 0 && maildir_name_cmp(b, c) <= 0 &&
		maildir_name_cmp(a, c) > 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of(data, size), words[MAILDIR_LETTERS];
	struct str first, second;
	struct error err = { 0 };

	check_uidlist(text);
	if (maildir_keywords_read(text, words, &err) < 0 && !err.text[0])
		abort();
	check_names(text, '/');
	check_names(text, '.');
	first = str_split(&text, '\n');
	second = str_split(&text, '\n');
	check_order(first, second, text);
	check_order(second, text, first);
	check_order(text, first, second);
	check_order(first, text, second);
	check_order(text, second, first);
	check_order(second, first, text);
	return 0;
}
