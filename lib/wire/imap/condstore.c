/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "wire/imap/condstore.h"

/* "(uidvalidity modseq[ known-uids][ (numbers uids)])" */
static bool qresync(
	struct imap_cursor *c, struct arena *arena, struct imap_select_params *ret)
{
	struct imap_set numbers;

	ret->qresync = true;
	if (!imap_char(c, '(') || !imap_number(c, &ret->uidvalidity) ||
		!ret->uidvalidity || !imap_space(c) || !imap_number64(c, &ret->modseq) ||
		!ret->modseq)
		return false;
	while (imap_space(c)) {
		if (imap_char(c, '(')) {
			ret->has_numbers = true;
			if (!imap_set(c, arena, &numbers) || !imap_space(c) ||
				!imap_set(c, arena, &numbers) || !imap_char(c, ')'))
				return false;
			break;
		}
		if (ret->has_known || !imap_set(c, arena, &ret->known) ||
			ret->known.saved)
			return false;
		ret->has_known = true;
	}
	return imap_char(c, ')');
}

static bool select_param(
	struct imap_cursor *c, struct arena *arena, struct imap_select_params *ret)
{
	if (imap_keyword(c, STR_LIT("CONDSTORE"))) {
		ret->condstore = true;
		return true;
	}
	return imap_keyword(c, STR_LIT("QRESYNC")) && imap_space(c) &&
	       qresync(c, arena, ret);
}

bool imap_select_params(
	struct imap_cursor *c, struct arena *arena, struct imap_select_params *ret)
{
	*ret = (struct imap_select_params){ .condstore = false };
	if (!imap_space(c))
		return true;
	if (!imap_char(c, '('))
		return false;
	do {
		if (!select_param(c, arena, ret))
			return false;
	} while (imap_space(c));
	return imap_char(c, ')');
}

bool imap_unchangedsince(struct imap_cursor *c, bool *ret_given, uint64_t *ret_modseq)
{
	*ret_given = imap_char(c, '(');
	if (!*ret_given)
		return true;
	return imap_keyword(c, STR_LIT("UNCHANGEDSINCE")) && imap_space(c) &&
	       imap_number64(c, ret_modseq) && imap_char(c, ')') && imap_space(c);
}
