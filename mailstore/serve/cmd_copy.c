/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EXPUNGE and CLOSE (RFC 3501; UID EXPUNGE: RFC 4315), COPY, MOVE (RFC 6851). */
#include "mailstore/serve/imap_commands.h"

#include <errno.h>
#include <inttypes.h>

/* ── EXPUNGE ───────────────────────────────────────────────────────────────────────── */

struct expunging {
	struct view *view;
	const struct imap_set *uids; /* NULL: all */
};

static int expunge_one(struct view *v, uint32_t uid, struct error *err)
{
	int code = store_expunge(v->store, v->mailbox, uid, err);

	return code == -ENOENT ? 0 : code; /* another session was faster */
}

static int expunge_deleted(void *context, struct error *err)
{
	struct expunging *w = context;
	struct view *v = w->view;
	int code = 0;

	for (uint32_t i = 0; i < v->count && code == 0; i++) {
		const struct view_message *m = &v->messages[i];

		if ((m->flags & FLAG_DELETED) &&
			(!w->uids || imap_set_has(w->uids, m->uid)))
			code = expunge_one(v, m->uid, err);
	}
	return code;
}

static bool has_deleted(const struct view *v)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->messages[i].flags & FLAG_DELETED)
			return true;
	return false;
}

/* RFC 7162, 3.2.7: what the client knows now is complete up to there. */
static void done_expunging(struct imap *s)
{
	struct mailbox m = { 0 };

	imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END)
		return;
	if ((s->enabled & IMAP_QRESYNC) &&
		store_mailbox_counts(s->serve->store, s->view.mailbox, &m, NULL) == 0)
		imap_done(s, IMAP_OK, "[HIGHESTMODSEQ %" PRIu64 "] Expunge completed.",
			mailbox_modseq(&m, m.highestmodseq));
	else
		imap_done(s, IMAP_OK, "Expunge completed.");
}

void cmd_expunge(struct imap *s, struct imap_cursor *args)
{
	struct expunging w = { .view = &s->view };
	struct imap_set uids;

	if (s->uid) {
		if (!imap_space(args) || !imap_set(args, &s->arena, &uids)) {
			imap_bad_arguments(s);
			return;
		}
		w.uids = &uids;
	}
	if (!imap_no_more(s, args))
		return;
	imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (s->uid && !imap_resolve_uids(s, &s->arena, &uids)) {
		imap_wrote(s, -ENOMEM);
		return;
	}
	if (has_deleted(&s->view) && imap_transaction(s, expunge_deleted, &w) < 0)
		return;
	done_expunging(s);
}

void cmd_close(struct imap *s, struct imap_cursor *args)
{
	struct expunging w = { .view = &s->view };

	if (!imap_no_more(s, args))
		return;
	imap_sync(s, false);
	if (s->phase == IMAP_PHASE_END)
		return;
	if (!s->view.read_only && has_deleted(&s->view) &&
		imap_transaction(s, expunge_deleted, &w) < 0)
		return;
	imap_unselect(s);
	imap_done(s, IMAP_OK, "Close completed.");
}

/* ── COPY and MOVE ─────────────────────────────────────────────────────────────────── */

struct copying {
	struct imap *s;
	struct mailbox to;
	struct imap_set set;
	struct view_walk walk;
	bool move;
	struct buf from_uids, to_uids; /* for COPYUID */
	struct imap_set_writer from_writer, to_writer;
	size_t count;
};

static int copy_one(struct copying *w, uint32_t uid, struct error *err)
{
	struct view *v = &w->s->view;
	uint32_t to_uid = 0;
	int code = store_copy(v->store, v->mailbox, uid, w->to.id, &to_uid, err);

	if (code == 0 && w->move)
		code = store_expunge(v->store, v->mailbox, uid, err);
	if (code == 0)
		code = imap_set_put(&w->from_writer, uid);
	if (code == 0)
		code = imap_set_put(&w->to_writer, to_uid);
	w->count++;
	return code;
}

static int copy_all(void *context, struct error *err)
{
	struct copying *w = context;
	uint32_t index;
	int code = 0;

	while (code == 0 && view_walk_next(&w->s->view, &w->walk, &index))
		code = copy_one(w, w->s->view.messages[index].uid, err);
	if (code == 0 && !w->move) /* a move makes the account no larger */
		code = quota_check(w->s->serve->store, &w->s->serve->quota, 0, 0, err);
	if (code == 0)
		code = imap_set_end(&w->from_writer);
	return code < 0 ? code : imap_set_end(&w->to_writer);
}

static bool parse_copy(struct copying *w, struct imap_cursor *args)
{
	struct imap *s = w->s;
	struct str name;

	if (!imap_space(args) || !imap_set(args, &s->arena, &w->set) ||
		!imap_space(args) || !imap_mailbox(s, args, &name) || !imap_end(args) ||
		!imap_walk(s, w->set, &w->walk)) {
		imap_bad_arguments(s);
		return false;
	}
	return imap_find_mailbox(s, name, "TRYCREATE", &w->to);
}

static int put_copyuid(struct copying *w, struct buf *out)
{
	int r = buf_printf(out, "[COPYUID %" PRIu32 " ", w->to.uidvalidity);

	if (r == 0)
		r = buf_append(out, buf_view(&w->from_uids));
	if (r == 0)
		r = buf_byte(out, ' ');
	if (r == 0)
		r = buf_append(out, buf_view(&w->to_uids));
	return r < 0 ? r : buf_append_c(out, "]");
}

/* COPYUID of a MOVE comes before the EXPUNGEs (RFC 6851, 4.3); of a COPY it belongs to
   the tagged answer, and both may be longer than an answer's text. */
static void answer_copy(struct copying *w)
{
	struct imap *s = w->s;
	const char *name = w->move ? "Move" : "Copy";
	int r;

	if (!w->count) {
		imap_done(s, IMAP_OK, "%s completed: no such messages.", name);
		return;
	}
	if (!w->move)
		imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END)
		return;
	r = buf_printf(imap_out(s), "%.*s OK ", w->move ? 1 : (int)s->tag.len,
		w->move ? "*" : s->tag.ptr);
	if (r == 0)
		r = put_copyuid(w, imap_out(s));
	if (r == 0)
		r = buf_printf(
			imap_out(s), " %s completed.\r\n", w->move ? "Moved UIDs" : name);
	imap_wrote(s, r);
	if (w->move)
		imap_done(s, IMAP_OK, "Move completed.");
	else
		imap_answered(s);
}

static void copy(struct imap *s, struct imap_cursor *args, bool move)
{
	struct copying w = { .s = s, .move = move };

	if (s->uid) /* UIDs that are gone are none (RFC 3501, 6.4.8) */
		imap_sync(s, true);
	if (s->phase == IMAP_PHASE_END)
		return;
	buf_init(&w.from_uids, 0);
	buf_init(&w.to_uids, 0);
	w.from_writer.out = &w.from_uids;
	w.to_writer.out = &w.to_uids;
	if (parse_copy(&w, args) && imap_transaction(s, copy_all, &w) == 0)
		answer_copy(&w);
	buf_fini(&w.from_uids);
	buf_fini(&w.to_uids);
}

void cmd_copy(struct imap *s, struct imap_cursor *args)
{
	copy(s, args, false);
}

void cmd_move(struct imap *s, struct imap_cursor *args)
{
	copy(s, args, true);
}
