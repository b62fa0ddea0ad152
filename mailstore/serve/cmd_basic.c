/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands that touch no mailbox. */
#include "mailstore/serve/imap_commands.h"

void cmd_capability(struct imap *s, struct imap_cursor *args)
{
	if (!imap_no_more(s, args))
		return;
	imap_wrote(s, buf_append_c(imap_out(s), "* CAPABILITY "));
	imap_wrote(s, imap_put_capabilities(s, imap_out(s)));
	imap_wrote(s, buf_append_c(imap_out(s), "\r\n"));
	imap_done(s, IMAP_OK, "Capability completed.");
}

/* CHECK too: what was acknowledged is on disk already. */
void cmd_noop(struct imap *s, struct imap_cursor *args)
{
	if (imap_no_more(s, args))
		imap_done(s, IMAP_OK, "%.*s completed.", STR_ARG(s->command->name));
}

void cmd_logout(struct imap *s, struct imap_cursor *args)
{
	if (!imap_no_more(s, args))
		return;
	imap_unselect(s);
	imap_say(s, "BYE Logging out");
	imap_done(s, IMAP_OK, "Logout completed.");
	s->session->end = "logout";
	s->state = IMAP_LOGGED_OUT;
	s->phase = IMAP_PHASE_END;
}

void cmd_id(struct imap *s, struct imap_cursor *args)
{
	if (!imap_space(args) || !imap_skip_value(args)) {
		imap_bad_arguments(s);
		return;
	}
	if (!imap_no_more(s, args))
		return;
	imap_say(s, "ID (\"name\" \"mailferry\")");
	imap_done(s, IMAP_OK, "ID completed.");
}

void cmd_logged_in(struct imap *s, struct imap_cursor *args)
{
	(void)args;
	imap_done(s, IMAP_BAD, "Already logged in.");
}

void cmd_idle(struct imap *s, struct imap_cursor *args)
{
	if (!imap_no_more(s, args))
		return;
	imap_wrote(s, buf_append_c(imap_out(s), "+ idling\r\n"));
	if (s->phase != IMAP_PHASE_END)
		s->phase = IMAP_PHASE_IDLE;
}
