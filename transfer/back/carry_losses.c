/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What cannot be kept of a folder, when nothing is left to be done in it. */
#include "transfer/back/carry_parts.h"

#include "base/clock.h"

/* Dovecot gives such a message the date of now. */
static bool is_future(const struct carry *c, const struct carry_row *row)
{
	return c->way == CARRY_ON && row->date > (int64_t)(clock_wall_ms() / 1000);
}

static void count_pairs(struct carry *c, const struct carry_match *m)
{
	bool is_inbox = str_ieq(m->box->name, STR_LIT("INBOX"));

	for (size_t i = 0; i < m->n_rows; i++) {
		const struct carry_row *row = &m->rows[i];
		const struct listing_row *there;

		if (row->pair == CARRY_ALONE || !row->is_noted)
			continue;
		there = &c->listing.rows[row->pair];
		if (there->uid != row->uid ||
			m->box->uidvalidity != m->box->looks.uidvalidity) {
			c->lost.uids++;
			c->lost.uidls += is_inbox;
		}
		if (there->date != row->date)
			++*(is_future(c, row) ? &c->lost.future_dates : &c->lost.dates);
		c->lost.sizes +=
			there->size != row->size && there->size != MAIL_SIZE_UNKNOWN;
	}
}

/* Its UID at the source; 0: it never was there. */
static uint32_t uid_of_removed(
	const struct carry_match *m, const struct store_removed *removed)
{
	if (carry_was_there(m, removed->uid))
		return removed->uid;
	for (size_t i = 0; i < m->n_notes; i++)
		if (m->notes[i].mailbox == m->box->id && m->notes[i].uid == removed->uid)
			return m->notes[i].other_uid;
	return 0;
}

/* Removed here, and not there under its UID: what looks like it and is no message of ours
   is most likely the same, under another UID. It is not expunged for that. */
static void count_wandered(struct carry *c, const struct carry_match *m)
{
	const struct listing *l = &c->listing;

	for (size_t i = 0; c->way == CARRY_BACK && i < m->n_removed; i++) {
		const struct store_removed *is = &m->removed[i];
		uint32_t uid = uid_of_removed(m, is);

		if (!uid || listing_find(l, uid) != LISTING_NONE)
			continue;
		for (size_t k = 0; k < l->count; k++) {
			if (m->used[k] ||
				carry_is_another(&l->rows[k], is->date, is->size))
				continue;
			m->used[k] = true;
			c->lost.expunges++;
			break;
		}
	}
}

void carry_count_losses(struct carry *c, const struct carry_match *m)
{
	count_pairs(c, m);
	count_wandered(c, m);
}
