/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The UIDs of a folder of which only the changes are listed:
 *
 *   * ESEARCH (TAG "m7") UID ALL 3:20,25        (RFC 4731)
 *
 * The tag says whose answer it is: Dovecot gives it before the end of the FETCH in front
 * of it. A part has its answer in one line; UIDs ascend over all parts. Whatever is not
 * so means that the folder has to be listed as a whole: nothing here is named or asked
 * again.
 */
#include "transfer/read/imap_answers.h"

#include "wire/imap/set.h"

#include <stdio.h>

static int refused(struct answer *a, struct str text)
{
	return a->events->listed(
		a->events->context, a->command->folder, SOURCE_REFUSED, text);
}

/* ---- what comes ---- */

static struct imap_command *sent_as(struct imap_connection *imap, struct str tag)
{
	uint32_t number;

	if (!str_istarts(tag, STR_LIT("m")) || !str_to_u32(str_skip(tag, 1), &number))
		return NULL;
	for (size_t i = 0; i < imap->n_sent; i++) {
		struct imap_command *c =
			&imap->sent[(imap->first_sent + i) % IMAP_SENT_MAX];

		if (c->tag == number)
			return c;
	}
	return NULL;
}

/* Whose answer it is; NULL: of none that was asked for here. */
static struct imap_command *find_command(struct answer *a, struct imap_cursor *c)
{
	struct imap_command *is =
		imap_connection_head(a->imap); /* the tag may be left out */
	struct str tag;

	if (imap_char(c, '(')) {
		if (!imap_keyword(c, STR_LIT("TAG")) || !imap_space(c) ||
			!imap_astring(c, &a->imap->arena, &tag) || !imap_char(c, ')'))
			return NULL;
		is = sent_as(a->imap, tag);
	}
	return is && is->asked == IMAP_ASKED_UIDS && is->folder == a->imap->open_folder
	               ? is
	               : NULL;
}

static bool find_all(struct imap_cursor *c, struct arena *arena, struct imap_set *ret)
{
	struct str name;

	*ret = (struct imap_set){ 0 };
	while (imap_space(c) || !imap_end(c)) {
		if (!imap_atom(c, &name))
			return false;
		if (str_ieq(name, STR_LIT("UID")))
			continue;
		if (!imap_space(c))
			return false;
		if (str_ieq(name, STR_LIT("ALL")))
			return imap_set(c, arena, ret) && !ret->saved;
		if (!imap_skip_value(c))
			return false;
	}
	return true; /* without ALL there are none (RFC 4731, 3.1) */
}

/* "n:*" shows the last message, even though it lies below n and in the part before. */
static int tell(struct answer *a, const struct imap_command *c, struct imap_range range)
{
	struct imap_connection *imap = a->imap;

	if (range.from == range.to && range.to == imap->last_uid && range.to < c->from)
		return 0;
	if (!range.from || range.from <= imap->last_uid) {
		imap->uids_are_odd = true;
		return 0;
	}
	imap->last_uid = range.to;
	imap->n_uids += (uint64_t)range.to - range.from + 1;
	return a->events->uids(a->events->context, c->folder, range.from, range.to);
}

int imap_uids_data(struct answer *a, struct imap_response *is, struct str line)
{
	struct imap_connection *imap = a->imap;
	struct imap_command *c;
	struct imap_set all;
	int r = 0;

	if (!str_ieq(is->name, STR_LIT("ESEARCH")))
		return imap_mailbox_data(a, is, line);
	c = find_command(a, &is->rest);
	if (!c)
		return 0;
	if (c->has_answer || !find_all(&is->rest, &imap->arena, &all)) {
		imap->uids_are_odd = true;
		return 0;
	}
	c->has_answer = true;
	if (all.count)
		imap_set_resolve(&all, 0, NULL);
	for (size_t i = 0; r == 0 && i < all.count; i++)
		r = tell(a, c, all.ranges[i]);
	return r;
}

/* ---- the end ---- */

/* Fewer UIDs than messages: some are not seen. More: some came meanwhile. */
int imap_uids_end(struct answer *a, const struct imap_response *is)
{
	struct imap_connection *imap = a->imap;
	char text[80];

	if (is->status != IMAP_STATUS_OK || !a->command->has_answer)
		imap->uids_are_odd = true;
	if (!a->command->is_last)
		return 0;
	if (!imap_is_open(a))
		return refused(a, str_from(imap->why));
	if (imap->uids_are_odd || imap->rows_refused || imap->rows.count)
		return refused(a, STR_LIT("what has changed is not understood"));
	if (imap->n_uids < imap->status.messages) {
		(void)snprintf(text, sizeof(text), "only %llu of %u UIDs are listed",
			(unsigned long long)imap->n_uids, imap->status.messages);
		return refused(a, str_from(text));
	}
	return a->events->listed(
		a->events->context, a->command->folder, SOURCE_DONE, STR_LIT(""));
}
