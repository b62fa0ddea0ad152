/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SEARCH (RFC 3501, 6.4.4; RETURN: RFC 4731). */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/notify.h"

#include <errno.h>

void cmd_search(struct imap *s, struct imap_cursor *args)
{
	struct searching *w = arena_alloc(&s->arena, sizeof(*w));

	if (!w) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	w->verb = STR_LIT("SEARCH");
	w->noun = "Search";
	w->finish = search_finish;
	if (!imap_space(args) || !imap_returns(args, &w->returns)) {
		imap_bad_arguments(s);
		return;
	}
	w->keys = args->rest;
	if (!imap_search(args, &s->arena, &w->search) || !imap_end(args)) {
		imap_bad_arguments(s);
		return;
	}
	/* RFC 6855, 3; SORT and THREAD cannot be said without one */
	if ((s->enabled & IMAP_UTF8) && w->search.charset.len) {
		imap_done(s, IMAP_BAD, "No charset is named after ENABLE UTF8=ACCEPT.");
		return;
	}
	if (context_has_tag(s, s->tag) && (w->returns.options & IMAP_RETURN_UPDATE)) {
		imap_done(s, IMAP_BAD, "Tag reuse.");
		return;
	}
	/* RFC 9051, 6.4.4: there is no other answer */
	if ((s->enabled & IMAP_REV2) && !w->returns.given) {
		w->returns.given = true;
		w->returns.options = IMAP_RETURN_ALL;
	}
	search_begin(s, w);
}
