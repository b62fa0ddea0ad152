/* SPDX-License-Identifier: GPL-3.0-or-later */
/* THREAD (RFC 5256). */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/search.h"
#include "mailstore/serve/sort_key.h"
#include "mailstore/serve/sort_stored.h"

#include <errno.h>

struct threading {
	struct searching searching;
	enum imap_thread algorithm;
	struct imap_thread_message *messages; /* one for each that was found */
	uint32_t n;                           /* those that could be read */
};

static int read_message(struct imap *s, struct searching *w, uint32_t i,
	size_t *ret_bytes, struct error *err)
{
	struct sort_source source = { &s->view, &w->rows, &s->serve->sort_cache,
		&s->arena };
	struct threading *t = w->context;
	struct imap_thread_message *m;
	int code;

	sort_cache_begin(source.cache, s->view.mailbox, s->view.uidvalidity);
	sort_stored_load(s->serve, true, t->algorithm != IMAP_THREAD_ORDEREDSUBJECT);
	if (!t->messages)
		t->messages = arena_alloc(&s->arena, w->count * sizeof(*t->messages));
	if (!t->messages)
		return -ENOMEM;
	m = &t->messages[t->n];
	*m = (struct imap_thread_message){ .id = STR("") };
	m->number = s->uid ? s->view.messages[w->found[i]].uid : w->found[i] + 1;
	code = sort_thread_read(m, w->found[i],
		t->algorithm != IMAP_THREAD_ORDEREDSUBJECT, &source, ret_bytes, err);
	if (code == 0)
		t->n++;
	return code;
}

static void finish(struct imap *s, struct searching *w)
{
	struct threading *t = w->context;
	int r = buf_append_c(imap_out(s), t->n ? "* THREAD " : "* THREAD");

	if (r == 0)
		r = imap_put_threads(
			imap_out(s), t->algorithm, t->messages, t->n, &s->arena);
	imap_wrote(s, r < 0 ? r : buf_append_c(imap_out(s), "\r\n"));
	imap_done(s, IMAP_OK, "Thread completed.");
}

static bool parse(struct imap *s, struct threading *t, struct imap_cursor *args)
{
	struct imap_search *search = &t->searching.search;

	return imap_space(args) && imap_thread(args, &t->algorithm) && imap_space(args) &&
	       imap_astring(args, &s->arena, &search->charset) && imap_space(args) &&
	       imap_search_keys(args, &s->arena, search) && imap_end(args);
}

void cmd_thread(struct imap *s, struct imap_cursor *args)
{
	struct threading *t = arena_alloc(&s->arena, sizeof(*t));

	if (!t) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	if (!parse(s, t, args)) {
		imap_bad_arguments(s);
		return;
	}
	t->searching.verb = STR_LIT("THREAD");
	t->searching.read = read_message;
	t->searching.wants = STORE_FIELDS;
	t->searching.finish = finish;
	t->searching.context = t;
	search_begin(s, &t->searching);
}
