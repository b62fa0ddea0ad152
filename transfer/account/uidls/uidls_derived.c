/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/account/uidls/uidls_derived.h"

#include "base/log.h"
#include "wire/mime/header.h"

#include <errno.h>
#include <stdio.h>

#define LATE_MAX 1000 /* new ones; more is no moment's mail */

static int find_inbox(struct job *j, struct destination_folder *ret)
{
	const struct destination *to = &j->destination;

	return to->ops->find_folder(to->self, STR_LIT("INBOX"), ret, &j->err);
}

/* ---- after a reading ---- */

/* Message by message the same, in one order; both sides are in their own. INBOX may have
   some that went meanwhile, and the maildrop more behind them: from *ret_rest on. */
static bool is_inbox(
	const struct uidl_match *m, struct uidls_known *known, size_t *ret_rest)
{
	size_t k = 0;

	for (size_t i = 0; i < m->n_inbox; i++) {
		const struct uidl_side *s = &m->inbox[i];

		if (!s->is_matched && known->n_gone < UIDLS_GONE_MAX)
			known->gone[known->n_gone++] = s->id;
		else if (k == m->n_drop || m->drop[k++].partner != s->id)
			return false;
	}
	*ret_rest = k;
	return true;
}

/* What the maildrop shows besides is mail that came after INBOX was listed: it has the
   unique-ids of the UIDs from `uidnext` on. */
static bool is_rest_late(
	const struct uidl_match *m, size_t rest, const struct uidls_known *known)
{
	char text[UIDL_FORM_TEXT];
	size_t i = rest;

	for (uint32_t k = 0; known->form && i < m->n_drop && k < LATE_MAX; k++)
		if (str_eq(m->drop[i].uidl,
			    uidl_form_write(known->form, known->uidnext + k,
				    known->uidvalidity, text)))
			i++;
	return i == m->n_drop;
}

static bool has_deleted(const struct uidl_match *m)
{
	for (size_t i = 0; i < m->n_inbox; i++)
		if (m->inbox[i].is_deleted && m->inbox[i].is_matched)
			return true;
	return false;
}

int uidls_remember(struct job *j, const struct uidl_match *m)
{
	struct uidls_known *known = &j->uidls_known;
	struct destination_folder inbox;
	struct uidl_forms forms;
	size_t rest = 0;
	int r = find_inbox(j, &inbox);

	*known = (struct uidls_known){ 0 };
	if (r < 0 || !is_inbox(m, known, &rest))
		return r;
	uidl_forms_begin(&forms);
	for (size_t i = 0; i < rest; i++)
		uidl_forms_see(
			&forms, m->drop[i].uidl, m->drop[i].partner, inbox.uidvalidity);
	known->shows_deleted = has_deleted(m);
	known->keyword_changes = j->sync.keyword_changes;
	known->form = uidl_forms_learnt(&forms);
	known->uidvalidity = inbox.uidvalidity;
	known->uidnext = inbox.uidnext;
	known->order = (uint32_t)rest;
	known->is_there = is_rest_late(m, rest, known);
	return 0;
}

/* ---- instead of one ---- */

struct late {
	uint32_t uids[LATE_MAX];
	size_t n;
	bool is_odd; /* the maildrop has to be read */
};

static int add_late(void *context, const struct mail *m)
{
	struct late *late = context;

	late->is_odd = late->is_odd || late->n == LATE_MAX || m->uidl.len;
	if (!late->is_odd)
		late->uids[late->n++] = m->uid;
	return 0;
}

static int look_at_header(void *context, struct str body)
{
	struct mime_field field;

	*(bool *)context = mime_find_field(body, STR_LIT("X-UIDL"), &field);
	return 0;
}

static int find_late(
	struct job *j, const struct destination_folder *inbox, struct late *late)
{
	const struct destination *to = &j->destination;
	uint32_t from = j->uidls_known.uidnext;
	int r = to->ops->each_mail(
		to->self, inbox->id, from, UINT32_MAX, add_late, late, &j->err);

	late->is_odd = late->is_odd || inbox->uidnext - from != late->n ||
	               (late->n && j->uidls_known.form == UIDL_FORM_NONE);
	for (size_t i = 0; r == 0 && !late->is_odd && i < late->n; i++)
		r = to->ops->read_body(to->self, inbox->id, late->uids[i], look_at_header,
			&late->is_odd, &j->err);
	return r;
}

static int set_late(
	struct job *j, const struct destination_folder *inbox, const struct late *late)
{
	const struct destination *to = &j->destination;
	struct uidls_known *known = &j->uidls_known;
	char text[UIDL_FORM_TEXT];
	int r = 0;

	for (size_t i = 0; r == 0 && i < late->n; i++) {
		struct mail m = { .uid = late->uids[i],
			.uidl = uidl_form_write(
				known->form, late->uids[i], inbox->uidvalidity, text),
			.pop3_order = ++known->order };

		r = to->ops->set_uidl(to->self, inbox->id, &m, &j->err);
	}
	return r ? r : to->ops->commit(to->self, &j->err);
}

static bool still_holds(const struct job *j, const struct destination_folder *inbox)
{
	const struct uidls_known *known = &j->uidls_known;

	/* a server may hide those that are \Deleted: where none was seen, who knows */
	return known->is_there && known->uidvalidity == inbox->uidvalidity &&
	       known->keyword_changes == j->sync.keyword_changes &&
	       (!inbox->deleted || known->shows_deleted);
}

static int find_gone(void *context, const struct mail *m)
{
	(void)m;
	*(bool *)context = true;
	return 0;
}

/* One that the maildrop did not show is there all the same: it may hide others, too. */
static int are_gone(
	struct job *j, const struct destination_folder *inbox, bool *ret_is_there)
{
	const struct destination *to = &j->destination;
	const struct uidls_known *known = &j->uidls_known;
	int r = 0;

	for (size_t i = 0; r == 0 && i < known->n_gone; i++)
		r = to->ops->each_mail(to->self, inbox->id, known->gone[i],
			known->gone[i], find_gone, ret_is_there, &j->err);
	return r;
}

static int conclude(
	struct job *j, const struct destination_folder *inbox, const struct late *late)
{
	int r = late->n ? set_late(j, inbox, late) : 0;

	if (r < 0)
		return r;
	j->uidls_known.uidnext = inbox->uidnext;
	j->uidls_known.n_gone = 0;
	j->uidls.kept = 1;
	j->uidls.unproven = 0;
	j->uidls.count = inbox->messages;
	j->uidls.derived += late->n;
	(void)snprintf(j->uidls.note, sizeof(j->uidls.note), "%zu derived of %u", late->n,
		inbox->messages);
	log_info(NULL, "uidls", "account=%.*s maildrop=%u derived=%zu",
		STR_ARG(j->account.name), inbox->messages, late->n);
	return 0;
}

int uidls_derive(struct job *j, bool *ret_done)
{
	struct destination_folder inbox = { 0 };
	struct late late = { .n = 0 };
	int r;

	*ret_done = false;
	if (!j->uidls_known.is_there || j->settings->uidls == UIDLS_REQUIRE)
		return 0;
	r = find_inbox(j, &inbox);
	if (r == 0 && !still_holds(j, &inbox))
		return 0;
	if (r == 0)
		r = find_late(j, &inbox, &late);
	if (r == 0 && !late.is_odd)
		r = are_gone(j, &inbox, &late.is_odd);
	if (r < 0 || late.is_odd)
		return r == -ENOENT ? 0 : r;
	*ret_done = true;
	return conclude(j, &inbox, &late);
}
