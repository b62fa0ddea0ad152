/* SPDX-License-Identifier: GPL-3.0-or-later */
/* COMPRESS (RFC 4978). */
#include "mailstore/serve/imap_commands.h"

void cmd_compress(struct imap *s, struct imap_cursor *args)
{
	if (!imap_space(args) || !imap_keyword(args, STR_LIT("DEFLATE"))) {
		imap_done(s, IMAP_BAD, "Only DEFLATE is known.");
		return;
	}
	if (!imap_no_more(s, args))
		return;
	if (s->session->deflated) {
		imap_done(s, IMAP_NO, "[COMPRESSIONACTIVE] DEFLATE is active already.");
		return;
	}
	imap_done(s, IMAP_OK, "DEFLATE active.");
	if (s->phase == IMAP_PHASE_COMMAND)
		s->phase = IMAP_PHASE_DEFLATE;
}
