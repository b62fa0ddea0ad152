/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session that waits for its client, into bytes and out of them (hibernation.h). */
#include "mailstore/serve/imap.h"
#include "mailstore/serve/imap_session.h"

#include <errno.h>
#include <inttypes.h>

/* Nothing but the mailbox and a few words make up what it is. */
static bool is_at_rest(const struct imap *s)
{
	return (s->phase == IMAP_PHASE_COMMAND || s->phase == IMAP_PHASE_IDLE) &&
	       s->state != IMAP_LOGGED_OUT && !s->awake && !s->contexts && !s->notify;
}

static int put_saved(const struct imap *s, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < s->n_saved && r == 0; i++)
		r = buf_printf(out, "%s%" PRIu32 ":%" PRIu32, i ? "," : "",
			s->saved[i].from, s->saved[i].to);
	return r;
}

int imap_hibernate(struct session *session, struct buf *out)
{
	const struct imap *s = session->state;
	struct hibernation h = { .enabled = s->enabled, .bad = s->bad };
	struct arena arena;
	struct buf saved;
	int code;

	if (!is_at_rest(s))
		return -EBUSY;
	if (s->phase == IMAP_PHASE_IDLE)
		h.idle = s->tag;
	arena_init(&arena);
	buf_init(&saved, HIBERNATION_MAX);
	code = put_saved(s, &saved);
	h.saved = buf_view(&saved);
	if (code == 0 && s->state == IMAP_SELECTED)
		code = view_hibernate(&s->view, &arena, &h);
	if (code == 0)
		code = hibernation_encode(&h, out);
	buf_fini(&saved);
	arena_fini(&arena);
	return code;
}

static int go_on(struct imap *s, const struct hibernation *h, struct error *err)
{
	int code;

	s->enabled = (unsigned)h->enabled;
	s->bad = (unsigned)h->bad;
	if (!h->mailbox)
		return 0;
	code = view_wake(&s->view, s->serve->store, h, &s->arena, err);
	arena_fini(&s->arena);
	if (code < 0)
		return code;
	s->state = IMAP_SELECTED;
	imap_save_result(s, h->saved);
	return 0;
}

int imap_wake(struct session *session, struct str known)
{
	struct imap *s = imap_make(session);
	struct error err = { 0 };
	struct hibernation h;

	if (!s)
		return -ENOMEM;
	if (hibernation_decode(known, &h) < 0 || go_on(s, &h, &err) < 0) {
		session->end = "what was kept of it is not what is here";
		imap_bye(s, "Your mailbox was restored, please log in again.");
		return 0;
	}
	return h.idle.len ? imap_idle_again(s, h.idle) : 0;
}
