/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GETACL, LISTRIGHTS, MYRIGHTS, SETACL, DELETEACL (RFC 4314) of an account whose
   mailboxes are shared with nobody: what is asked is answered, what would share is
   refused. */
#include "mailstore/serve/acl.h"
#include "mailstore/serve/imap_commands.h"
#include "wire/imap/encode.h"

#include <errno.h>

/* With the ones of RFC 2086 (c, d), as RFC 4314, 2.1.1 has it. */
#define ALL_RIGHTS "lrswipkxtecda"

int acl_put_my_rights(struct imap *s, struct str name)
{
	int r = buf_append_c(imap_out(s), "* MYRIGHTS ");

	if (r == 0)
		r = imap_put_mailbox(s, name);
	return r < 0 ? r : buf_append_c(imap_out(s), " " ALL_RIGHTS "\r\n");
}

/* Whose account it is; a folder that does not say it has "owner". */
static struct str owner_of(struct imap *s)
{
	struct store_identity is = { .owner = STR("") };

	if (store_identity(s->serve->store, &s->arena, &is, NULL) < 0 || !is.owner.len)
		return STR_LIT("owner");
	return is.owner;
}

static bool parse_mailbox(struct imap *s, struct imap_cursor *args, struct mailbox *ret,
	struct str *ret_who)
{
	struct str name;

	if (!imap_space(args) || !imap_mailbox(s, args, &name) ||
		(ret_who &&
			(!imap_space(args) || !imap_astring(args, &s->arena, ret_who)))) {
		imap_bad_arguments(s);
		return false;
	}
	return imap_no_more(s, args) && imap_find_name(s, name, "NONEXISTENT", ret);
}

void cmd_myrights(struct imap *s, struct imap_cursor *args)
{
	struct mailbox m;

	if (!parse_mailbox(s, args, &m, NULL))
		return;
	imap_wrote(s, acl_put_my_rights(s, m.name));
	imap_done(s, IMAP_OK, "Myrights completed.");
}

/* "* ACL name " or "* LISTRIGHTS name ", and of whom. */
static int put_rights(struct imap *s, const char *what, struct str name, struct str who,
	const char *rights)
{
	int r = buf_printf(imap_out(s), "* %s ", what);

	if (r == 0)
		r = imap_put_mailbox(s, name);
	if (r == 0)
		r = buf_byte(imap_out(s), ' ');
	if (r == 0)
		r = imap_put_astring(imap_out(s), who);
	return r < 0 ? r : buf_printf(imap_out(s), " %s\r\n", rights);
}

void cmd_getacl(struct imap *s, struct imap_cursor *args)
{
	struct mailbox m;

	if (!parse_mailbox(s, args, &m, NULL))
		return;
	imap_wrote(s, put_rights(s, "ACL", m.name, owner_of(s), ALL_RIGHTS));
	imap_done(s, IMAP_OK, "Getacl completed.");
}

void cmd_listrights(struct imap *s, struct imap_cursor *args)
{
	struct mailbox m;
	struct str who;

	if (!parse_mailbox(s, args, &m, &who))
		return;
	imap_wrote(s, put_rights(s, "LISTRIGHTS", m.name, who,
			      str_eq(who, owner_of(s)) ? ALL_RIGHTS : "\"\""));
	imap_done(s, IMAP_OK, "Listrights completed.");
}

/* "+lrs"; RFC 4314, 3.1: a right that is not known is BAD. */
static bool are_rights(struct str rights)
{
	const struct str all = STR(ALL_RIGHTS);

	if (rights.len && (rights.ptr[0] == '+' || rights.ptr[0] == '-'))
		rights = str_skip(rights, 1);
	for (size_t i = 0; i < rights.len; i++)
		if (str_index(all, rights.ptr[i]) == all.len)
			return false;
	return true;
}

static void refuse(struct imap *s, struct imap_cursor *args, bool with_rights)
{
	struct str name, who, rights;

	if (!imap_space(args) || !imap_mailbox(s, args, &name) || !imap_space(args) ||
		!imap_astring(args, &s->arena, &who) ||
		(with_rights &&
			(!imap_space(args) || !imap_astring(args, &s->arena, &rights) ||
				!are_rights(rights)))) {
		imap_bad_arguments(s);
		return;
	}
	if (imap_no_more(s, args))
		imap_done(s, IMAP_NO, "[NOPERM] Mailboxes are not shared here.");
}

void cmd_setacl(struct imap *s, struct imap_cursor *args)
{
	refuse(s, args, true);
}

void cmd_deleteacl(struct imap *s, struct imap_cursor *args)
{
	refuse(s, args, false);
}
