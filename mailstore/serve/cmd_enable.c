/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ENABLE (RFC 5161): names that nobody knows are passed over. */
#include "mailstore/serve/imap_commands.h"

#include <inttypes.h>

static const struct row {
	struct str name;
	unsigned enables; /* enum imap_enabled */
} rows[] = {
	{ STR("CONDSTORE"), IMAP_CONDSTORE },
	{ STR("QRESYNC"), IMAP_QRESYNC | IMAP_CONDSTORE },
	{ STR("IMAP4rev2"), IMAP_REV2 },
	{ STR("UTF8=ACCEPT"), IMAP_UTF8 },
	{ STR("UIDONLY"), IMAP_UIDONLY },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static bool parse(struct imap_cursor *args, bool found[static N_ROWS])
{
	struct str name;
	bool some = false;

	while (imap_space(args)) {
		if (!imap_atom(args, &name))
			return false;
		some = true;
		for (size_t i = 0; i < N_ROWS; i++)
			if (str_ieq(name, rows[i].name))
				found[i] = true;
	}
	return some && imap_end(args);
}

static void say_modseq(struct imap *s)
{
	struct mailbox m = { 0 };

	if (s->state == IMAP_SELECTED &&
		store_mailbox_counts(s->serve->store, s->view.mailbox, &m, NULL) == 0)
		imap_say(s, "OK [HIGHESTMODSEQ %" PRIu64 "] Highest",
			mailbox_modseq(&m, m.highestmodseq));
}

void imap_enable_condstore(struct imap *s)
{
	if (s->enabled & IMAP_CONDSTORE)
		return;
	s->enabled |= IMAP_CONDSTORE;
	say_modseq(s);
}

bool imap_enable_words(struct imap *s, struct str words)
{
	while (words.len) {
		struct str word = str_split(&words, ' ');
		size_t i = 0;

		while (i < N_ROWS && !str_ieq(word, rows[i].name))
			i++;
		if (i == N_ROWS)
			return false;
		s->enabled |= rows[i].enables;
	}
	return true;
}

void cmd_enable(struct imap *s, struct imap_cursor *args)
{
	bool found[N_ROWS] = { false };
	unsigned before = s->enabled;

	if (!parse(args, found)) {
		imap_bad_arguments(s);
		return;
	}
	imap_wrote(s, buf_append_c(imap_out(s), "* ENABLED"));
	for (size_t i = 0; i < N_ROWS; i++) {
		if (!found[i] || !(rows[i].enables & ~s->enabled))
			continue;
		s->enabled |= rows[i].enables;
		imap_wrote(s, buf_printf(imap_out(s), " %.*s", STR_ARG(rows[i].name)));
	}
	imap_wrote(s, buf_append_c(imap_out(s), "\r\n"));
	if (s->enabled & ~before & IMAP_CONDSTORE)
		say_modseq(s);
	imap_done(s, IMAP_OK, "Enabled.");
}
