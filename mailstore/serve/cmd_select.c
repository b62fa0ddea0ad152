/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SELECT, EXAMINE, CLOSE, UNSELECT, and keeping the selected mailbox in step. */
#include "mailstore/serve/imap_commands.h"

#include <errno.h>
#include <inttypes.h>

void imap_unselect(struct imap *s)
{
	if (s->state != IMAP_SELECTED)
		return;
	view_close(&s->view);
	s->state = IMAP_AUTHENTICATED;
}

void imap_sync(struct imap *s, bool expunges)
{
	struct error err = { 0 };
	int code;

	if (s->state != IMAP_SELECTED)
		return;
	code = view_sync(&s->view, expunges, s->uid, imap_out(s), &err);
	if (code >= 0)
		return;
	if (code == -ENOMEM) {
		imap_wrote(s, code);
		return;
	}
	if (code != -ENOENT && s->serve->complain)
		s->serve->complain(s->serve->context, s->session, &err);
	s->session->end = "the selected mailbox is gone";
	imap_bye(s, "Selected mailbox cannot be used any more.");
}

/* RFC 3501, 6.3.1: the first message without \Seen, for clients that start there. */
static void say_unseen(struct imap *s)
{
	for (uint32_t i = 0; i < s->view.count; i++) {
		if (s->view.messages[i].flags & FLAG_SEEN)
			continue;
		imap_say(s, "OK [UNSEEN %" PRIu32 "] First unseen.", i + 1);
		return;
	}
}

static void select_mailbox(struct imap *s, struct imap_cursor *args, bool read_only)
{
	struct error err = { 0 };
	struct mailbox m;
	struct str name;

	if (!imap_space(args) || !imap_astring(args, &s->arena, &name)) {
		imap_bad_arguments(s);
		return;
	}
	if (!imap_no_more(s, args))
		return;
	imap_unselect(s); /* also when the new one cannot be opened */
	if (!imap_find_mailbox(s, name, "NONEXISTENT", &m))
		return;
	if (view_open(&s->view, s->serve->store, &m, read_only, &err) < 0) {
		imap_failed(s, &err);
		return;
	}
	s->state = IMAP_SELECTED;
	imap_wrote(s, view_put_flags(&s->view, imap_out(s)));
	imap_say(s, "%" PRIu32 " EXISTS", s->view.count);
	imap_say(s, "%" PRIu32 " RECENT", s->view.recent);
	say_unseen(s);
	imap_say(s, "OK [UIDVALIDITY %" PRIu32 "] UIDs valid", m.uidvalidity);
	imap_say(s, "OK [UIDNEXT %" PRIu32 "] Predicted next UID", m.uidnext);
	imap_done(s, IMAP_OK, "[%s] %s completed.",
		read_only ? "READ-ONLY" : "READ-WRITE", read_only ? "Examine" : "Select");
}

void cmd_select(struct imap *s, struct imap_cursor *args)
{
	select_mailbox(s, args, false);
}

void cmd_examine(struct imap *s, struct imap_cursor *args)
{
	select_mailbox(s, args, true);
}

void cmd_unselect(struct imap *s, struct imap_cursor *args)
{
	if (!imap_no_more(s, args))
		return;
	imap_unselect(s);
	imap_done(s, IMAP_OK, "Unselect completed.");
}
