/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mailbox names between the client and the store, which keeps them as the source spells
   them: mostly in modified UTF-7. After ENABLE IMAP4rev2 or UTF8=ACCEPT the client has
   them in UTF-8 (RFC 9051, 5.1; RFC 6855, 3). */
#include "mailstore/serve/imap_session.h"
#include "wire/imap/encode.h"
#include "wire/imap/mutf7.h"

#include <errno.h>

static bool speaks_utf8(const struct imap *s)
{
	return s->enabled & (IMAP_REV2 | IMAP_UTF8);
}

/* A name that is not in modified UTF-7 was shown as it is, and comes back so. */
static bool is_there(struct imap *s, struct str name)
{
	struct mailbox m;

	return store_find_mailbox(s->serve->store, name, &s->arena, &m, NULL) == 0;
}

bool imap_name_from_client(struct imap *s, struct str *name)
{
	struct buf text;
	struct str kept;

	if (!speaks_utf8(s))
		return true;
	buf_init(&text, 0);
	kept = imap_mutf7_encode(*name, &text) ? arena_str(&s->arena, buf_view(&text))
	                                       : (struct str){ 0 };
	buf_fini(&text);
	if (!kept.ptr) /* RFC 6855, 3: what is no UTF-8 is BAD */
		return is_there(s, *name);
	if (str_eq(kept, *name) || is_there(s, kept) || !is_there(s, *name))
		*name = kept;
	return true;
}

bool imap_mailbox(struct imap *s, struct imap_cursor *c, struct str *ret)
{
	return imap_astring(c, &s->arena, ret) && imap_name_from_client(s, ret);
}

int imap_put_mailbox(struct imap *s, struct str name)
{
	struct buf utf8;
	int r;

	if (!speaks_utf8(s) || (imap_is_atom(name) && str_index(name, '&') == name.len))
		return imap_put_astring(imap_out(s), name);
	buf_init(&utf8, 0);
	r = imap_put_utf8(
		imap_out(s), imap_mutf7_decode(name, &utf8) ? buf_view(&utf8) : name);
	buf_fini(&utf8);
	return r;
}

bool imap_find_name(
	struct imap *s, struct str name, const char *missing, struct mailbox *ret)
{
	struct error err = { 0 };
	int code = store_find_mailbox(s->serve->store, name, &s->arena, ret, &err);

	if (code == -ENOENT)
		imap_done(s, IMAP_NO, "[%s] Mailbox does not exist.", missing);
	else if (code < 0)
		imap_failed(s, &err);
	return code == 0;
}

bool imap_find_mailbox(
	struct imap *s, struct str name, const char *missing, struct mailbox *ret)
{
	if (!imap_find_name(s, name, missing, ret))
		return false;
	if (!(ret->attributes & (MAILBOX_NOSELECT | MAILBOX_NONEXISTENT)))
		return true;
	imap_done(s, IMAP_NO, "[CANNOT] Mailbox holds no messages.");
	return false;
}
