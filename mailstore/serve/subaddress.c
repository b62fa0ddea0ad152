/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/subaddress.h"

#include "base/buf.h"
#include "mailstore/serve/names.h"
#include "wire/imap/mutf7.h"
#include "wire/imap/pattern.h"

#include <errno.h>

struct search {
	struct str prefix, word, encoded; /* encoded: in modified UTF-7, or "" */
	int64_t same, similar;            /* ids; 0: none yet */
	size_t n_similar;
};

static bool takes_mail(const struct mailbox *m)
{
	return !(m->attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT)) &&
	       !m->special_use.len && !imap_is_inbox(m->name);
}

static int compare(void *context, const struct mailbox *m)
{
	struct search *search = context;
	struct str name = m->name;

	if (!takes_mail(m) || !str_starts(name, search->prefix))
		return 0;
	name = str_skip(name, search->prefix.len);
	if (str_eq(name, search->encoded) || str_eq(name, search->word))
		search->same = m->id;
	if (str_ieq(name, search->encoded) || str_ieq(name, search->word)) {
		search->similar = m->id;
		search->n_similar++;
	}
	return 0;
}

static int look(
	struct store *s, struct search *search, int64_t *ret_id, struct error *err)
{
	int code = store_each_mailbox(s, compare, search, err);

	if (code < 0)
		return code;
	if (search->same)
		*ret_id = search->same;
	else if (search->n_similar == 1)
		*ret_id = search->similar;
	else
		return 0;
	return 1;
}

int subaddress_mailbox(
	struct store *s, struct str word, int64_t *ret_id, struct error *err)
{
	struct search search = { .word = word };
	struct name_space space;
	struct arena arena;
	struct buf encoded;
	int code;

	if (!word.len)
		return 0;
	arena_init(&arena);
	buf_init(&encoded, 0);
	code = names_space(s, &arena, &space, err);
	if (code == 0 && str_index(word, space.separator) == word.len) {
		search.prefix = space.prefix;
		if (imap_mutf7_encode(word, &encoded))
			search.encoded = buf_view(&encoded);
		code = look(s, &search, ret_id, err);
	}
	buf_fini(&encoded);
	arena_fini(&arena);
	return code;
}
