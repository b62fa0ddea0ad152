/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SELECT, EXAMINE, CLOSE, UNSELECT, and keeping the selected mailbox in step. */
#include "mailstore/serve/imap_commands.h"
#include "mailstore/serve/notify.h"
#include "wire/imap/condstore.h"
#include "wire/imap/cross.h"

#include <errno.h>
#include <inttypes.h>

void imap_unselect(struct imap *s)
{
	if (s->state != IMAP_SELECTED)
		return;
	view_images_keep(&s->serve->images, &s->view);
	view_close(&s->view);
	contexts_end(s);
	imap_save_result(s, STR_LIT(""));
	s->state = IMAP_AUTHENTICATED;
}

/* RFC 7162, 3.2.4: who knows of modseqs is told the UID with everything. */
static unsigned form_of(const struct imap *s)
{
	unsigned form = notify_form(s) | (s->uid ? VIEW_UID : 0);

	if (s->enabled & IMAP_CONDSTORE)
		form |= VIEW_UID | VIEW_MODSEQ;
	if (s->enabled & IMAP_QRESYNC)
		form |= VIEW_VANISHED;
	if (s->enabled & IMAP_UIDONLY)
		form |= VIEW_VANISHED | VIEW_UIDFETCH;
	return form | (s->enabled & IMAP_REV2 ? VIEW_NO_RECENT : 0u);
}

void imap_sync(struct imap *s, bool expunges)
{
	struct error err = { 0 };
	int code;

	if (s->state != IMAP_SELECTED)
		return;
	s->view.form = form_of(s);
	if (notify_mutes(s)) {
		code = view_tell(&s->view, imap_out(s), &err);
	} else {
		uint32_t last_uid = view_last_uid(&s->view);

		code = contexts_before(s, expunges, &err);
		if (code == 0)
			code = view_sync(&s->view, expunges, imap_out(s), &err);
		if (code == 0)
			code = contexts_after(s, &err);
		if (code == 0)
			notify_new_messages(s, last_uid);
	}
	if (code >= 0)
		return;
	if (code == -ENOMEM) {
		imap_wrote(s, code);
		return;
	}
	if (code != -ENOENT && s->serve->complain)
		s->serve->complain(s->serve->context, s->session, &err);
	s->session->end = "the selected mailbox is gone";
	imap_bye(s, "Selected mailbox cannot be used any more.");
}

/* RFC 3501, 6.3.1: the first message without \Seen, for clients that start there. */
static void say_unseen(struct imap *s)
{
	for (uint32_t i = 0; i < s->view.count; i++) {
		if (s->view.messages[i].flags & FLAG_SEEN)
			continue;
		imap_say(s, "OK [UNSEEN %" PRIu32 "] First unseen.", i + 1);
		return;
	}
}

/* What the client missed (RFC 7162, 3.2.5), when its mailbox is still this one. */
static int resync(struct imap *s, const struct mailbox *m,
	struct imap_select_params *params, struct error *err)
{
	const struct imap_set *known = params->has_known ? &params->known : NULL;
	int code;

	if (params->uidvalidity != m->uidvalidity)
		return 0;
	if (known)
		imap_set_resolve(&params->known, m->uidnext - 1, NULL);
	code = view_put_vanished(&s->view, params->modseq, known, imap_out(s), err);
	for (uint32_t i = 0; i < s->view.count && code == 0; i++) {
		struct view_message *message = &s->view.messages[i];

		if (message->modseq > params->modseq &&
			(!known || imap_set_has(known, message->uid)))
			message->untold = s->view.untold = true;
	}
	return code < 0 ? code : view_tell(&s->view, imap_out(s), err);
}

static void say_mailbox(struct imap *s, const struct mailbox *m)
{
	imap_wrote(s, view_put_flags(&s->view, imap_out(s)));
	imap_say(s, "%" PRIu32 " EXISTS", s->view.count);
	if (s->enabled & IMAP_REV2) /* RFC 9051, 6.3.2 */
		imap_wrote(s, list_put_mailbox(s, NULL, m->name, STR_LIT("")));
	if (!(s->enabled & IMAP_REV2)) {
		imap_say(s, "%" PRIu32 " RECENT", s->view.recent);
		if (!(s->enabled & IMAP_UIDONLY))
			say_unseen(s);
	}
	imap_say(s, "OK [UIDVALIDITY %" PRIu32 "] UIDs valid", m->uidvalidity);
	imap_say(s, "OK [UIDNEXT %" PRIu32 "] Predicted next UID", m->uidnext);
	imap_say(s, "OK [HIGHESTMODSEQ %" PRIu64 "] Highest",
		mailbox_modseq(m, m->highestmodseq));
	imap_say(s, "OK [MAILBOXID (F%" PRId64 ")] Mailbox id", m->id);
}

