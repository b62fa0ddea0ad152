/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands that are served, and in which state. */
#include "mailstore/serve/imap_commands.h"

#include "wire/imap/served.h"

#include <inttypes.h>

int imap_put_capabilities(const struct imap *s, struct buf *out)
{
	return buf_printf(
		out, "%s APPENDLIMIT=%" PRIu64, imap_served, s->serve->message_bytes);
}

#define ANY IMAP_ANY_STATE
#define SELECTED IMAP_IN(IMAP_SELECTED)
#define UID IMAP_UID_FORM
#define NUMBERS (IMAP_KEEPS_NUMBERS | IMAP_NAMES_NUMBERS)
#define NAMES IMAP_NAMES_NUMBERS
#define WRITES IMAP_WRITES

static const struct imap_command commands[] = {
	{ STR("CAPABILITY"), ANY, 0, cmd_capability },
	{ STR("NOOP"), ANY, 0, cmd_noop },
	{ STR("LOGOUT"), ANY, 0, cmd_logout },
	{ STR("ID"), ANY, 0, cmd_id },
	{ STR("ENABLE"), ANY, 0, cmd_enable },
	{ STR("COMPRESS"), ANY, 0, cmd_compress },
	{ STR("LOGIN"), ANY, 0, cmd_logged_in },
	{ STR("AUTHENTICATE"), ANY, 0, cmd_logged_in },
	{ STR("STARTTLS"), ANY, 0, cmd_logged_in },
	{ STR("NAMESPACE"), ANY, 0, cmd_namespace },
	{ STR("LIST"), ANY, 0, cmd_list },
	{ STR("LSUB"), ANY, 0, cmd_lsub },
	{ STR("XLIST"), ANY, 0, cmd_xlist },
	{ STR("MYRIGHTS"), ANY, 0, cmd_myrights },
	{ STR("GETACL"), ANY, 0, cmd_getacl },
	{ STR("LISTRIGHTS"), ANY, 0, cmd_listrights },
	{ STR("SETACL"), ANY, 0, cmd_setacl },
	{ STR("DELETEACL"), ANY, 0, cmd_deleteacl },
	{ STR("GETQUOTA"), ANY, 0, cmd_getquota },
	{ STR("GETQUOTAROOT"), ANY, 0, cmd_getquotaroot },
	{ STR("SETQUOTA"), ANY, 0, cmd_setquota },
	{ STR("GETMETADATA"), ANY, 0, cmd_getmetadata },
	{ STR("SETMETADATA"), ANY, 0, cmd_setmetadata },
	{ STR("SUBSCRIBE"), ANY, 0, cmd_subscribe },
	{ STR("UNSUBSCRIBE"), ANY, 0, cmd_unsubscribe },
	{ STR("CREATE"), ANY, 0, cmd_create },
	{ STR("DELETE"), ANY, 0, cmd_delete },
	{ STR("RENAME"), ANY, 0, cmd_rename },
	{ STR("STATUS"), ANY, 0, cmd_status },
	{ STR("SELECT"), ANY, 0, cmd_select },
	{ STR("EXAMINE"), ANY, 0, cmd_examine },
	{ STR("NOTIFY"), ANY, 0, cmd_notify },
	{ STR("IDLE"), ANY, 0, cmd_idle },
	{ STR("CHECK"), SELECTED, 0, cmd_noop },
	{ STR("CLOSE"), SELECTED, 0, cmd_close },
	{ STR("UNSELECT"), SELECTED, 0, cmd_unselect },
	{ STR("EXPUNGE"), SELECTED, UID | WRITES, cmd_expunge },
	{ STR("SEARCH"), SELECTED, UID | NUMBERS, cmd_search },
	{ STR("CANCELUPDATE"), SELECTED, 0, cmd_cancelupdate },
	{ STR("SORT"), SELECTED, UID | NUMBERS, cmd_sort },
	{ STR("THREAD"), SELECTED, UID | NUMBERS, cmd_thread },
	{ STR("FETCH"), SELECTED, UID | NUMBERS, cmd_fetch },
	{ STR("STORE"), SELECTED, UID | NUMBERS | WRITES, cmd_store },
	{ STR("COPY"), SELECTED, UID | NAMES, cmd_copy },
	{ STR("MOVE"), SELECTED, UID | WRITES | NAMES, cmd_move },
	/* mostly known by their literals (imap_append_begin()) before they end */
	{ STR("APPEND"), ANY, 0, cmd_append },
	{ STR("REPLACE"), SELECTED, UID | WRITES | NAMES, cmd_replace },
};

const struct imap_command *imap_command_of(struct str name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_ieq(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static bool command_name(struct imap *s, struct imap_cursor *c)
{
	struct str name;

	if (!imap_space(c) || !imap_atom(c, &name))
		return false;
	s->uid = str_ieq(name, STR_LIT("UID"));
	if (s->uid && (!imap_space(c) || !imap_atom(c, &name)))
		return false;
	s->command = imap_command_of(name);
	return s->command && (!s->uid || (s->command->flags & IMAP_UID_FORM));
}

void imap_dispatch(struct imap *s, struct str command)
{
	struct imap_cursor c = imap_lenient_cursor(command);

	if (!imap_tag(&c, &s->tag)) {
		s->tag = (struct str){ 0 };
		imap_done(s, IMAP_BAD, "Invalid tag.");
	} else if (!command_name(s, &c)) {
		s->command = NULL;
		imap_done(s, IMAP_BAD, "Unknown command.");
	} else if (!(s->command->allowed & IMAP_IN(s->state))) {
		imap_done(s, IMAP_BAD, "No mailbox selected.");
	} else if ((s->enabled & IMAP_UIDONLY) && !s->uid &&
		   (s->command->flags & IMAP_NAMES_NUMBERS)) {
		imap_done(s, IMAP_BAD, "[UIDREQUIRED] Only UIDs name messages here.");
	} else if ((s->command->flags & IMAP_WRITES) && s->view.read_only) {
		imap_done(s, IMAP_NO, "[READ-ONLY] Mailbox is read-only.");
	} else {
		s->command->handle(s, &c);
	}
}