static bool parse(struct imap *s, struct imap_cursor *args, struct str *ret_name,
	struct imap_select_params *ret)
{
	if (imap_space(args) && imap_mailbox(s, args, ret_name) &&
		imap_select_params(args, &s->arena, ret) && imap_end(args) &&
		(!ret->qresync || (s->enabled & IMAP_QRESYNC)) &&
		(!ret->has_numbers || !(s->enabled & IMAP_UIDONLY)))
		return true;
	imap_bad_arguments(s);
	return false;
}

static void select_mailbox(struct imap *s, struct imap_cursor *args, bool read_only)
{
	bool closes = s->state == IMAP_SELECTED;
	struct imap_select_params params;
	struct error err = { 0 };
	struct mailbox m;
	struct str name;

	if (!parse(s, args, &name, &params))
		return;
	imap_unselect(s); /* also when the new one cannot be opened */
	if (closes)
		imap_say(s, "OK [CLOSED] Previous mailbox closed.");
	if (!imap_find_mailbox(s, name, "NONEXISTENT", &m))
		return;
	if (params.condstore)
		s->enabled |= IMAP_CONDSTORE;
	if (view_images_open(&s->serve->images, &s->view, s->serve->store, &m, read_only,
		    &err) < 0) {
		imap_failed(s, &err);
		return;
	}
	s->state = IMAP_SELECTED;
	s->view.form = form_of(s);
	say_mailbox(s, &m);
	if (params.qresync && resync(s, &m, &params, &err) < 0) {
		imap_unselect(s);
		imap_failed(s, &err);
		return;
	}
	imap_done(s, IMAP_OK, "[%s] %s completed.",
		read_only ? "READ-ONLY" : "READ-WRITE", read_only ? "Examine" : "Select");
}

/* The account's note: up to then all was told by the source. */
static uint64_t told_until(struct imap *s)
{
	struct str text;
	uint64_t modseq;

	return store_checkpoint(s->serve->store, STR_LIT(LIVE_MODSEQ), &s->arena, &text,
		       NULL) == 0 &&
	                       str_to_u64(text, &modseq)
	               ? modseq
	               : 0;
}

/* "" is no set in the protocol, and here the set of no message. */
static bool read_uids(struct imap *s, struct str text, struct imap_set *ret)
{
	struct imap_cursor c = imap_cursor(text);
	uint64_t count = 0;

	*ret = (struct imap_set){ .count = 0 };
	if (!text.len)
		return true;
	if (!imap_set(&c, &s->arena, ret) || ret->saved || !imap_end(&c))
		return false;
	imap_set_resolve(ret, 0, NULL);
	for (size_t i = 0; i < ret->count; i++)
		count += (uint64_t)ret->ranges[i].to - ret->ranges[i].from + 1;
	return count <= IMAP_NUMBERS_MAX;
}

bool imap_select_again(struct imap *s, const struct resumption *r)
{
	struct view_known known = { .uidvalidity = r->uidvalidity,
		.told_until = told_until(s) };
	struct error err = { 0 };
	struct str name = r->mailbox;
	struct mailbox m;
	int code;

	if (!read_uids(s, r->uids, &known.uids) || !imap_name_from_client(s, &name) ||
		store_find_mailbox(s->serve->store, name, &s->arena, &m, &err) < 0)
		return false;
	code = view_resume(&s->view, s->serve->store, &m, &known, r->read_only, &err);
	if (code < 0) {
		if (code != -ESTALE && s->serve->complain)
			s->serve->complain(s->serve->context, s->session, &err);
		return false;
	}
	s->state = IMAP_SELECTED;
	return true;
}

void cmd_select(struct imap *s, struct imap_cursor *args)
{
	select_mailbox(s, args, false);
}

void cmd_examine(struct imap *s, struct imap_cursor *args)
{
	select_mailbox(s, args, true);
}

void cmd_unselect(struct imap *s, struct imap_cursor *args)
{
	if (!imap_no_more(s, args))
		return;
	imap_unselect(s);
	imap_done(s, IMAP_OK, "Unselect completed.");
}
